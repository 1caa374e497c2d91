//! One connection of a client, from its first packet to its last: an engine session, on requests or a WebSocket.
//!
//! Takes packets from the peer and messages from the hub; gives packets to the hub and messages to the peer. Reading never
//! stops, whatever the handlers or the peer's reading do, so a pong is heard when it comes.

use std::sync::Arc;

use crate::engine::{CloseReason, Event, Handshake, Message, ServerSession, Sid};
use crate::io::link::Link;
use crate::io::net::BoxStream;
use crate::io::websocket::WebSocket;
use crate::socket::{ConnectionId, Decoder};

use super::Shared;
use super::hub_task::ToHub;
use super::outgoing::{self, Outgoing};
use super::request::RequestInfo;
use super::sessions::{Inbox, Mailbox};

/// How many bytes are taken from the queue before they are flushed. What is not taken stays shared with others.
const BATCH: usize = 64 << 10;

pub(super) struct Connection {
    id: ConnectionId,
    shared: Arc<Shared>,
    link: Link<BoxStream, ServerSession, Inbox>,
    decoder: Decoder,
    outgoing: outgoing::Receiver,
}

impl Connection {
    /// A session on a WebSocket; to be run.
    pub(super) fn on_websocket(
        shared: Arc<Shared>,
        socket: WebSocket<BoxStream>,
        request: Arc<RequestInfo>,
    ) -> Self {
        let open = |session, inbox| Link::open(&shared.env, session, inbox, socket);
        Self::new(shared.clone(), request, open).0
    }

    /// A session that the next request to it opens. It outlives the HTTP connections that speak to it, in a task of its own.
    pub(super) fn on_polling(shared: &Arc<Shared>, request: Arc<RequestInfo>) -> Mailbox {
        let open = |session, inbox| Link::new(&shared.env, session, inbox);
        let (connection, mailbox) = Self::new(shared.clone(), request, open);
        let task = shared.tasks.start();
        shared.env.spawn(async move {
            connection.run().await;
            drop(task);
        });
        mailbox
    }

    fn new(
        shared: Arc<Shared>,
        request: Arc<RequestInfo>,
        open: impl FnOnce(ServerSession, Inbox) -> Link<BoxStream, ServerSession, Inbox>,
    ) -> (Self, Mailbox) {
        let id = shared.next_connection();
        let sid = Sid::generate(&*shared.env.entropy, id.0 as u32);
        let (mailbox, inbox) = shared.sessions.register(sid.clone());
        let handshake = Handshake {
            sid,
            upgrades: Vec::new(),
            heartbeat: shared.options.heartbeat,
            max_payload: shared.options.max_http_buffer_size as u64,
        };
        let link = open(ServerSession::new(handshake), inbox);
        let (sender, outgoing) = outgoing::channel(shared.options.max_outgoing_bytes);
        shared.tell_hub(ToHub::Opened(id, sender, request));
        (Self { id, shared, link, decoder: Decoder::default(), outgoing }, mailbox)
    }

    /// Runs until the session is over and its goodbye is said.
    pub(super) async fn run(mut self) {
        let meter = self.outgoing.meter();
        let reason = loop {
            self.forward_events();
            if let Some(reason) = self.link.over() {
                break reason;
            }
            tokio::select! {
                biased;
                () = meter.aborted() => {
                    self.tell_closed(CloseReason::ForcedClose);
                    return;
                }
                next = self.outgoing.next(), if self.link.is_flushed() => self.send_batch(next),
                () = self.link.progress() => {}
            }
            if self.link.is_flushed() {
                self.outgoing.written();
            }
        };
        self.tell_closed(reason);
        // What still waits was for a session that is no more.
        drop(self.outgoing);
        self.link.finish().await;
    }

    fn forward_events(&mut self) {
        while let Some(event) = self.link.next_event() {
            match event {
                Event::Received(message) => self.receive(message),
                // The hub knows it since it was made, and hears of its end from `run`.
                Event::Opened(_) | Event::Closed(_) => {}
            }
        }
    }

    fn receive(&mut self, message: Message) {
        match self.decoder.receive(message) {
            Ok(Some(packet)) => self.shared.tell_hub(ToHub::Received(self.id, packet)),
            Ok(None) => {}
            Err(error) => {
                tracing::debug!(connection = self.id.0, %error, "peer does not speak Socket.IO");
                self.link.close();
            }
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

    fn tell_closed(&self, reason: CloseReason) {
        tracing::debug!(connection = self.id.0, %reason, "connection is over");
        self.shared.tell_hub(ToHub::Closed(self.id, reason));
    }
}
