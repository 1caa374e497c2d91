//! A session that polls: which requests wait, and how each is answered (Engine.IO v4 "HTTP long-polling").

use std::collections::VecDeque;

use bytestring::ByteString;

use super::upgrade::Probe;
use super::{
    Carrier, CloseReason, EndedBy, Frame, Output, Packet, Request, ServerSession, State, Time, Transport,
};
use crate::engine::{RequestId, Response, payload};
use crate::reached::reached;

/// What waits, either way.
#[derive(Debug, Default)]
pub(super) struct Polling {
    /// The GET that is held. Nothing is unsent while there is one.
    pub(super) poll: Option<RequestId>,
    /// The POST whose body is yet to come.
    pub(super) post: Option<RequestId>,
    /// What was sent since the last poll was answered.
    pub(super) unsent: VecDeque<Frame>,
    /// The WebSocket that may take over.
    pub(super) probe: Option<Probe>,
}

impl ServerSession {
    /// Something became of a request of the client.
    pub(super) fn on_request(&mut self, id: RequestId, request: Request, now: Time) {
        if self.state == State::Transport && request == Request::Polled {
            self.carrier = Carrier::Polling(Polling { poll: Some(id), ..Polling::default() });
            let upgrades = if self.upgrade_timeout.is_some() { vec![Transport::WebSocket] } else { vec![] };
            return self.open(upgrades, now);
        }
        let Carrier::Polling(polling) = &mut self.carrier else {
            // The session has another transport.
            if matches!(request, Request::Polled | Request::Posting) {
                self.respond(id, Response::BadRequest);
            }
            return;
        };
        match request {
            Request::Polled if polling.poll.is_some() => self.on_overlap(id),
            Request::Polled => {
                polling.poll = Some(id);
                self.answer_poll();
            }
            Request::Posting if polling.post.is_some() => self.on_overlap(id),
            Request::Posting => polling.post = Some(id),
            // What was answered already is over, whatever becomes of it.
            Request::Posted(body) if polling.post == Some(id) => self.on_posted(id, &body, now),
            Request::TooLarge if polling.post == Some(id) => {
                reached!("engine.too_large");
                polling.post = None;
                // The session is its client's to end, as in the reference implementation: it learns by the 413 that what
                // it sent was not heard.
                self.respond(id, Response::TooLarge);
            }
            Request::Aborted if polling.poll == Some(id) => {
                reached!("engine.poll_aborted");
                polling.poll = None;
                self.close(CloseReason::TransportError, EndedBy::Server);
            }
            Request::Aborted if polling.post == Some(id) => {
                reached!("engine.post_aborted");
                polling.post = None;
                self.close(CloseReason::TransportError, EndedBy::Server);
            }
            Request::Posted(_) | Request::TooLarge | Request::Aborted => {}
        }
    }

    /// A client has one GET and one POST under way at most; with two, no one could say which packets come first.
    fn on_overlap(&mut self, second: RequestId) {
        reached!("engine.overlap");
        tracing::debug!(sid = %self.handshake.sid, "requests of one session overlap");
        self.respond(second, Response::BadRequest);
        self.close(CloseReason::TransportError, EndedBy::Server);
    }

    fn on_posted(&mut self, id: RequestId, body: &ByteString, now: Time) {
        for packet in payload::decode(body) {
            match packet {
                // Who was told to go is heard only when it goes.
                Ok(packet) if self.is_open() || packet == Packet::Close => self.on_packet(packet, now),
                Ok(_) => {}
                Err(_) => self.close_as_garbage(),
            }
            if self.state == State::Closed {
                return;
            }
        }
        if let Carrier::Polling(polling) = &mut self.carrier {
            polling.post = None;
            self.respond(id, Response::Ok);
        }
    }

    /// Answers a waiting poll, if there is something to say. That the session is closed is said by a poll of its own, as in
    /// the reference implementation: a client that finds both in one answer takes the end of its transport for the
    /// cause of its disconnect, and comes back from where it was told to go.
    pub(super) fn answer_poll(&mut self) {
        let closing = matches!(self.state, State::Closing { .. });
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        if polling.poll.is_none() {
            return;
        }
        if polling.unsent.is_empty() {
            if closing {
                reached!("engine.last_poll");
                self.close(CloseReason::ForcedClose, EndedBy::Server);
            }
            return;
        }
        if let Some(poll) = polling.poll.take() {
            let body = payload::encode(polling.unsent.drain(..));
            self.respond(poll, Response::Payload(body));
        }
    }

    /// Frees a waiting poll, so that the client can pause.
    pub(super) fn answer_poll_with_noop(&mut self) {
        if let Carrier::Polling(polling) = &mut self.carrier
            && let Some(poll) = polling.poll.take()
        {
            self.respond(poll, Response::Payload(payload::encode([Packet::Noop.encode()])));
        }
    }

    /// Answers what still waits when the session ends.
    pub(super) fn answer_last_requests(&mut self, by: EndedBy) {
        let Carrier::Polling(polling) = &mut self.carrier else { return };
        let (poll, post) = (polling.poll.take(), polling.post.take());
        let (packet, response) = match by {
            EndedBy::Client => (Packet::Noop, Response::Ok),
            EndedBy::Server => (Packet::Close, Response::BadRequest),
        };
        if let Some(poll) = poll {
            self.respond(poll, Response::Payload(payload::encode([packet.encode()])));
        }
        if let Some(post) = post {
            self.respond(post, response);
        }
    }

    pub(super) fn respond(&mut self, id: RequestId, response: Response) {
        self.outputs.push_back(Output::Respond(id, response));
    }
}
