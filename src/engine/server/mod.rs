//! The server's side of a session: handshake, pings, the ping timeout; requests, and the upgrade to a WebSocket.
//!
//! Takes frames, requests and time, gives frames, answers, events and the next deadline; [`super`] has the contract.
//! Promise: a silent client is noticed at most `ping_interval + ping_timeout` after its last pong. Every request is
//! answered once, unless it was aborted. An upgrade loses, repeats and reorders nothing, and one that fails changes nothing.

mod polling;
#[cfg(test)]
mod polling_tests;
#[cfg(test)]
mod tests;
mod upgrade;

use std::collections::VecDeque;
use std::time::Duration;

use super::{
    CloseReason, Command, Event, Frame, Handshake, Input, Message, Output, Packet, Request, Time, Transport,
    Waiting,
};

use crate::reached::reached;
use polling::Polling;

/// How long a session that was closed while no poll waits gives its client to poll once more, and hear of it.
const CLOSE_GRACE: Duration = Duration::from_secs(30);

/// How long an upgrade may take, where nothing else is said: the reference implementation's default.
const UPGRADE_TIMEOUT: Duration = Duration::from_secs(10);

/// A session as the server sees it.
#[derive(Debug)]
pub struct ServerSession {
    handshake: Handshake,
    state: State,
    carrier: Carrier,
    /// How long an upgrade may take, where there may be one.
    upgrade_timeout: Option<Duration>,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Transport,
    NextPing {
        at: Time,
    },
    Pong {
        until: Time,
    },
    /// The application has closed it; its client is yet to hear so, by a poll.
    Closing {
        until: Time,
    },
    Closed,
}

/// What carries the packets.
#[derive(Debug)]
enum Carrier {
    WebSocket,
    Polling(Polling),
}

/// Who ended a session, as far as the answers to its requests tell.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum EndedBy {
    Client,
    Server,
}

impl ServerSession {
    /// A session that will open with `handshake`. Its `upgrades` are set by the session itself: a WebSocket has none.
    pub fn new(handshake: Handshake) -> Self {
        Self {
            handshake,
            state: State::Transport,
            carrier: Carrier::WebSocket,
            upgrade_timeout: Some(UPGRADE_TIMEOUT),
            outputs: VecDeque::new(),
        }
    }

    /// With another limit on how long an upgrade from polling to a WebSocket may take; `None`: there is none.
    #[must_use]
    pub fn with_upgrade(self, timeout: Option<Duration>) -> Self {
        Self { upgrade_timeout: timeout, ..self }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Opened => self.on_websocket(now),
            Input::Received(frame) => self.on_frame(frame, now),
            Input::Closed(end) => match &mut self.carrier {
                Carrier::WebSocket => self.end(end.into(), EndedBy::Client),
                Carrier::Polling(polling) => polling.probe = None,
            },
            Input::Request(id, request) => self.on_request(id, request, now),
            Input::TimedOut => self.on_timed_out(now),
            Input::Command(Command::Send(message)) => self.send(message),
            Input::Command(Command::Close) => self.close_for_application(now),
            // For a client's session only.
            Input::Answer(_) => {}
        }
    }

    /// The next thing to do. After [`Output::Wait`], the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    /// Whether all that was sent has left: nothing waits here for a poll.
    pub fn is_drained(&self) -> bool {
        match &self.carrier {
            Carrier::WebSocket => true,
            Carrier::Polling(polling) => polling.unsent.is_empty(),
        }
    }

    /// Whether a WebSocket that names this session may be handed in: there was none yet, or the last one was a probe
    /// that failed. Any other is to be closed at once.
    pub fn takes_websocket(&self) -> bool {
        match (&self.carrier, self.state) {
            (_, State::Closed) => false,
            (Carrier::WebSocket, state) => state == State::Transport,
            (Carrier::Polling(polling), _) => polling.probe.is_none() && self.upgrade_timeout.is_some(),
        }
    }

    fn wait(&self) -> Output {
        let own = match self.state {
            State::Transport => (None, Waiting::Transport),
            State::NextPing { at } => (Some(at), Waiting::NextPing),
            State::Pong { until } => (Some(until), Waiting::Pong),
            State::Closing { until } => (Some(until), Waiting::LastPoll),
            State::Closed => return Output::Wait { until: None, why: Waiting::Nothing },
        };
        let probe = match &self.carrier {
            Carrier::WebSocket => None,
            Carrier::Polling(polling) => polling.probe_deadline(),
        };
        let (until, why) = match probe {
            Some((at, why)) if own.0.is_none_or(|own| at < own) => (Some(at), why),
            Some(_) | None => own,
        };
        Output::Wait { until, why }
    }

    fn is_open(&self) -> bool {
        matches!(self.state, State::NextPing { .. } | State::Pong { .. })
    }

    fn on_websocket(&mut self, now: Time) {
        match (self.state, &self.carrier) {
            (State::Transport, _) => self.open(vec![], now),
            (_, Carrier::Polling(_)) => self.on_probe_opened(now),
            (_, Carrier::WebSocket) => {}
        }
    }

    fn open(&mut self, upgrades: Vec<Transport>, now: Time) {
        self.handshake.upgrades = upgrades;
        self.await_next_ping(now);
        self.transmit(&Packet::Open(self.handshake.clone()));
        self.outputs.push_back(Output::Event(Event::Opened(self.handshake.clone())));
    }

    fn on_frame(&mut self, frame: Frame, now: Time) {
        match &self.carrier {
            Carrier::Polling(_) => self.on_probe_frame(frame, now),
            Carrier::WebSocket if self.is_open() => match Packet::decode(frame) {
                Ok(packet) => self.on_packet(packet, now),
                Err(_) => self.close_as_garbage(),
            },
            Carrier::WebSocket => {}
        }
    }

    fn on_packet(&mut self, packet: Packet, now: Time) {
        match packet {
            Packet::Message(message) => self.outputs.push_back(Output::Event(Event::Received(message))),
            // A pong that answers no ping moves the next ping all the same, as in the reference implementation.
            Packet::Pong(_) => self.await_next_ping(now),
            // In v4 only the server pings ("Heartbeat"); a client that does speaks another version.
            Packet::Ping(_) => self.close(CloseReason::TransportError, EndedBy::Server),
            // The reference implementation ignores this packet on a WebSocket and leaves the session to its ping
            // timeout. The client has said that it is gone: nobody gains by waiting.
            Packet::Close => {
                reached!("engine.goodbye");
                self.close(CloseReason::TransportClose, EndedBy::Client);
            }
            // Nothing to do, and ignored by the reference implementation.
            Packet::Open(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    /// A process that was paused finds its deadline long past. An overdue ping is sent now and its pong may take all of
    /// `ping_timeout` from now: the client cannot answer what it was not asked. An overdue pong ends the session, since
    /// the ping did leave; if the pong has arrived meanwhile, the driver hands it in before [`Input::TimedOut`].
    fn on_timed_out(&mut self, now: Time) {
        self.on_probe_timed_out(now);
        match self.state {
            State::NextPing { at } if now >= at => {
                self.state = State::Pong { until: now + self.handshake.heartbeat.ping_timeout };
                self.transmit(&Packet::Ping("".into()));
            }
            State::Pong { until } if now >= until => {
                reached!("engine.ping_timeout.server");
                tracing::debug!(sid = %self.handshake.sid, "client sent no pong in time");
                self.close(CloseReason::PingTimeout, EndedBy::Server);
            }
            State::Closing { until } if now >= until => {
                reached!("engine.last_poll_missed");
                self.close(CloseReason::ForcedClose, EndedBy::Server);
            }
            // The driver woke too early, or has nothing to wake for.
            State::Transport
            | State::NextPing { .. }
            | State::Pong { .. }
            | State::Closing { .. }
            | State::Closed => {}
        }
    }

    fn await_next_ping(&mut self, now: Time) {
        self.state = State::NextPing { at: now + self.handshake.heartbeat.ping_interval };
    }

    fn send(&mut self, message: Message) {
        if self.is_open() {
            self.transmit(&Packet::Message(message));
        }
    }

    fn transmit(&mut self, packet: &Packet) {
        match &mut self.carrier {
            Carrier::WebSocket => self.outputs.push_back(Output::Transmit(packet.encode())),
            Carrier::Polling(polling) => {
                polling.unsent.push_back(packet.encode());
                self.answer_poll();
            }
        }
    }

    /// The client of a polling session is told by the first poll that has nothing else to bring.
    fn close_for_application(&mut self, now: Time) {
        match &self.carrier {
            Carrier::Polling(polling) if self.is_open() && polling.poll.is_none() => {
                self.state = State::Closing { until: now + CLOSE_GRACE };
            }
            Carrier::Polling(_) if matches!(self.state, State::Closing { .. }) => {}
            Carrier::Polling(_) | Carrier::WebSocket => self.close(CloseReason::ForcedClose, EndedBy::Server),
        }
    }

    /// What the client sent is not Engine.IO.
    fn close_as_garbage(&mut self) {
        reached!("engine.parse_error.server");
        self.close(CloseReason::ParseError, EndedBy::Server);
    }

    /// Ends the session from this side. On a WebSocket its own close frame says it, as in the reference implementation;
    /// a waiting poll is answered with a `close` packet.
    fn close(&mut self, reason: CloseReason, by: EndedBy) {
        self.outputs.push_back(Output::Close);
        self.end(reason, by);
    }

    fn end(&mut self, reason: CloseReason, by: EndedBy) {
        if let Carrier::Polling(Polling { probe: Some(_), .. }) = &self.carrier {
            reached!("engine.closed_in_upgrade.server");
            tracing::debug!(sid = %self.handshake.sid, %reason, "session is over");
        }
        self.answer_last_requests(by);
        self.state = State::Closed;
        self.outputs.push_back(Output::Event(Event::Closed(reason)));
    }
}
