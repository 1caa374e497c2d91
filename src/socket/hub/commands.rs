//! What the application asks.

use crate::engine::{Sid, Time};

use super::super::{DisconnectReason, Kind, Namespace, Packet, encode};
use super::{ConnectionId, Hub, HubCommand, HubOutput};

impl Hub {
    pub(super) fn on_command(&mut self, command: HubCommand, now: Time) {
        match command {
            HubCommand::Emit { socket, name, args } => {
                if let Some(connection) = self.connection_of(&socket) {
                    self.transmit(connection, Namespace::MAIN, Kind::Event { name, args, ack: None });
                }
            }
            HubCommand::Broadcast { name, args } => self.broadcast(Kind::Event { name, args, ack: None }),
            HubCommand::Ack { socket, id, args } => {
                if let Some(member) = self.sockets.get_mut(&socket)
                    && member.unanswered.answer(id)
                {
                    let connection = member.connection;
                    self.transmit(connection, Namespace::MAIN, Kind::Ack { id, args });
                }
            }
            HubCommand::Disconnect { socket, close } => {
                if let Some(connection) = self.connection_of(&socket) {
                    self.disconnect(connection, close, now);
                }
            }
            HubCommand::Shutdown => self.shut_down(),
        }
    }

    fn connection_of(&mut self, socket: &Sid) -> Option<ConnectionId> {
        self.sockets.get_mut(socket).map(|member| member.connection)
    }

    /// Encoded once, shared by all.
    fn broadcast(&mut self, kind: Kind) {
        let encoded = encode(&Packet { namespace: Namespace::MAIN, kind });
        let transmit =
            |&(_, connection): &(Sid, ConnectionId)| HubOutput::Transmit(connection, encoded.clone());
        self.outputs.extend(self.sockets.iter().map(transmit));
    }

    fn disconnect(&mut self, connection: ConnectionId, close: bool, now: Time) {
        self.transmit(connection, Namespace::MAIN, Kind::Disconnect);
        if close {
            self.close(connection, DisconnectReason::ServerNamespaceDisconnect);
        } else {
            self.leave(connection, DisconnectReason::ServerNamespaceDisconnect);
            self.await_join(connection, now);
        }
    }

    /// No DISCONNECT packet, as in the reference implementation: a client that was sent one would not reconnect, and a
    /// server that shuts down is expected to come back.
    fn shut_down(&mut self) {
        self.shutting_down = true;
        let joined: Vec<ConnectionId> = self.sockets.iter().map(|&(_, connection)| connection).collect();
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in joined.into_iter().chain(all) {
            self.close(connection, DisconnectReason::ServerShuttingDown);
        }
    }
}
