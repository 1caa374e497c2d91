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
    /// Whether it left the send buffer, and so can be answered or lost.
    sent: bool,
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
        self.waiting.insert(id, Waiter { emit, until, sent: false });
        id
    }

    /// Everything in the send buffer, which is from now on sent.
    pub(super) fn take_buffer(&mut self) -> impl Iterator<Item = Encoded> + use<> {
        let buffer = std::mem::take(&mut self.buffer);
        for id in buffer.iter().filter_map(|&(ack, _)| ack) {
            self.waiting.get_mut(&id).expect("who gives up leaves the send buffer too").sent = true;
        }
        buffer.into_iter().map(|(_, encoded)| encoded)
    }

    /// Who waited for this answer, if anyone does. What was not sent cannot be answered.
    pub(super) fn answer(&mut self, id: AckId) -> Option<EmitId> {
        if !self.waiting.get(&id)?.sent {
            return None;
        }
        self.settle(id)
    }

    /// Who waited for an answer of the connection that is lost. Those in the send buffer go on waiting.
    pub(super) fn lose(&mut self) -> Vec<EmitId> {
        let sent = self.waiting.iter().filter(|(_, waiter)| waiter.sent).map(|(&id, _)| id);
        let sent: Vec<AckId> = sent.collect();
        sent.into_iter().filter_map(|id| self.settle(id)).collect()
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

    /// Who waits in the send buffer, and who waits for an answer.
    #[cfg(test)]
    pub(super) fn unsettled(&self) -> (Vec<EmitId>, Vec<EmitId>) {
        let those = |sent| {
            self.waiting.values().filter(|waiter| waiter.sent == sent).map(|waiter| waiter.emit).collect()
        };
        (those(false), those(true))
    }
}
