//! What the application asks.

use crate::engine::Time;
use crate::reached::reached;

use super::super::{AckError, DisconnectReason, Kind, Namespace};
use super::{Connection, Manager, ManagerCommand, ManagerOutput, Next, Standing};

impl Manager {
    pub(super) fn on_command(&mut self, namespace: Namespace, command: ManagerCommand, now: Time) {
        let socket = self.socket(&namespace);
        match command {
            ManagerCommand::Connect { auth } => {
                socket.auth = auth;
                socket.wanted = true;
                self.connect(&namespace, now);
            }
            ManagerCommand::SetAuth(auth) => socket.auth = auth,
            ManagerCommand::AskAuth(asks) => socket.asks_auth = asks,
            ManagerCommand::Auth(auth) => {
                if let Standing::Asking = socket.standing {
                    self.request(&namespace, auth);
                }
            }
            ManagerCommand::Emit { ack, volatile: true, .. } if !socket.is_connected() => {
                let unsent = ack.map(|(emit, _)| (emit, Err(AckError::Disconnected)));
                self.settled(&namespace, unsent);
            }
            ManagerCommand::Emit { name, args, ack, volatile: true } => {
                let encoded = socket.emits.volatile(&namespace, name, args, ack, now);
                self.outputs.push_back(ManagerOutput::TransmitVolatile(encoded));
            }
            ManagerCommand::Emit { name, args, ack, volatile: false } => {
                socket.emits.push(&namespace, name, args, ack, now);
                if socket.is_connected() {
                    self.flush(&namespace, now);
                } else {
                    reached!("client.buffered_emit");
                    tracing::debug!("emitted while not connected");
                }
            }
            ManagerCommand::Ack { id, args } => {
                // Asked on a connection that is lost, it has nobody to go to.
                if socket.unanswered.answer(id) {
                    self.transmit(&namespace, Kind::Ack { id, args });
                }
            }
            ManagerCommand::Disconnect => self.disconnect(&namespace),
        }
    }

    fn connect(&mut self, namespace: &Namespace, now: Time) {
        match &mut self.connection {
            Connection::Idle | Connection::Backoff { .. } => self.dial(now),
            Connection::Closing { next } => *next = Next::Dial,
            Connection::Dialing { .. } => {}
            Connection::Open => {
                // On its way out it stays: its CONNECT is not yet answered.
                if let Standing::Away = self.socket(namespace).standing {
                    self.join(namespace);
                }
            }
        }
    }

    /// What is in the send buffer stays there, as in the reference implementation: the application may connect again.
    fn disconnect(&mut self, namespace: &Namespace) {
        let socket = self.socket(namespace);
        socket.wanted = false;
        if let Standing::Asking = socket.standing {
            socket.standing = Standing::Away;
        }
        let was_connected = socket.is_connected();
        if was_connected {
            self.transmit(namespace, Kind::Disconnect);
        }
        self.rest_unless_wanted();
        if was_connected {
            self.lose(namespace, DisconnectReason::IoClientDisconnect);
        }
    }

    /// A session that no namespace wants is closed, or not dialled again.
    pub(super) fn rest_unless_wanted(&mut self) {
        if self.is_wanted() {
            return;
        }
        self.backoff.reset();
        match &mut self.connection {
            Connection::Idle => {}
            Connection::Dialing { .. } | Connection::Open => self.close(Next::Idle),
            Connection::Closing { next } => *next = Next::Idle,
            Connection::Backoff { .. } => self.connection = Connection::Idle,
        }
    }
}
