//! What is asked of many sockets at once, and who they are.
//!
//! Promise: one packet for all, with one id; a broadcast that waits for acknowledgements is settled once, when everyone it
//! went to has answered, is gone or had time enough.

use std::collections::BTreeSet;
use std::time::Duration;

use bytestring::ByteString;

use crate::engine::{Sid, Time};

use super::super::{AckError, Args, EmitId, Kind, Packet, encode};
use super::{Audience, Hub, HubEvent, HubOutput, RoomName};

/// An event to which many are to answer.
pub(super) struct Question {
    pub(super) name: ByteString,
    pub(super) args: Args,
    pub(super) emit: EmitId,
    pub(super) timeout: Option<Duration>,
}

/// A broadcast while it waits for acknowledgements.
#[derive(Debug)]
pub(super) struct Survey {
    /// How many have neither answered nor are gone.
    waiting: usize,
    answers: Vec<Args>,
    missing: usize,
}

impl Hub {
    /// Who is meant now, in the order in which they connected; those among them whose sessions wait for a connection.
    pub fn audience(&self, audience: &Audience) -> Vec<Sid> {
        let Some(state) = self.namespaces.get(&audience.namespace) else { return Vec::new() };
        state.roster.audience(audience).into_iter().map(|seat| seat.socket.clone()).collect()
    }

    /// The rooms that a socket is in, the one of its own among them; none where it is gone.
    pub fn rooms(&self, socket: &Sid) -> BTreeSet<RoomName> {
        let here = self.members.get(socket).filter(|member| !member.is_away());
        here.map(|member| member.rooms.clone()).unwrap_or_default()
    }

    pub(super) fn join_all(&mut self, audience: &Audience, rooms: &[RoomName]) {
        for socket in self.audience(audience) {
            rooms.iter().for_each(|room| self.join_room(&socket, room.clone()));
        }
    }

    pub(super) fn leave_all(&mut self, audience: &Audience, rooms: &[RoomName]) {
        for socket in self.audience(audience) {
            rooms.iter().for_each(|room| self.leave_room(&socket, room));
        }
    }

    pub(super) fn disconnect_all(&mut self, audience: &Audience, close: bool, now: Time) {
        for socket in self.audience(audience) {
            self.disconnect(&socket, close, now);
        }
    }

    /// Encoded once, shared by all.
    pub(super) fn broadcast_with_ack(&mut self, audience: Audience, question: Question, now: Time) {
        let Question { name, args, emit, timeout } = question;
        let id = self.next_ack();
        let seats = match self.namespaces.get(&audience.namespace) {
            Some(state) => state.roster.audience(&audience),
            None => Vec::new(),
        };
        // Who is away does not answer, and is not asked.
        let asked = seats.into_iter().filter_map(|seat| Some((&seat.socket, seat.connection?)));
        let asked: Vec<_> = asked.collect();
        let survey = Survey { waiting: asked.len(), answers: Vec::new(), missing: 0 };
        let kind = Kind::Event { name, args, ack: Some(id) };
        let encoded = encode(&Packet { namespace: audience.namespace, kind });
        let until = timeout.map(|timeout| now + timeout);
        for (socket, connection) in asked {
            self.waiters.wait((socket.clone(), id), emit, until);
            self.outputs.push_back(HubOutput::Transmit(connection, encoded.clone()));
        }
        self.surveys.insert(emit, survey);
        self.conclude(emit);
    }

    /// What became of one question to one socket.
    pub(super) fn settle(&mut self, emit: EmitId, result: Result<Args, AckError>) {
        let Some(survey) = self.surveys.get_mut(&emit) else {
            return self.event(HubEvent::Acked { emit, result });
        };
        survey.waiting -= 1;
        match result {
            Ok(args) => survey.answers.push(args),
            Err(AckError::TimedOut) => survey.missing += 1,
            // The reference implementation waits for it until the time is up, and then fails.
            Err(AckError::Disconnected) => {}
        }
        self.conclude(emit);
    }

    fn conclude(&mut self, emit: EmitId) {
        if self.surveys.get(&emit).is_some_and(|survey| survey.waiting == 0)
            && let Some(Survey { answers, missing, .. }) = self.surveys.remove(&emit)
        {
            self.event(HubEvent::AllAcked { emit, answers, missing });
        }
    }
}
