//! The upgrade from polling to a WebSocket, seen by the server (Engine.IO v4 "Upgrade").
//!
//! The WebSocket is a probe until the client says `5`. Until then all packets go by poll; a probe that fails, or takes too
//! long, is closed and nothing else changes. The client says `5` when no request of it is under way, so what was sent by
//! poll has arrived, and what has not left yet follows on the WebSocket.

use std::time::Duration;

use super::polling::Polling;
use super::{Carrier, CloseReason, EndedBy, Frame, Output, Packet, ServerSession, State, Time, Waiting};
use crate::engine::Response;
use crate::reached::reached;

/// How often a poll that waits is freed while the client wants to pause.
const NOOP_INTERVAL: Duration = Duration::from_millis(100);

/// A WebSocket that may take over.
#[derive(Debug)]
pub(super) struct Probe {
    until: Time,
    /// When to free a poll next, once the client has asked whether the WebSocket works.
    noop: Option<Time>,
}

impl Polling {
    /// When something is to be done about the probe.
    pub(super) fn probe_deadline(&self) -> Option<(Time, Waiting)> {
        let probe = self.probe.as_ref()?;
        let noop = probe.noop.filter(|&at| self.poll.is_some() && at < probe.until);
        Some(noop.map_or((probe.until, Waiting::Upgrade), |at| (at, Waiting::Noop)))
    }
}

impl ServerSession {
    /// A WebSocket names this session.
    pub(super) fn on_probe_opened(&mut self, now: Time) {
        if let (Carrier::Polling(polling), Some(timeout)) = (&mut self.carrier, self.upgrade_timeout) {
            reached!("engine.probe_opened");
            polling.probe = Some(Probe { until: now + timeout, noop: None });
        }
    }

    /// Something came on the probe.
    pub(super) fn on_probe_frame(&mut self, frame: Frame, now: Time) {
        let Carrier::Polling(Polling { probe: Some(probe), .. }) = &mut self.carrier else { return };
        match Packet::decode(frame) {
            Ok(Packet::Ping(data)) if data == "probe" => {
                reached!("engine.probe_answered");
                probe.noop = Some(now + NOOP_INTERVAL);
                self.outputs.push_back(Output::Transmit(Packet::Pong(data).encode()));
            }
            Ok(Packet::Upgrade) => self.upgrade(),
            Ok(_) | Err(_) => {
                reached!("engine.probe_refused");
                self.close_probe();
            }
        }
    }

    /// Frees the poll that waits, or gives the probe up, if it is time.
    pub(super) fn on_probe_timed_out(&mut self, now: Time) {
        let Carrier::Polling(Polling { probe: Some(probe), .. }) = &mut self.carrier else { return };
        if now >= probe.until {
            reached!("engine.upgrade_timeout");
            tracing::debug!(sid = %self.handshake.sid, "upgrade took too long");
            self.close_probe();
        } else if probe.noop.is_some_and(|at| now >= at) {
            reached!("engine.upgrade_noop");
            probe.noop = Some(now + NOOP_INTERVAL);
            self.answer_poll_with_noop();
        }
    }

    fn close_probe(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.probe = None;
            self.outputs.push_back(Output::CloseProbe);
        }
    }

    fn upgrade(&mut self) {
        reached!("engine.upgraded.server");
        tracing::debug!(sid = %self.handshake.sid, "session is on a WebSocket");
        // A client that has paused has no request under way; any other has itself to blame.
        self.answer_poll_with_noop();
        let Carrier::Polling(polling) = std::mem::replace(&mut self.carrier, Carrier::WebSocket) else {
            return;
        };
        if let Some(post) = polling.post {
            self.respond(post, Response::BadRequest);
        }
        self.outputs.extend(polling.unsent.into_iter().map(Output::Transmit));
        if matches!(self.state, State::Closing { .. }) {
            self.close(CloseReason::ForcedClose, EndedBy::Server);
        }
    }
}
