//! A session that polls, seen by the client: one GET and one POST at a time, and the upgrade to a WebSocket beside.
//!
//! The WebSocket is a probe until the server has answered `2probe` with `3probe`. Then the client pauses: it asks nothing
//! more of HTTP, waits for the GET and the POST that are under way, and says `5`. So all that went by HTTP has arrived on
//! both sides before anything goes by the WebSocket. A probe that fails before `5` changes nothing.

use std::collections::VecDeque;

use super::{Carrier, ClientSession, CloseReason, Frame, Handshake, Output, Packet, State, Time};
use crate::engine::{Answer, Ask, Sid, Transport, payload};
use crate::reached::reached;

/// What is under way, and what waits.
#[derive(Debug)]
pub(super) struct Polling {
    /// The session's id, once the server has given it.
    sid: Option<Sid>,
    /// Whether to move to a WebSocket.
    upgrade: bool,
    /// The largest body the server takes, in bytes.
    max_payload: u64,
    /// A GET is under way.
    polling: bool,
    /// A POST is under way.
    posting: bool,
    /// What was sent since the last POST.
    pub(super) unsent: VecDeque<Frame>,
    probe: Probe,
}

/// How far an upgrade is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Probe {
    /// There is none, or it has failed.
    None,
    /// The WebSocket is being opened.
    Opening,
    /// The server was asked whether it hears us there.
    Asked,
    /// It does. No request is sent any more; those under way come to their end.
    Pausing,
}

impl Polling {
    /// A session whose first GET is under way.
    pub(super) fn new(upgrade: bool) -> Self {
        Self {
            sid: None,
            upgrade,
            max_payload: 0,
            polling: true,
            posting: false,
            unsent: VecDeque::new(),
            probe: Probe::None,
        }
    }

    pub(super) fn on_handshake(&mut self, handshake: &Handshake) {
        self.sid = Some(handshake.sid.clone());
        self.max_payload = handshake.max_payload;
        self.upgrade &= handshake.upgrades.contains(&Transport::WebSocket);
    }

    pub(super) fn awaits_probe(&self) -> bool {
        self.probe == Probe::Opening
    }

    pub(super) fn is_upgrading(&self) -> bool {
        self.probe != Probe::None
    }

    /// While it pauses, nothing can leave.
    pub(super) fn is_drained(&self) -> bool {
        !self.posting && self.unsent.is_empty() && self.probe != Probe::Pausing
    }
}

impl ClientSession {
    fn is_open(&self) -> bool {
        matches!(self.state, State::Ping { .. })
    }

    /// HTTP answered.
    pub(super) fn on_answer(&mut self, answer: Answer, now: Time) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        match answer {
            Answer::Polled(body) => {
                polling.polling = false;
                for packet in payload::decode(&body) {
                    self.on_packet(packet, now);
                }
            }
            Answer::Posted => polling.posting = false,
            // A server that refused one request (413) would hold the session, and the other request, until its ping
            // timeout: it is told.
            Answer::Failed => {
                reached!("engine.request_failed");
                return self.close(CloseReason::TransportError);
            }
        }
        self.go_on();
    }

    /// Asks for what is not under way; while pausing, says `5` once nothing is.
    fn go_on(&mut self) {
        let open = self.is_open();
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        if !open {
            return;
        }
        if polling.probe == Probe::Pausing {
            if !polling.polling && !polling.posting {
                self.upgrade();
            }
            return;
        }
        if !polling.polling {
            polling.polling = true;
            self.outputs.push_back(Output::Ask(Ask::Poll(polling.sid.clone())));
        }
        // Tried once: where the network lets no WebSocket through, polling does.
        if let Some(sid) = polling.sid.clone().filter(|_| std::mem::take(&mut polling.upgrade)) {
            reached!("engine.upgrade_began");
            polling.probe = Probe::Opening;
            self.outputs.push_back(Output::Ask(Ask::WebSocket(sid)));
        }
        self.post();
    }

    /// Sends what is unsent, if no POST is under way.
    pub(super) fn post(&mut self) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        if polling.posting || polling.probe == Probe::Pausing || polling.unsent.is_empty() {
            return;
        }
        let Some(sid) = polling.sid.clone() else { return };
        polling.posting = true;
        let body = payload::take_up_to(polling.max_payload, &mut polling.unsent);
        self.outputs.push_back(Output::Ask(Ask::Post(sid, body)));
    }

    /// Tells the server that the session is over; if the application closed it, after what was sent before. The driver
    /// sends these after the POST that may be under way.
    pub(super) fn post_goodbye(&mut self, reason: CloseReason) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        let Some(sid) = &polling.sid else { return };
        if reason != CloseReason::ForcedClose {
            polling.unsent.clear();
        }
        polling.unsent.push_back(Packet::Close.encode());
        while !polling.unsent.is_empty() {
            let body = payload::take_up_to(polling.max_payload, &mut polling.unsent);
            self.outputs.push_back(Output::Ask(Ask::Post(sid.clone(), body)));
        }
    }

    /// The probe is open: asks whether the server hears it.
    pub(super) fn on_probe_opened(&mut self) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        if polling.probe == Probe::Opening {
            polling.probe = Probe::Asked;
            self.outputs.push_back(Output::Transmit(Packet::Ping("probe".into()).encode()));
        }
    }

    /// Something came on the probe: the server's answer, or else it is no use.
    pub(super) fn on_probe_frame(&mut self, frame: Frame) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        let answered = matches!(Packet::decode(frame), Ok(Packet::Pong(data)) if data == "probe");
        match polling.probe {
            Probe::Asked if answered => {
                polling.probe = Probe::Pausing;
                self.go_on();
            }
            Probe::Asked | Probe::Pausing => {
                self.outputs.push_back(Output::CloseProbe);
                self.on_probe_failed();
            }
            Probe::None | Probe::Opening => {}
        }
    }

    /// The probe could not be opened, or it broke: polling goes on where it paused.
    pub(super) fn on_probe_failed(&mut self) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        reached!("engine.upgrade_failed");
        tracing::debug!("session goes on polling");
        polling.probe = Probe::None;
        self.go_on();
    }

    fn upgrade(&mut self) {
        reached!("engine.upgraded.client");
        tracing::debug!("session is on a WebSocket");
        let Carrier::Polling(polling) = std::mem::replace(&mut self.carrier, Carrier::WebSocket) else {
            return;
        };
        self.outputs.push_back(Output::Transmit(Packet::Upgrade.encode()));
        self.outputs.extend(polling.unsent.into_iter().map(Output::Transmit));
        self.outputs.push_back(Output::Ask(Ask::Hangup));
    }
}
