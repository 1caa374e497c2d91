//! The life of a connection: dialled, joined, lost, and tried again.

use crate::engine::{CloseReason, Time};

use super::super::{DisconnectReason, Kind, Namespace, Packet, encode};
use super::{AckError, Connection, Manager, ManagerEvent, ManagerOutput, Next};

impl Manager {
    pub(super) fn on_opened(&mut self) {
        // Told to close meanwhile, the session is not used: its end is on its way.
        if let Connection::Dialing { .. } = self.connection {
            self.transmit(Kind::Connect(self.auth.clone()));
            self.connection = Connection::Joining { early: Vec::new() };
        }
    }

    pub(super) fn on_closed(&mut self, reason: CloseReason, now: Time) {
        match self.connection {
            Connection::Dialing { .. } | Connection::Joining { .. } => {
                self.event(ManagerEvent::ConnectFailed(reason));
                self.retry(now);
            }
            Connection::Connected => {
                self.lose(reason.into());
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
        for emit in self.emits.expire(now) {
            tracing::debug!(reached = "client.ack_timeout", emit = emit.0, "no acknowledgement in time");
            self.event(ManagerEvent::Acked { emit, result: Err(AckError::TimedOut) });
        }
        match self.connection {
            Connection::Dialing { until } if now >= until => self.fail_attempt(CloseReason::ForcedClose),
            Connection::Backoff { at, .. } if now >= at => self.dial(now),
            // The driver woke too early, or for an acknowledgement.
            Connection::Dialing { .. }
            | Connection::Backoff { .. }
            | Connection::Idle
            | Connection::Joining { .. }
            | Connection::Connected
            | Connection::Closing { .. } => {}
        }
    }

    pub(super) fn dial(&mut self, now: Time) {
        self.outputs.push_back(ManagerOutput::Dial);
        self.connection = Connection::Dialing { until: now + self.options.timeout };
    }

    /// Closes the session; `next` begins when it is over, so that there is never more than one.
    pub(super) fn close(&mut self, next: Next) {
        self.outputs.push_back(ManagerOutput::Close);
        self.connection = Connection::Closing { next };
    }

    pub(super) fn fail_attempt(&mut self, reason: CloseReason) {
        self.close(Next::Retry);
        self.event(ManagerEvent::ConnectFailed(reason));
    }

    /// The namespace was left, by whomever: nothing asked on this connection can be answered any more, either way.
    pub(super) fn lose(&mut self, reason: DisconnectReason) {
        self.event(ManagerEvent::Disconnected(reason));
        self.unanswered.clear();
        for emit in self.emits.lose() {
            self.event(ManagerEvent::Acked { emit, result: Err(AckError::Disconnected) });
        }
    }

    /// Schedules the next attempt, or gives up.
    ///
    /// The reference implementation forgets the attempts when an engine session opens, so a server that opens sessions
    /// but fails them is tried at the shortest delay for ever. Here they are forgotten when the namespace has answered.
    fn retry(&mut self, now: Time) {
        let options = &self.options.reconnect;
        if !options.reconnection {
            self.connection = Connection::Idle;
        } else if options.reconnection_attempts.is_some_and(|limit| self.backoff.attempts() >= limit) {
            self.backoff.reset();
            self.connection = Connection::Idle;
            self.event(ManagerEvent::ReconnectFailed);
        } else {
            let at = now + self.backoff.next_delay(&*self.entropy);
            let attempt = self.backoff.attempts();
            self.connection = Connection::Backoff { attempt, at };
            self.event(ManagerEvent::Reconnecting { attempt, at });
        }
    }

    pub(super) fn transmit(&mut self, kind: Kind) {
        let packet = Packet { namespace: Namespace::MAIN, kind };
        self.outputs.push_back(ManagerOutput::Transmit(encode(&packet)));
    }

    /// Sends what is in the send buffer.
    pub(super) fn flush(&mut self) {
        self.outputs.extend(self.emits.take_buffer().map(ManagerOutput::Transmit));
    }
}
