//! One connection of a client, from its first packet to its last: an engine session, on requests or a WebSocket.
//!
//! Takes messages from the peer for what lives above, and from there messages for the peer. Reading never stops, whatever
//! the handlers or the peer's reading do, so a pong is heard when it comes.

use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use crate::engine::{CloseReason, Event, Handshake, Message, ServerSession, Sid, Transport};
use crate::io::link::Link;
use crate::io::net::BoxStream;
use crate::io::websocket::WebSocket;
use crate::socket::ConnectionId;

use super::endpoint::{Host, Inlet};
use super::outgoing::{self, Outgoing};
use super::request::RequestInfo;
use super::sessions::{Inbox, Mailbox};

/// How many bytes are taken from the queue before they are flushed. What is not taken stays shared with others.
const BATCH: usize = 64 << 10;

pub(super) struct Connection {
    id: ConnectionId,
    link: Link<BoxStream, ServerSession, Inbox>,
    inlet: Box<dyn Inlet>,
    outgoing: outgoing::Receiver,
}

impl Connection {
    /// A session on a WebSocket; to be run.
    pub(super) fn on_websocket(
        host: Arc<dyn Host>,
        socket: WebSocket<BoxStream>,
        request: Arc<RequestInfo>,
    ) -> Self {
        let env = host.endpoint().env.clone();
        Self::new(host, request, |session, inbox| Link::open(&env, session, inbox, socket)).0
    }

    /// A session that the next request to it opens. It outlives the HTTP connections that speak to it, in a task of its own.
    pub(super) fn on_polling(host: Arc<dyn Host>, request: Arc<RequestInfo>) -> Mailbox {
        let env = host.endpoint().env.clone();
        let (connection, mailbox) =
            Self::new(host.clone(), request, |session, inbox| Link::new(&env, session, inbox));
        host.endpoint().spawn(connection.run());
        mailbox
    }

    fn new(
        host: Arc<dyn Host>,
        request: Arc<RequestInfo>,
        open: impl FnOnce(ServerSession, Inbox) -> Link<BoxStream, ServerSession, Inbox>,
    ) -> (Self, Mailbox) {
        let endpoint = host.endpoint();
        let id = endpoint.next_connection();
        let sid = Sid::generate(&*endpoint.env.entropy, id.0 as u32);
        let (mailbox, inbox) = endpoint.sessions.register(sid.clone());
        let handshake = Handshake {
            sid,
            upgrades: Vec::new(),
            heartbeat: endpoint.options.heartbeat,
            max_payload: endpoint.options.max_http_buffer_size as u64,
        };
        let upgrade = endpoint.options.transports.contains(&Transport::WebSocket);
        let upgrade_timeout = upgrade.then_some(endpoint.options.upgrade_timeout);
        let link = open(ServerSession::new(handshake).with_upgrade(upgrade_timeout), inbox);
        let (sender, outgoing) = outgoing::channel(endpoint.options.max_outgoing_bytes);
        let inlet = host.open(id, sender, request);
        (Self { id, link, inlet, outgoing }, mailbox)
    }

    /// Runs until the session is over and its goodbye is said.
    pub(super) async fn run(mut self) {
        let meter = self.outgoing.meter();
        let mut aborted = pin!(meter.aborted());
        let reason = loop {
            self.forward_events();
            if let Some(reason) = self.link.over() {
                break reason;
            }
            tokio::select! {
                biased;
                () = &mut aborted => return closed(self.id, self.inlet, CloseReason::ForcedClose),
                () = poll_fn(|context| self.poll_turn(context)) => {}
            }
            if self.link.is_flushed() {
                self.outgoing.written();
            }
        };
        closed(self.id, self.inlet, reason);
        // What still waits was for a session that is no more.
        drop(self.outgoing);
        self.link.finish().await;
    }

    /// Takes what is to be sent, where all before it is written, and one step of the link, which writes it.
    fn poll_turn(&mut self, context: &mut Context<'_>) -> Poll<()> {
        let mut turn = Poll::Pending;
        if self.link.is_flushed()
            && let Poll::Ready(next) = self.outgoing.poll_next(context)
        {
            self.send_batch(next);
            turn = Poll::Ready(());
        }
        // What the close was said behind is written by who finishes the link.
        let over = self.link.over().is_some();
        if over || self.link.poll_progress(context).is_ready() { Poll::Ready(()) } else { turn }
    }

    fn forward_events(&mut self) {
        while let Some(event) = self.link.next_event() {
            match event {
                Event::Received(message) => self.receive(message),
                // Who lives above knows it since it was made, and hears of its end from `run`.
                Event::Opened(_) | Event::Pinged | Event::Closed(_) => {}
            }
        }
    }

    fn receive(&mut self, message: Message) {
        if let Err(why) = self.inlet.receive(message) {
            tracing::debug!(connection = self.id.0, why, "what the peer says cannot be taken");
            self.link.close();
        }
    }

    /// Hands a batch to the session, to be flushed at once.
    fn send_batch(&mut self, first: Outgoing) {
        let mut next = Some(first);
        while let Some(outgoing) = next {
            match outgoing {
                Outgoing::Messages(messages) => {
                    messages.iter().for_each(|message| self.link.send(message.clone()));
                }
                Outgoing::Close => return self.link.close(),
            }
            next = if self.outgoing.taken() < BATCH { self.outgoing.try_next() } else { None };
        }
    }
}

fn closed(id: ConnectionId, inlet: Box<dyn Inlet>, reason: CloseReason) {
    tracing::debug!(connection = id.0, %reason, "connection is over");
    inlet.closed(reason);
}
