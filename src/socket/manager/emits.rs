//! What the application emitted: the send buffer, and who waits for an acknowledgement until when.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use bytestring::ByteString;

use crate::engine::Time;

use super::super::{AckId, Args, Encoded, Kind, Namespace, Packet, encode};
use super::EmitId;

/// Emits that are not settled.
#[derive(Debug, Default)]
pub(super) struct Emits {
    /// Emitted while not connected, oldest first.
    buffer: VecDeque<(Option<AckId>, Encoded)>,
    waiting: BTreeMap<AckId, Waiter>,
    deadlines: BTreeSet<(Time, AckId)>,
    /// Counts for the whole life of the client: an id is never used again on a later connection.
    next_id: u64,
}

/// An emit that waits for its acknowledgement.
#[derive(Debug)]
struct Waiter {
    emit: EmitId,
    until: Option<Time>,
}

impl Emits {
    /// Takes an emit; its wire form comes from [`Self::take_buffer`].
    pub(super) fn push(
        &mut self,
        name: ByteString,
        args: Args,
        ack: Option<(EmitId, Option<Duration>)>,
        now: Time,
    ) {
        let ack = ack.map(|(emit, timeout)| self.wait_for(emit, timeout.map(|timeout| now + timeout)));
        let packet = Packet { namespace: Namespace::MAIN, kind: Kind::Event { name, args, ack } };
        self.buffer.push_back((ack, encode(&packet)));
    }

    fn wait_for(&mut self, emit: EmitId, until: Option<Time>) -> AckId {
        let id = AckId(self.next_id);
        self.next_id += 1;
        self.deadlines.extend(until.map(|until| (until, id)));
        self.waiting.insert(id, Waiter { emit, until });
        id
    }

    /// Everything in the send buffer, in order.
    pub(super) fn take_buffer(&mut self) -> impl Iterator<Item = Encoded> + use<> {
        std::mem::take(&mut self.buffer).into_iter().map(|(_, encoded)| encoded)
    }

    /// Who waited for this answer, if anyone does. Asked for while connected, when whoever waits was sent.
    pub(super) fn answer(&mut self, id: AckId) -> Option<EmitId> {
        debug_assert!(self.buffer.is_empty(), "while connected, nothing stays in the send buffer");
        self.settle(id)
    }

    /// Who waited for an answer of the connection that is lost now, and so was sent. What is emitted from now on goes to
    /// the send buffer and waits for the next connection.
    pub(super) fn lose(&mut self) -> Vec<EmitId> {
        debug_assert!(self.buffer.is_empty(), "while connected, nothing stays in the send buffer");
        self.deadlines.clear();
        std::mem::take(&mut self.waiting).into_values().map(|waiter| waiter.emit).collect()
    }

    /// Who has waited too long. What of theirs is in the send buffer is never sent.
    pub(super) fn expire(&mut self, now: Time) -> Vec<EmitId> {
        let expired: BTreeSet<AckId> =
            self.deadlines.iter().take_while(|&&(until, _)| until <= now).map(|&(_, id)| id).collect();
        if expired.is_empty() {
            return Vec::new();
        }
        self.buffer.retain(|(ack, _)| ack.is_none_or(|id| !expired.contains(&id)));
        expired.into_iter().filter_map(|id| self.settle(id)).collect()
    }

    fn settle(&mut self, id: AckId) -> Option<EmitId> {
        let waiter = self.waiting.remove(&id)?;
        if let Some(until) = waiter.until {
            self.deadlines.remove(&(until, id));
        }
        Some(waiter.emit)
    }

    /// When the next one will have waited too long.
    pub(super) fn deadline(&self) -> Option<Time> {
        self.deadlines.first().map(|&(until, _)| until)
    }

    /// How many wait for an acknowledgement, and how many of them in the send buffer.
    #[cfg(test)]
    pub(super) fn unsettled(&self) -> (usize, usize) {
        (self.waiting.len(), self.buffer.iter().filter(|(ack, _)| ack.is_some()).count())
    }
}
