//! The life of a session: dialled, joined, lost, and tried again.

use serde_json::Value;

use crate::engine::{CloseReason, Time};
use crate::reached::reached;

use super::super::{DisconnectReason, Kind, Namespace, Packet, encode};
use super::{Connection, Manager, ManagerEvent, ManagerOutput, Next, Standing};

impl Manager {
    pub(super) fn on_opened(&mut self) {
        // Told to close meanwhile, the session is not used: its end is on its way.
        if let Connection::Dialing { .. } = self.connection {
            self.connection = Connection::Open;
            let (wanted, attempts) = (self.wanted(), self.backoff.attempts());
            if attempts > 0 {
                self.tell_wanted(|| ManagerEvent::Reconnected { attempts });
            }
            wanted.iter().for_each(|namespace| self.join(namespace));
        }
    }

    /// Asks for a namespace, once it is known what to send along.
    pub(super) fn join(&mut self, namespace: &Namespace) {
        let socket = self.socket(namespace);
        if socket.asks_auth {
            socket.standing = Standing::Asking;
            self.outputs.push_back(ManagerOutput::AskAuth(namespace.clone()));
        } else {
            let auth = socket.auth.clone();
            self.request(namespace, auth);
        }
    }

    pub(super) fn request(&mut self, namespace: &Namespace, auth: Option<Value>) {
        let socket = self.socket(namespace);
        socket.standing = Standing::Joining { early: Vec::new() };
        let auth = socket.session.ask(auth);
        self.transmit(namespace, Kind::Connect(auth));
    }

    pub(super) fn on_closed(&mut self, reason: CloseReason, now: Time) {
        reached!("client.closed");
        match self.connection {
            Connection::Dialing { .. } | Connection::Open => {
                self.lose_all(reason);
                self.retry(now);
            }
            Connection::Closing { next: Next::Idle } => self.connection = Connection::Idle,
            Connection::Closing { next: Next::Retry } => self.retry(now),
            Connection::Closing { next: Next::Dial } => self.dial(now),
            // Nothing was dialled, so there is nothing to be over.
            Connection::Idle | Connection::Backoff { .. } => {}
        }
    }

    pub(super) fn on_timed_out(&mut self, now: Time) {
        for namespace in self.sockets.keys().cloned().collect::<Vec<Namespace>>() {
            let settled = self.socket(&namespace).emits.expire(now);
            self.settled(&namespace, settled);
            self.flush(&namespace, now);
        }
        match self.connection {
            // No one is connected, nor has asked, before there is a session.
            Connection::Dialing { until } if now >= until => {
                reached!("client.connect_timeout");
                self.close(Next::Retry);
                self.tell_wanted(|| ManagerEvent::ConnectTimedOut);
            }
            Connection::Backoff { attempt, at } if now >= at => {
                self.tell_wanted(|| ManagerEvent::ReconnectAttempt { attempt });
                self.dial(now);
            }
            // The driver woke too early, or for an acknowledgement.
            Connection::Dialing { .. }
            | Connection::Backoff { .. }
            | Connection::Idle
            | Connection::Open
            | Connection::Closing { .. } => {}
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        reached!("client.dialled");
        self.outputs.push_back(ManagerOutput::Dial);
        self.connection = Connection::Dialing { until: now + self.options.timeout };
    }

    /// Closes the session; `next` begins when it is over, so that there is never more than one.
    pub(super) fn close(&mut self, next: Next) {
        reached!("client.closing");
        self.outputs.push_back(ManagerOutput::Close);
        self.connection = Connection::Closing { next };
        // Who was on its way out has arrived there.
        for socket in self.sockets.values_mut().filter(|socket| !socket.wanted && !socket.is_connected()) {
            socket.standing = Standing::Away;
        }
    }

    /// Gives the session up, and tries again.
    pub(super) fn fail(&mut self, reason: CloseReason) {
        self.close(Next::Retry);
        self.lose_all(reason);
    }

    /// The session is gone, for all who had or wanted it.
    fn lose_all(&mut self, reason: CloseReason) {
        for namespace in self.sockets.keys().cloned().collect::<Vec<Namespace>>() {
            let socket = self.socket(&namespace);
            if socket.is_connected() {
                self.lose(&namespace, reason.into());
            } else {
                socket.standing = Standing::Away;
                if socket.wanted {
                    self.event(&namespace, ManagerEvent::ConnectFailed(reason));
                }
            }
        }
    }

    /// The namespace was left, by whomever: nothing asked on this connection can be answered any more, either way.
    pub(super) fn lose(&mut self, namespace: &Namespace, reason: DisconnectReason) {
        self.event(namespace, ManagerEvent::Disconnected(reason));
        let socket = self.socket(namespace);
        socket.standing = Standing::Away;
        socket.unanswered.clear();
        let settled = socket.emits.lose();
        self.settled(namespace, settled);
    }

    /// Schedules the next attempt, or gives up.
    ///
    /// The reference implementation forgets the attempts when an engine session opens, so a server that opens sessions
    /// but fails them is tried at the shortest delay for ever. Here they are forgotten when a namespace has answered.
    fn retry(&mut self, now: Time) {
        let options = &self.options.reconnect;
        if !options.reconnection {
            self.connection = Connection::Idle;
        } else if options.reconnection_attempts.is_some_and(|limit| self.backoff.attempts() >= limit) {
            self.backoff.reset();
            self.connection = Connection::Idle;
            reached!("client.reconnect_failed");
            tracing::debug!("all attempts failed");
            self.tell_wanted(|| ManagerEvent::ReconnectFailed);
        } else {
            let at = now + self.backoff.next_delay(&*self.entropy);
            let attempt = self.backoff.attempts();
            self.connection = Connection::Backoff { attempt, at };
            self.tell_wanted(|| ManagerEvent::Reconnecting { attempt, at });
        }
    }

    pub(super) fn transmit(&mut self, namespace: &Namespace, kind: Kind) {
        let packet = Packet { namespace: namespace.clone(), kind };
        self.outputs.push_back(ManagerOutput::Transmit(encode(&packet)));
    }

    /// Sends what may be sent, once the namespace has answered.
    pub(super) fn flush(&mut self, namespace: &Namespace, now: Time) {
        let socket = self.socket(namespace);
        if socket.is_connected() {
            let sent = socket.emits.take(namespace, now);
            self.outputs.extend(sent.into_iter().map(ManagerOutput::Transmit));
        }
    }
}
