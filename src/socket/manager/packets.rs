//! What the server sends (Socket.IO v5 "Exchange protocol").

use serde_json::Value;

use crate::engine::{CloseReason, Sid, Time};
use crate::reached::reached;

use super::super::{DisconnectReason, Kind, Namespace, Packet};
use super::{Connection, Manager, ManagerEvent, Standing};

impl Manager {
    pub(super) fn on_packet(&mut self, packet: Packet, now: Time) {
        // What was on its way when the session was told to close is not heard.
        let Connection::Open = self.connection else { return };
        // Nothing was asked of another namespace; ignored, as in the reference implementation.
        let Some(socket) = self.sockets.get_mut(&packet.namespace) else { return };
        match &mut socket.standing {
            Standing::Away | Standing::Asking => {}
            Standing::Joining { early } => {
                if matches!(packet.kind, Kind::Event { .. }) {
                    reached!("client.early_event");
                    early.push(packet);
                } else {
                    self.on_answer(&packet.namespace, packet.kind, now);
                }
            }
            Standing::Connected => self.on_traffic(&packet.namespace, packet.kind, now),
        }
    }

    pub(super) fn on_pinged(&mut self) {
        if let Connection::Open = self.connection {
            self.tell_wanted(|| ManagerEvent::Pinged);
        }
    }

    fn on_answer(&mut self, namespace: &Namespace, kind: Kind, now: Time) {
        let wanted = self.socket(namespace).wanted;
        match kind {
            Kind::Connect(payload) => match payload.as_ref().and_then(|payload| payload["sid"].as_str()) {
                Some(sid) if wanted => {
                    let pid = payload.as_ref().and_then(|payload| payload["pid"].as_str());
                    let recovered = self.socket(namespace).session.answered(pid);
                    self.on_connected(namespace, Sid::from_peer(sid), recovered, now);
                }
                // The application left while it waited.
                Some(_) => {
                    self.socket(namespace).standing = Standing::Away;
                    self.transmit(namespace, Kind::Disconnect);
                }
                // A server of an older protocol.
                None => self.fail(CloseReason::ParseError),
            },
            Kind::ConnectError(payload) => self.on_refused(namespace, payload),
            // It cannot take out whom it has not let in.
            Kind::Disconnect => self.fail(CloseReason::ParseError),
            // Events wait for the answer, and nothing was sent that could be acknowledged.
            Kind::Event { .. } | Kind::Ack { .. } => {}
        }
    }

    /// The application hears of the connection before anything of it is received or sent. (The reference implementation
    /// flushes first, so that a handler of `connect` runs after what was buffered has left.)
    fn on_connected(&mut self, namespace: &Namespace, sid: Sid, recovered: bool, now: Time) {
        if self.backoff.attempts() > 0 {
            reached!("client.reconnect");
            tracing::debug!(attempts = self.backoff.attempts(), "connected again");
        }
        reached!("client.connected");
        self.backoff.reset();
        self.event(namespace, ManagerEvent::Connected { sid, recovered });
        let joining = std::mem::replace(&mut self.socket(namespace).standing, Standing::Connected);
        if let Standing::Joining { early } = joining {
            early.into_iter().for_each(|packet| self.on_traffic(namespace, packet.kind, now));
        }
        self.flush(namespace, now);
    }

    /// A refusal is a decision of the application on the other side: asking again would not change it.
    fn on_refused(&mut self, namespace: &Namespace, payload: Value) {
        reached!("client.refused");
        self.backoff.reset();
        let socket = self.socket(namespace);
        socket.standing = Standing::Away;
        if std::mem::take(&mut socket.wanted) {
            self.rest_unless_wanted();
            self.event(namespace, ManagerEvent::ConnectError(payload));
        }
    }

    fn on_traffic(&mut self, namespace: &Namespace, kind: Kind, now: Time) {
        let socket = self.socket(namespace);
        match kind {
            Kind::Event { name, args, ack } => {
                if let Some(id) = ack {
                    socket.unanswered.asked(id);
                }
                socket.session.heard(&args, ack);
                self.event(namespace, ManagerEvent::Received { name, args, ack });
            }
            Kind::Ack { id, args } => {
                // Late, repeated or invented answers have nobody who waits for them.
                let settled = socket.emits.answer(id, args);
                self.settled(namespace, settled);
                self.flush(namespace, now);
            }
            Kind::Disconnect => {
                reached!("client.dismissed");
                socket.wanted = false;
                self.rest_unless_wanted();
                self.lose(namespace, DisconnectReason::IoServerDisconnect);
            }
            // The namespace has answered already, and answers once.
            Kind::Connect(_) | Kind::ConnectError(_) => {}
        }
    }
}
