//! A TCP proxy between one client and the server: it writes down what passes, and does to the wire what a case asks for.
//!
//! Bytes pass as they are, in the chunks in which they come. What is said in the name of a side goes between two frames.
#![expect(clippy::disallowed_methods, reason = "a real wire between real processes is served by real tasks")]

use std::collections::VecDeque;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{mpsc, watch};
use tokio_tungstenite::tungstenite::Bytes;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};

use super::wire::{Decoder, Direction, Layer};

/// How much of a long packet is shown.
const SHOWN: usize = 400;

/// Any will do: these frames need not hide from a cache.
const MASK: [u8; 4] = [7, 7, 7, 7];

/// A packet that passed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Passed {
    pub(crate) direction: Direction,
    pub(crate) layer: Layer,
    pub(crate) packet: String,
}

/// How a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Passing,
    Stalled,
    Cut,
}

/// A frame that neither side has sent.
#[derive(Debug)]
pub(crate) struct Forged {
    pub(crate) direction: Direction,
    pub(crate) content: Bytes,
    pub(crate) is_binary: bool,
}

impl Forged {
    /// Only what a client sends is masked.
    fn bytes(self) -> Vec<u8> {
        let opcode = OpCode::Data(if self.is_binary { Data::Binary } else { Data::Text });
        let mut frame = Frame::message(self.content, opcode, true);
        if self.direction == Direction::ToServer {
            frame.header_mut().mask = Some(MASK);
        }
        let mut bytes = Vec::new();
        frame.format(&mut bytes).expect("a vector takes all that is written");
        bytes
    }
}

struct Connection {
    state: watch::Sender<State>,
    to_server: mpsc::UnboundedSender<Forged>,
    to_client: mpsc::UnboundedSender<Forged>,
}

#[derive(Default)]
struct Shared {
    passed: Vec<Passed>,
    connections: Vec<Connection>,
    is_refusing: bool,
    is_stalled: bool,
}

/// The wire of one client. It ends with the runtime that it was made in.
#[derive(Clone)]
pub(crate) struct Proxy {
    /// Where the client is to connect to.
    pub(crate) port: u16,
    shared: Arc<Mutex<Shared>>,
    changed: Arc<tokio::sync::Notify>,
}

impl Proxy {
    /// A wire to a server on this port.
    pub(crate) async fn start(server: u16) -> io::Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await?;
        let proxy =
            Self { port: listener.local_addr()?.port(), shared: Arc::default(), changed: Arc::default() };
        let accepting = proxy.clone();
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                if accepting.shared().is_refusing {
                    continue;
                }
                if let Ok(server) = TcpStream::connect(("127.0.0.1", server)).await {
                    accepting.connect(client, server);
                }
            }
        });
        Ok(proxy)
    }

    fn shared(&self) -> MutexGuard<'_, Shared> {
        self.shared.lock().expect("no one panics while holding it")
    }

    /// What has passed so far, in order.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.shared().passed.clone()
    }

    /// Ends when more has passed than when this was called, or at once where that may be.
    pub(crate) async fn changed(&self) {
        self.changed.notified().await;
    }

    /// All connections end, without a word of either side.
    pub(crate) fn cut(&self) {
        self.set(State::Cut);
    }

    /// Nothing passes any more, on new connections neither.
    pub(crate) fn stall(&self) {
        self.hold();
        self.set(State::Stalled);
    }

    /// Nothing passes on connections that are yet to come.
    pub(crate) fn hold(&self) {
        self.shared().is_stalled = true;
    }

    /// What was stalled or held passes.
    pub(crate) fn resume(&self) {
        self.shared().is_stalled = false;
        self.set(State::Passing);
    }

    /// Whether new connections end at once.
    pub(crate) fn refuse(&self, is_refusing: bool) {
        self.shared().is_refusing = is_refusing;
    }

    /// Says something in the name of a side, on the connection that was made last.
    pub(crate) fn forge(&self, frame: Forged) {
        let shared = self.shared();
        let Some(connection) = shared.connections.last() else { return };
        let to = match frame.direction {
            Direction::ToServer => &connection.to_server,
            Direction::ToClient => &connection.to_client,
        };
        // A connection that has ended takes nothing.
        drop(to.send(frame));
    }

    fn set(&self, state: State) {
        for connection in &self.shared().connections {
            connection.state.send_replace(state);
        }
    }

    fn connect(&self, client: TcpStream, server: TcpStream) {
        for stream in [&client, &server] {
            // Without it the proxy would delay what both sides send at once.
            drop(stream.set_nodelay(true));
        }
        let (from_client, to_client) = client.into_split();
        let (from_server, to_server) = server.into_split();
        let state = if self.shared().is_stalled { State::Stalled } else { State::Passing };
        let (state, states) = watch::channel(state);
        let (forge_to_server, forged_to_server) = mpsc::unbounded_channel();
        let (forge_to_client, forged_to_client) = mpsc::unbounded_channel();
        let connection = Connection { state, to_server: forge_to_server, to_client: forge_to_client };
        self.shared().connections.push(connection);
        let pump = |direction, states: &watch::Receiver<State>, forged| Pump {
            proxy: self.clone(),
            decoder: Decoder::new(direction),
            direction,
            states: states.clone(),
            forged,
            waiting: VecDeque::new(),
        };
        let up = pump(Direction::ToServer, &states, forged_to_server);
        tokio::spawn(up.run(from_client, to_server));
        let down = pump(Direction::ToClient, &states, forged_to_client);
        tokio::spawn(down.run(from_server, to_client));
    }
}

/// One direction of a connection.
struct Pump {
    proxy: Proxy,
    decoder: Decoder,
    direction: Direction,
    states: watch::Receiver<State>,
    forged: mpsc::UnboundedReceiver<Forged>,
    /// Forged frames that wait for the end of one that has begun.
    waiting: VecDeque<Forged>,
}

impl Pump {
    async fn run(mut self, mut from: OwnedReadHalf, mut to: OwnedWriteHalf) {
        let mut buffer = vec![0; 64 * 1024];
        loop {
            let state = *self.states.borrow_and_update();
            let chunk = tokio::select! {
                biased;
                changed = self.states.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return,
                },
                // Dropping both halves on both sides is what ends a connection.
                () = std::future::ready(()), if state == State::Cut => return,
                Some(forged) = self.forged.recv(), if state == State::Passing => {
                    self.waiting.push_back(forged);
                    Vec::new()
                }
                read = from.read(&mut buffer), if state == State::Passing => match read {
                    Ok(0) => {
                        drop(to.shutdown().await);
                        return;
                    }
                    Ok(length) => buffer[..length].to_vec(),
                    Err(_) => {
                        self.proxy.cut();
                        return;
                    }
                },
            };
            if self.pass(&chunk, &mut to).await.is_err() {
                return;
            }
        }
    }

    async fn pass(&mut self, chunk: &[u8], to: &mut OwnedWriteHalf) -> io::Result<()> {
        self.write_down(chunk);
        to.write_all(chunk).await?;
        while self.decoder.is_between_frames()
            && let Some(forged) = self.waiting.pop_front()
        {
            let bytes = forged.bytes();
            self.write_down(&bytes);
            to.write_all(&bytes).await?;
        }
        Ok(())
    }

    fn write_down(&mut self, bytes: &[u8]) {
        let lines = self.decoder.feed(bytes);
        if lines.is_empty() {
            return;
        }
        let direction = self.direction;
        let passed =
            lines.into_iter().map(|(layer, packet)| Passed { direction, layer, packet: shortened(packet) });
        self.proxy.shared().passed.extend(passed);
        self.proxy.changed.notify_waiters();
        self.proxy.changed.notify_one();
    }
}

fn shortened(packet: String) -> String {
    if packet.chars().count() <= SHOWN {
        return packet;
    }
    format!("{}… ({} bytes)", packet.chars().take(SHOWN / 10).collect::<String>(), packet.len())
}
