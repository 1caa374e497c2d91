//! Where the snippets play: a server, its clients and a network in memory, and a console that can be read.
//!
//! Nothing here waits for the operating system, so that a snippet ends the same way every time, and at once.

use std::fmt::Display;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::DuplexStream;
use tokio::sync::{Mutex, mpsc};

use crate::io::net::{Connector, Listener};
use crate::io::{Client, ClientOptions, ConnectUrl, Env, Event, Server, ServerOptions};
use crate::socket::OptionsError;

/// How many bytes fit into a connection, one way, before a writer waits.
const STREAM_BYTES: usize = 64 << 10;

/// What a snippet needs besides its own code.
pub struct Stage {
    /// The world of server and clients.
    pub env: Env,
    /// Keeps what is said.
    pub console: &'static Console,
    net: Net,
}

impl Stage {
    /// A server that listens, and its stage.
    pub fn new() -> (Self, Server) {
        let (stage, listener) = Self::build();
        let server = Server::new(&stage.env, ServerOptions::default());
        let serving = server.clone();
        stage.env.spawn(async move {
            // The listener ends with the stage.
            drop(serving.serve(listener).await);
        });
        (stage, server)
    }

    /// A stage on which no one listens.
    pub fn without_server() -> Self {
        Self::build().0
    }

    fn build() -> (Self, NetListener) {
        let (net, listener) = mpsc::unbounded_channel();
        // One a snippet, and so few; handlers can take a plain reference along.
        let console = Box::leak(Box::new(Console::new()));
        (Self { env: Env::tokio(), console, net: Net(net) }, NetListener(listener))
    }

    /// The way to the server, for who dials by itself.
    pub fn net(&self) -> Net {
        self.net.clone()
    }

    /// Where the server is.
    pub fn url(&self) -> ConnectUrl {
        ConnectUrl { secure: false, host: "server".to_owned(), port: 3000 }
    }

    /// A client that has not connected.
    ///
    /// # Errors
    /// When options do not go together.
    pub fn client(
        &self,
        options: ClientOptions,
    ) -> Result<(Client, mpsc::UnboundedReceiver<Event>), OptionsError> {
        Client::new(&self.env, self.net(), self.url(), options)
    }

    /// A client that is connected.
    ///
    /// # Panics
    /// When it is refused.
    pub async fn connect(&self) -> (Client, mpsc::UnboundedReceiver<Event>) {
        let (client, mut events) = self.client(ClientOptions::default()).expect("defaults go together");
        client.connect();
        let first = events.recv().await;
        assert!(matches!(first, Some(Event::Connected { .. })), "{first:?}");
        (client, events)
    }
}

/// What was said, in order.
pub struct Console {
    lines: mpsc::UnboundedSender<String>,
    said: Mutex<mpsc::UnboundedReceiver<String>>,
}

impl Console {
    fn new() -> Self {
        let (lines, said) = mpsc::unbounded_channel();
        Self { lines, said: Mutex::new(said) }
    }

    /// Says something.
    pub fn log(&self, line: impl Display) {
        self.lines.send(line.to_string()).expect("the console has both ends");
    }

    /// The next line, once it is said.
    pub async fn next(&self) -> String {
        self.said.lock().await.recv().await.expect("the console has both ends")
    }
}

/// A network in memory with one server.
#[derive(Clone)]
pub struct Net(mpsc::UnboundedSender<DuplexStream>);

impl Connector for Net {
    type Stream = DuplexStream;

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<DuplexStream> {
        let (ours, theirs) = tokio::io::duplex(STREAM_BYTES);
        self.0.send(theirs).map_err(|_| io::ErrorKind::ConnectionRefused)?;
        Ok(ours)
    }
}

struct NetListener(mpsc::UnboundedReceiver<DuplexStream>);

impl Listener for NetListener {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        let stream = self.0.recv().await.ok_or(io::ErrorKind::NotConnected)?;
        Ok((stream, SocketAddr::from((Ipv4Addr::LOCALHOST, 0))))
    }
}
