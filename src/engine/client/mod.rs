//! The client's side of a session: pongs, and its own ping timeout; requests, and the upgrade to a WebSocket.
//!
//! Takes frames, answers and time, gives frames, requests, events and the next deadline; [`super`] has the contract.
//! Promise: a silent server is noticed `ping_interval + ping_timeout` after its last ping. An upgrade loses, repeats and
//! reorders nothing, and one that fails changes nothing. How long the handshake may take is not known here: the layer above
//! bounds the whole attempt.

mod polling;
#[cfg(test)]
mod polling_tests;
#[cfg(test)]
mod tests;

use std::collections::VecDeque;

use super::{
    Ask, CloseReason, Command, Event, Frame, Handshake, Heartbeat, Input, Message, Output, Packet,
    PacketError, Time, Waiting,
};

use crate::reached::reached;
use polling::Polling;

/// A session as the client sees it.
#[derive(Debug)]
pub struct ClientSession {
    state: State,
    carrier: Carrier,
    outputs: VecDeque<Output>,
}

/// What the session waits for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    Transport,
    Handshake,
    Ping { until: Time, heartbeat: Heartbeat },
    Closed,
}

/// What carries the packets.
#[derive(Debug)]
enum Carrier {
    WebSocket,
    Polling(Polling),
}

impl Default for ClientSession {
    fn default() -> Self {
        Self::new()
    }
}

impl ClientSession {
    /// A session that waits for its WebSocket.
    pub fn new() -> Self {
        Self { state: State::Transport, carrier: Carrier::WebSocket, outputs: VecDeque::new() }
    }

    /// A session that begins by polling, and says so at once. With `upgrade`, it moves to a WebSocket where the server
    /// offers one.
    pub fn polling(upgrade: bool) -> Self {
        let carrier = Carrier::Polling(Polling::new(upgrade));
        Self { state: State::Handshake, carrier, outputs: [Output::Ask(Ask::Poll(None))].into() }
    }

    /// Takes one input.
    pub fn handle(&mut self, input: Input, now: Time) {
        debug_assert!(self.outputs.is_empty(), "outputs are drained before the next input");
        if self.state == State::Closed {
            return;
        }
        match input {
            Input::Opened => self.on_websocket(),
            Input::Received(frame) => match self.carrier {
                Carrier::WebSocket => self.on_packet(Packet::decode(frame), now),
                Carrier::Polling(_) => self.on_probe_frame(frame),
            },
            Input::Closed(end) => match self.carrier {
                Carrier::WebSocket => self.end(end.into()),
                Carrier::Polling(_) => self.on_probe_failed(),
            },
            Input::Answer(answer) => self.on_answer(answer, now),
            Input::TimedOut => self.on_timed_out(now),
            Input::Command(Command::Send(message)) => self.send(message),
            Input::Command(Command::Close) => self.close(CloseReason::ForcedClose),
            // For a server's session only.
            Input::Request(..) => {}
        }
    }

    /// The next thing to do. After [`Output::Wait`], the next input.
    pub fn poll_output(&mut self) -> Output {
        self.outputs.pop_front().unwrap_or_else(|| self.wait())
    }

    /// Whether a WebSocket that was opened for it may be handed in; any other is to be closed at once.
    pub fn takes_websocket(&self) -> bool {
        match &self.carrier {
            Carrier::WebSocket => self.state == State::Transport,
            Carrier::Polling(polling) => polling.awaits_probe(),
        }
    }

    /// Whether nothing that was sent waits here: no POST is under way, and none is due.
    pub fn is_drained(&self) -> bool {
        match &self.carrier {
            Carrier::WebSocket => true,
            Carrier::Polling(polling) => polling.is_drained(),
        }
    }

    fn wait(&self) -> Output {
        let (until, why) = match self.state {
            State::Transport => (None, Waiting::Transport),
            State::Handshake => (None, Waiting::Handshake),
            State::Ping { until, .. } => (Some(until), Waiting::Ping),
            State::Closed => (None, Waiting::Nothing),
        };
        Output::Wait { until, why }
    }

    fn on_websocket(&mut self) {
        match self.carrier {
            Carrier::WebSocket if self.state == State::Transport => self.state = State::Handshake,
            Carrier::WebSocket => {}
            Carrier::Polling(_) => self.on_probe_opened(),
        }
    }

    fn on_packet(&mut self, packet: Result<Packet, PacketError>, now: Time) {
        match (self.state, packet) {
            (State::Transport | State::Closed, _) => {}
            (State::Handshake, Ok(Packet::Open(handshake))) => self.on_handshake(handshake, now),
            // Whoever is at the other end, it is no Engine.IO server.
            (State::Handshake, _) => {
                reached!("engine.parse_error.client");
                self.close(CloseReason::ParseError);
            }
            // The reference implementation's client names this so; its server says "parse error".
            (State::Ping { .. }, Err(_)) => self.close(CloseReason::TransportError),
            (State::Ping { heartbeat, .. }, Ok(packet)) => self.on_packet_when_open(packet, heartbeat, now),
        }
    }

    fn on_handshake(&mut self, handshake: Handshake, now: Time) {
        self.await_ping(handshake.heartbeat, now);
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.on_handshake(&handshake);
        }
        self.outputs.push_back(Output::Event(Event::Opened(handshake)));
    }

    fn on_packet_when_open(&mut self, packet: Packet, heartbeat: Heartbeat, now: Time) {
        match packet {
            Packet::Message(message) => self.outputs.push_back(Output::Event(Event::Received(message))),
            Packet::Ping(data) => {
                self.transmit(&Packet::Pong(data));
                // Pings alone prove that the server hears us: it sends the next one only after a pong.
                self.await_ping(heartbeat, now);
                self.outputs.push_back(Output::Event(Event::Pinged));
            }
            // Ignored on a WebSocket by the reference implementation, which then waits for the close frame. The server
            // has said that it is gone: nobody gains by waiting.
            Packet::Close => {
                reached!("engine.dismissed");
                self.outputs.push_back(Output::Close);
                self.end(CloseReason::TransportClose);
            }
            // Nothing to do, and ignored by the reference implementation. A session has one handshake: a second one
            // must not change its heartbeat.
            Packet::Open(_) | Packet::Pong(_) | Packet::Upgrade | Packet::Noop => {}
        }
    }

    /// A process that was paused finds its deadline long past and ends the session, although the server may be well: it
    /// has been without our pong for so long that it has given us up, or is about to. If pings have arrived meanwhile,
    /// the driver hands them in before [`Input::TimedOut`], and they move the deadline.
    fn on_timed_out(&mut self, now: Time) {
        match self.state {
            State::Ping { until, .. } if now >= until => {
                reached!("engine.ping_timeout.client");
                tracing::debug!("server sent no ping in time");
                self.close(CloseReason::PingTimeout);
            }
            // The driver woke too early, or has nothing to wake for.
            State::Transport | State::Handshake | State::Ping { .. } | State::Closed => {}
        }
    }

    fn await_ping(&mut self, heartbeat: Heartbeat, now: Time) {
        // Two additions to a time, which saturate: the server may have sent any numbers.
        let until = now + heartbeat.ping_interval + heartbeat.ping_timeout;
        self.state = State::Ping { until, heartbeat };
    }

    fn send(&mut self, message: Message) {
        if matches!(self.state, State::Ping { .. }) {
            self.transmit(&Packet::Message(message));
        }
    }

    fn transmit(&mut self, packet: &Packet) {
        match &mut self.carrier {
            Carrier::WebSocket => self.outputs.push_back(Output::Transmit(packet.encode())),
            Carrier::Polling(polling) => {
                polling.unsent.push_back(packet.encode());
                self.post();
            }
        }
    }

    /// Ends the session from this side. On a WebSocket its own close frame says it, as in the reference implementation;
    /// a server that is polled gets a `close` packet.
    fn close(&mut self, reason: CloseReason) {
        self.post_goodbye(reason);
        self.outputs.push_back(Output::Close);
        self.end(reason);
    }

    fn end(&mut self, reason: CloseReason) {
        if let Carrier::Polling(polling) = &self.carrier
            && polling.is_upgrading()
        {
            reached!("engine.closed_in_upgrade.client");
            tracing::debug!(%reason, "session is over");
        }
        self.state = State::Closed;
        self.outputs.push_back(Output::Event(Event::Closed(reason)));
    }
}
