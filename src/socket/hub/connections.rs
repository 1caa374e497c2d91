//! Connections come, go, and are closed when they join nothing.

use std::collections::BTreeMap;

use crate::engine::{CloseReason, Time};
use crate::reached::reached;

use super::super::{AckError, DisconnectReason};
use super::recovery::Sessions;
use super::{Connection, ConnectionId, Hub, HubOutput};

impl Hub {
    pub(super) fn on_opened(&mut self, connection: ConnectionId, now: Time) {
        assert!(!self.connections.contains_key(&connection), "a connection's number is never used twice");
        if self.shutting_down {
            reached!("hub.opened_in_shutdown");
            self.connections.insert(connection, Connection::Closing);
            self.outputs.push_back(HubOutput::Close(connection));
        } else {
            self.connections.insert(connection, Connection::Open { sockets: BTreeMap::new(), until: None });
            self.await_join(connection, now);
        }
    }

    pub(super) fn on_closed(&mut self, connection: ConnectionId, reason: CloseReason) {
        if let Some(was) = self.connections.remove(&connection) {
            self.forget(connection, was, reason.into());
        }
    }

    pub(super) fn on_timed_out(&mut self, now: Time) {
        for (_, emit) in self.waiters.expire(now) {
            reached!("hub.ack_timeout");
            self.settle(emit, Err(AckError::TimedOut));
        }
        let over = self.sessions.as_mut().map(Sessions::expire);
        for socket in over.into_iter().flatten() {
            reached!("recovery.expired");
            self.forget_session(&socket);
        }
        while let Some(&(until, connection)) = self.deadlines.first()
            && until <= now
        {
            self.deadlines.pop_first();
            reached!("hub.connect_timeout");
            tracing::debug!(connection = connection.0, "connection joined no namespace in time");
            self.close(connection, DisconnectReason::ForcedClose);
        }
    }

    /// Starts the connect timeout. The reference implementation does so once a connection; here also whenever its last
    /// socket has left, or a client could hold connections for ever by joining once.
    pub(super) fn await_join(&mut self, connection: ConnectionId, now: Time) {
        if let Some(Connection::Open { until: until @ None, .. }) = self.connections.get_mut(&connection) {
            let deadline = now + self.connect_timeout;
            *until = Some(deadline);
            self.deadlines.insert((deadline, connection));
        }
    }

    /// Closes a connection and says at once that its sockets are gone, so that nothing received meanwhile can follow.
    /// What the session says later of its end is not news.
    pub(super) fn close(&mut self, connection: ConnectionId, reason: DisconnectReason) {
        let Some(state @ Connection::Open { .. }) = self.connections.get_mut(&connection) else { return };
        let was = std::mem::replace(state, Connection::Closing);
        self.forget(connection, was, reason);
        self.outputs.push_back(HubOutput::Close(connection));
    }

    /// Its sockets are gone, and its deadline.
    fn forget(&mut self, connection: ConnectionId, was: Connection, reason: DisconnectReason) {
        if let Connection::Open { sockets, until } = was {
            if let Some(until) = until {
                self.deadlines.remove(&(until, connection));
            }
            sockets.values().for_each(|socket| self.remove(socket, reason));
        }
    }
}
