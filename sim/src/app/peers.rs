//! Whose socket is whose, at the server: what its process hands to its kernel goes in, records of connections come out.
//!
//! A handler is told a socket's id and not where it comes from; a listener knows where a stream comes from and not which
//! sockets are on it. The answer to CONNECT, `40{"sid":"…"}` (Socket.IO protocol, "Connection to a namespace"), has
//! the id and passes by on the stream.
//!
//! Promise: each socket whose client can have heard of it is recorded once as connected, with that client's name, and once
//! as disconnected. An event that goes to its client before the answer to CONNECT is recorded, where `wire` can read it.
//! Bytes pass unchanged.

use std::collections::{BTreeMap, BTreeSet};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use memchr::memmem::Finder;
use squall::io::net::Listener;
use squall::socket::{Header, Namespace, PacketType};
use squall::{Server, Socket};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::Machine;
use super::wire::Wire;
use crate::history::{Kind, Word};
use crate::plan::Name;
use crate::world::net::{ProcessListener, ProcessStream};

/// What comes before the id in an answer to CONNECT, in the main namespace.
const ANSWER: &[u8] = b"40{\"sid\":\"";

/// No id is longer.
const ID_MAX: usize = 64;

/// The sockets of one life of a server.
#[derive(Clone)]
pub(super) struct Peers {
    machine: Machine,
    sockets: Arc<Mutex<Sockets>>,
}

#[derive(Default)]
struct Sockets {
    sessions: u32,
    known: BTreeMap<String, Known>,
}

/// What is known of a socket that is not recorded as connected yet.
enum Known {
    /// Its handler runs; nobody has been answered.
    Session(u32),
    /// It was answered; its handler has not begun.
    Peer(Name),
}

impl Peers {
    /// Records the sockets of a server, if it listens by [`Peers::listener`].
    pub(super) fn of(machine: &Machine, server: &Server) -> Self {
        let peers = Self { machine: machine.clone(), sockets: Arc::default() };
        let recorded = peers.clone();
        server.on_connect(move |socket| {
            recorded.on_socket(&socket);
            std::future::ready(())
        });
        peers
    }

    /// A listener whose streams are read along.
    pub(super) fn listener(&self, listener: ProcessListener) -> NamingListener {
        NamingListener { listener, peers: self.clone() }
    }

    fn on_socket(&self, socket: &Socket) {
        let sid = socket.id().to_string();
        let mut sockets = self.sockets.lock().expect("no one panics while holding it");
        sockets.sessions += 1;
        let session = sockets.sessions;
        match sockets.known.remove(&sid) {
            Some(Known::Peer(peer)) => self.record_connected(session, peer),
            Some(Known::Session(_)) | None => drop(sockets.known.insert(sid, Known::Session(session))),
        }
        let peers = self.clone();
        socket.on_disconnect(move |socket, reason| async move {
            peers.on_disconnect(&socket, session, reason.as_str());
        });
    }

    fn on_answer(&self, sid: String, peer: &Name) {
        let mut sockets = self.sockets.lock().expect("no one panics while holding it");
        match sockets.known.remove(&sid) {
            Some(Known::Session(session)) => self.record_connected(session, peer.clone()),
            Some(Known::Peer(_)) | None => drop(sockets.known.insert(sid, Known::Peer(peer.clone()))),
        }
    }

    fn on_early(&self, namespace: Namespace, peer: &Name) {
        let namespace = namespace.as_str().to_owned();
        self.machine.record(0, Kind::Early { peer: peer.clone(), namespace });
    }

    fn record_connected(&self, session: u32, peer: Name) {
        self.machine.record(session, Kind::Connected { peer: Some(peer) });
    }

    /// A socket that was never answered was never connected for anyone.
    fn on_disconnect(&self, socket: &Socket, session: u32, reason: Word) {
        let mut sockets = self.sockets.lock().expect("no one panics while holding it");
        if sockets.known.remove(&socket.id().to_string()).is_none() {
            self.machine.record(session, Kind::Disconnected { reason });
        }
    }
}

/// Accepts what the process's kernel accepted, and reads along.
pub(super) struct NamingListener {
    listener: ProcessListener,
    peers: Peers,
}

impl Listener for NamingListener {
    type Stream = NamingStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, address) = self.listener.accept().await?;
        let peer = stream.peer().clone();
        let (answers, passed) = (Answers::default(), Passed::default());
        Ok((NamingStream { stream, peer, answers, passed, peers: self.peers.clone() }, address))
    }
}

/// A stream whose answers to CONNECT are noted when the kernel has taken them.
pub(super) struct NamingStream {
    stream: ProcessStream,
    peer: Name,
    answers: Answers,
    passed: Passed,
    peers: Peers,
}

impl AsyncRead for NamingStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl AsyncWrite for NamingStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let this = &mut *self;
        let written = Pin::new(&mut this.stream).poll_write(context, bytes);
        if let Poll::Ready(Ok(written)) = written {
            for sid in this.answers.pass(&bytes[..written]) {
                this.peers.on_answer(sid, &this.peer);
            }
            for namespace in this.passed.early(&bytes[..written]) {
                this.peers.on_early(namespace, &this.peer);
            }
        }
        written
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(context)
    }
}

/// In which namespaces CONNECT was answered on a stream.
#[derive(Default)]
struct Passed {
    wire: Wire,
    answered: BTreeSet<Namespace>,
}

impl Passed {
    /// The namespaces of the events in these bytes that are not answered yet.
    fn early(&mut self, bytes: &[u8]) -> Vec<Namespace> {
        let (mut early, answered) = (Vec::new(), &mut self.answered);
        self.wire.pass(bytes, |Header { namespace, packet_type, .. }| match packet_type {
            PacketType::Connect => drop(answered.insert(namespace)),
            PacketType::Disconnect | PacketType::ConnectError => drop(answered.remove(&namespace)),
            PacketType::Event if !answered.contains(&namespace) => early.push(namespace),
            PacketType::Event | PacketType::Ack => {}
        });
        early
    }
}

/// Finds answers to CONNECT in bytes that come in pieces. No message can hold one: in JSON its quotes are escaped.
struct Answers {
    answer: Finder<'static>,
    /// The end of what has passed: the beginning of an answer may be in it.
    rest: Vec<u8>,
}

impl Default for Answers {
    fn default() -> Self {
        Self { answer: Finder::new(ANSWER), rest: Vec::new() }
    }
}

impl Answers {
    /// The ids of the answers that these bytes complete.
    fn pass(&mut self, bytes: &[u8]) -> Vec<String> {
        self.rest.extend_from_slice(bytes);
        let (mut ids, mut from) = (Vec::new(), 0);
        while let Some(at) = self.answer.find(&self.rest[from..]) {
            let begins = from + at + ANSWER.len();
            let id = &self.rest[begins..];
            match id.iter().take(ID_MAX).position(|byte| *byte == b'"') {
                Some(length) => {
                    ids.push(String::from_utf8_lossy(&id[..length]).into_owned());
                    from = begins + length;
                }
                None if id.len() < ID_MAX => {
                    self.rest.drain(..from + at);
                    return ids;
                }
                None => from = begins,
            }
        }
        let keep = (self.rest.len() - from).min(ANSWER.len() - 1);
        self.rest.drain(..self.rest.len() - keep);
        ids
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const STREAM: &[u8] =
        b"\x81\x7e40{\"sid\":\"first\"}\x8142[\"40{\\\"sid\\\":\\\"said\\\"}\"]40{\"sid\":\"second\"}40/events,{\"sid\":\"x\"}";

    #[test]
    fn an_answer_is_found_however_the_bytes_come_in_pieces() {
        for length in 1..=STREAM.len() {
            let mut answers = Answers::default();
            let ids: Vec<_> = STREAM.chunks(length).flat_map(|piece| answers.pass(piece)).collect();
            assert_eq!(ids, ["first", "second"], "in pieces of {length}");
            assert!(answers.rest.len() < ANSWER.len(), "what has passed is forgotten");
        }
    }

    #[test]
    fn what_never_ends_is_no_id() {
        let mut answers = Answers::default();
        assert_eq!(answers.pass(b"40{\"sid\":\""), [""; 0]);
        for _ in 0..100 {
            assert_eq!(answers.pass(b"xxxxxxxxxx"), [""; 0]);
            assert!(answers.rest.len() < ANSWER.len() + ID_MAX + 10);
        }
        assert_eq!(answers.pass(b"40{\"sid\":\"third\"}"), ["third"]);
    }
}
