//! What clients send (Socket.IO v5 "Exchange protocol").

use serde_json::json;

use crate::engine::{Sid, Time};
use crate::reached::reached;

use super::super::{DisconnectReason, Kind, Namespace, Packet};
use super::{Connection, ConnectionId, Hub, HubEvent};

/// How many namespaces one connection may be in, or ask for, at once. Where names are matched, a client makes them up,
/// and each costs memory. The official server has no such limit.
pub(super) const NAMESPACES_MAX: usize = 1000;

impl Hub {
    pub(super) fn on_packet(&mut self, connection: ConnectionId, packet: Packet, now: Time) {
        match self.connections.get(&connection) {
            // What was on its way when the connection was told to close, or came after its end.
            None | Some(Connection::Closing) => {}
            Some(Connection::Open { sockets, .. }) => match sockets.get(&packet.namespace).cloned() {
                Some(socket) if self.members[&socket].is_connected() => {
                    self.on_member(connection, socket, packet.kind, now);
                }
                // Who has asked waits for the answer.
                Some(_) => self.close(connection, DisconnectReason::ForcedClose),
                None => self.on_stranger(connection, packet),
            },
        }
    }

    /// Who has no socket in a namespace may ask for one, and nothing else.
    fn on_stranger(&mut self, connection: ConnectionId, Packet { namespace, kind }: Packet) {
        match kind {
            Kind::Connect(_) if self.is_full(connection) => {
                let error = json!({ "message": "Too many namespaces" });
                self.transmit(connection, namespace, Kind::ConnectError(error));
            }
            Kind::Connect(auth) if self.others_guarded || self.is_open(&namespace) => {
                self.ask(connection, namespace, auth.unwrap_or_else(|| json!({})));
            }
            Kind::Connect(_) => {
                reached!("hub.namespace_unknown");
                let error = json!({ "message": "Invalid namespace" });
                self.transmit(connection, namespace, Kind::ConnectError(error));
            }
            Kind::Disconnect | Kind::Event { .. } | Kind::Ack { .. } | Kind::ConnectError(_) => {
                reached!("hub.not_connected");
                self.close(connection, DisconnectReason::ForcedClose);
            }
        }
    }

    /// What came to be because someone was let in is for who is let in. Where it is left from before a restart, nobody may
    /// be there who lets anyone in.
    fn is_open(&self, namespace: &Namespace) -> bool {
        self.namespaces.get(namespace).is_some_and(|state| !state.passing)
    }

    fn is_full(&self, connection: ConnectionId) -> bool {
        let connection = self.connections.get(&connection);
        matches!(connection, Some(Connection::Open { sockets, .. }) if sockets.len() >= NAMESPACES_MAX)
    }

    fn on_member(&mut self, connection: ConnectionId, socket: Sid, kind: Kind, now: Time) {
        match kind {
            Kind::Event { name, args, ack } => {
                if let (Some(id), Some(member)) = (ack, self.members.get_mut(&socket)) {
                    member.unanswered.asked(id);
                }
                self.event(HubEvent::Received { socket, name, args, ack });
            }
            Kind::Ack { id, args } => {
                // Late, repeated or invented answers have nobody who waits for them.
                match self.waiters.settle(&(socket, id)) {
                    Some(emit) => self.settle(emit, Ok(args)),
                    None => reached!("hub.late_ack"),
                }
            }
            Kind::Disconnect => {
                self.leave(&socket, DisconnectReason::ClientNamespaceDisconnect, now);
            }
            Kind::Connect(_) | Kind::ConnectError(_) => self.close(connection, DisconnectReason::ForcedClose),
        }
    }
}
