//! What clients send (Socket.IO v5 "Exchange protocol").

use serde_json::{Value, json};

use crate::engine::{Sid, Time};

use super::super::{DisconnectReason, Kind, Namespace, Packet, encode};
use super::{Connection, ConnectionId, Hub, HubEvent, HubOutput};

impl Hub {
    pub(super) fn on_packet(&mut self, connection: ConnectionId, packet: Packet, now: Time) {
        match self.connections.get(&connection) {
            // What was on its way when the connection was told to close, or came after its end.
            None | Some(Connection::Closing) => {}
            Some(Connection::Unjoined { .. }) => self.on_stranger(connection, packet),
            Some(Connection::Joined(socket)) => {
                let socket = socket.clone();
                self.on_member(connection, socket, packet, now);
            }
        }
    }

    /// A connection without a socket may ask for a namespace, and nothing else.
    fn on_stranger(&mut self, connection: ConnectionId, Packet { namespace, kind }: Packet) {
        match kind {
            Kind::Connect(auth) if namespace == Namespace::MAIN => self.join(connection, auth),
            Kind::Connect(_) => self.refuse(connection, namespace),
            Kind::Disconnect | Kind::Event { .. } | Kind::Ack { .. } | Kind::ConnectError(_) => {
                self.close(connection, DisconnectReason::ForcedClose);
            }
        }
    }

    fn on_member(&mut self, connection: ConnectionId, socket: Sid, packet: Packet, now: Time) {
        let Packet { namespace, kind } = packet;
        if namespace != Namespace::MAIN {
            // Joined or not, the main namespace says nothing about another one.
            self.on_stranger(connection, Packet { namespace, kind });
            return;
        }
        match kind {
            Kind::Event { name, args, ack } => {
                if let (Some(id), Some(member)) = (ack, self.sockets.get_mut(&socket)) {
                    member.unanswered.asked(id);
                }
                self.event(HubEvent::Received { socket, name, args, ack });
            }
            // The server asks for no acknowledgement, so this answers nothing; the reference implementation, too,
            // ignores an id that it does not know.
            Kind::Ack { .. } => {}
            Kind::Disconnect => {
                self.leave(connection, DisconnectReason::ClientNamespaceDisconnect);
                self.await_join(connection, now);
            }
            Kind::Connect(_) | Kind::ConnectError(_) => self.close(connection, DisconnectReason::ForcedClose),
        }
    }

    fn join(&mut self, connection: ConnectionId, auth: Option<Value>) {
        let socket = Sid::generate(&*self.entropy, self.sockets.next_serial());
        let was = self.connections.insert(connection, Connection::Joined(socket.clone()));
        if let Some(Connection::Unjoined { until }) = was {
            self.deadlines.remove(&(until, connection));
        }
        self.sockets.join(socket.clone(), connection);
        let answer = Kind::Connect(Some(json!({ "sid": socket.as_str() })));
        self.transmit(connection, Namespace::MAIN, answer);
        self.event(HubEvent::Connected { socket, connection, auth: auth.unwrap_or_else(|| json!({})) });
    }

    fn refuse(&mut self, connection: ConnectionId, namespace: Namespace) {
        self.transmit(connection, namespace, Kind::ConnectError(json!({ "message": "Invalid namespace" })));
    }

    pub(super) fn transmit(&mut self, connection: ConnectionId, namespace: Namespace, kind: Kind) {
        self.outputs.push_back(HubOutput::Transmit(connection, encode(&Packet { namespace, kind })));
    }
}
