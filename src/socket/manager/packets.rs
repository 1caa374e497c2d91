//! What the server sends (Socket.IO v5 "Exchange protocol").

use serde_json::Value;

use crate::engine::{CloseReason, Sid};

use super::super::{DisconnectReason, Kind, Namespace, Packet};
use super::{Connection, Manager, ManagerEvent, Next};

impl Manager {
    pub(super) fn on_packet(&mut self, packet: Packet) {
        if packet.namespace != Namespace::MAIN {
            // Nothing was asked of another namespace; ignored, as in the reference implementation.
            return;
        }
        match &mut self.connection {
            Connection::Joining { early } => {
                if matches!(packet.kind, Kind::Event { .. }) {
                    early.push(packet);
                } else {
                    self.on_answer(packet.kind);
                }
            }
            Connection::Connected => self.on_traffic(packet.kind),
            // What was on its way when the session was told to close.
            Connection::Idle
            | Connection::Dialing { .. }
            | Connection::Closing { .. }
            | Connection::Backoff { .. } => {}
        }
    }

    fn on_answer(&mut self, kind: Kind) {
        match kind {
            Kind::Connect(payload) => match payload.as_ref().and_then(|payload| payload["sid"].as_str()) {
                Some(sid) => self.on_connected(Sid::from_peer(sid)),
                // A server of an older protocol.
                None => self.fail_attempt(CloseReason::ParseError),
            },
            Kind::ConnectError(payload) => self.on_refused(payload),
            // It cannot take out whom it has not let in.
            Kind::Disconnect => self.fail_attempt(CloseReason::ParseError),
            // Events wait for the answer, and nothing was sent that could be acknowledged.
            Kind::Event { .. } | Kind::Ack { .. } => {}
        }
    }

    /// The application hears of the connection before anything of it is received or sent. (The reference implementation
    /// flushes first, so that a handler of `connect` runs after what was buffered has left.)
    fn on_connected(&mut self, sid: Sid) {
        if self.backoff.attempts() > 0 {
            tracing::debug!(
                reached = "client.reconnect",
                attempts = self.backoff.attempts(),
                "connected again"
            );
        }
        self.backoff.reset();
        self.event(ManagerEvent::Connected { sid });
        let joining = std::mem::replace(&mut self.connection, Connection::Connected);
        if let Connection::Joining { early } = joining {
            early.into_iter().for_each(|packet| self.on_traffic(packet.kind));
        }
        self.flush();
    }

    /// A refusal is a decision of the application on the other side: asking again would not change it.
    fn on_refused(&mut self, payload: Value) {
        self.backoff.reset();
        self.close(Next::Idle);
        self.event(ManagerEvent::ConnectError(payload));
    }

    fn on_traffic(&mut self, kind: Kind) {
        match kind {
            Kind::Event { name, args, ack } => {
                if let Some(id) = ack {
                    self.unanswered.asked(id);
                }
                self.event(ManagerEvent::Received { name, args, ack });
            }
            Kind::Ack { id, args } => {
                // Late, repeated or invented answers have nobody who waits for them.
                if let Some(emit) = self.emits.answer(id) {
                    self.event(ManagerEvent::Acked { emit, result: Ok(args) });
                }
            }
            Kind::Disconnect => {
                self.close(Next::Idle);
                self.lose(DisconnectReason::IoServerDisconnect);
            }
            // The namespace has answered already, and answers once.
            Kind::Connect(_) | Kind::ConnectError(_) => {}
        }
    }
}
