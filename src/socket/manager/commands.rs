//! What the application asks.

use crate::engine::Time;

use super::super::{DisconnectReason, Kind};
use super::{Connection, Manager, ManagerCommand, Next};

impl Manager {
    pub(super) fn on_command(&mut self, command: ManagerCommand, now: Time) {
        match command {
            ManagerCommand::Connect { auth } => {
                self.auth = auth;
                self.connect(now);
            }
            ManagerCommand::SetAuth(auth) => self.auth = auth,
            ManagerCommand::Emit { name, args, ack } => {
                self.emits.push(name, args, ack, now);
                if let Connection::Connected = self.connection {
                    self.flush();
                } else {
                    tracing::debug!(reached = "client.buffered_emit", "emitted while not connected");
                }
            }
            ManagerCommand::Ack { id, args } => {
                // Asked on a connection that is lost, it has nobody to go to.
                if self.unanswered.answer(id) {
                    self.transmit(Kind::Ack { id, args });
                }
            }
            ManagerCommand::Disconnect => self.disconnect(),
        }
    }

    fn connect(&mut self, now: Time) {
        match &mut self.connection {
            Connection::Idle | Connection::Backoff { .. } => self.dial(now),
            Connection::Closing { next } => *next = Next::Dial,
            Connection::Dialing { .. } | Connection::Joining { .. } | Connection::Connected => {}
        }
    }

    /// What is in the send buffer stays there, as in the reference implementation: the application may connect again.
    fn disconnect(&mut self) {
        self.backoff.reset();
        match &mut self.connection {
            Connection::Idle => {}
            Connection::Dialing { .. } | Connection::Joining { .. } => self.close(Next::Idle),
            Connection::Connected => {
                self.transmit(Kind::Disconnect);
                self.close(Next::Idle);
                self.lose(DisconnectReason::IoClientDisconnect);
            }
            Connection::Closing { next } => *next = Next::Idle,
            Connection::Backoff { .. } => self.connection = Connection::Idle,
        }
    }
}
