//! Connections come, go, and are closed when they join nothing.

use crate::engine::{CloseReason, Time};

use super::super::DisconnectReason;
use super::{Connection, ConnectionId, Hub, HubEvent, HubOutput};

impl Hub {
    pub(super) fn on_opened(&mut self, connection: ConnectionId, now: Time) {
        assert!(!self.connections.contains_key(&connection), "a connection's number is never used twice");
        if self.shutting_down {
            self.connections.insert(connection, Connection::Closing);
            self.outputs.push_back(HubOutput::Close(connection));
        } else {
            self.await_join(connection, now);
        }
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId, reason: CloseReason) {
        self.leave(connection, reason.into());
        if let Some(Connection::Unjoined { until }) = self.connections.remove(&connection) {
            self.deadlines.remove(&(until, connection));
        }
    }

    pub(super) fn on_timed_out(&mut self, now: Time) {
        while let Some(&(until, connection)) = self.deadlines.first()
            && until <= now
        {
            self.deadlines.pop_first();
            tracing::debug!(
                reached = "hub.connect_timeout",
                connection = connection.0,
                "connection joined no namespace in time"
            );
            self.close(connection, DisconnectReason::ForcedClose);
        }
    }

    /// Starts the connect timeout. The reference implementation does so once a connection; here also whenever its
    /// socket has left, or a client could hold connections for ever by joining once.
    pub(super) fn await_join(&mut self, connection: ConnectionId, now: Time) {
        let until = now + self.connect_timeout;
        self.deadlines.insert((until, connection));
        self.connections.insert(connection, Connection::Unjoined { until });
    }

    /// Closes a connection and says at once that its socket is gone, so that nothing received meanwhile can follow.
    /// What the session says later of its end is not news.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: DisconnectReason) {
        let was = self.connections.get(&connection).cloned();
        match was {
            None | Some(Connection::Closing) => return,
            Some(Connection::Unjoined { until }) => {
                self.deadlines.remove(&(until, connection));
            }
            Some(Connection::Joined(_)) => self.leave(connection, reason),
        }
        self.outputs.push_back(HubOutput::Close(connection));
        self.connections.insert(connection, Connection::Closing);
    }

    /// Takes the connection's socket, if it has one, out of the namespace. The caller says how the connection stands now.
    pub(super) fn leave(&mut self, connection: ConnectionId, reason: DisconnectReason) {
        if let Some(Connection::Joined(socket)) = self.connections.get(&connection) {
            let socket = socket.clone();
            self.sockets.leave(&socket).expect("who is joined is in the roster");
            self.event(HubEvent::Disconnected { socket, reason });
        }
    }
}
