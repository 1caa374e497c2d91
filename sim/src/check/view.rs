//! What a reader has of a room: what it waits for, and what its cursor has passed over.

use std::collections::BTreeMap;

use squall::store::LogOffset;

use super::ordered::Ordered;
use super::roll::Message;
use crate::history::Record;

/// A message and its place.
pub(super) type Place = (LogOffset, Message);

/// What a reader has of a room.
#[derive(Debug, Clone, Default)]
pub(super) struct View<'r> {
    highest: Option<(LogOffset, &'r Record)>,
    /// Not shown, and nothing after it either.
    pub(super) waiting: Ordered<Place>,
    /// Not shown though a later one was: since which step, and the record that shows the later one.
    pub(super) skipped: BTreeMap<Place, (u64, &'r Record)>,
}

impl<'r> View<'r> {
    /// The reader is entitled to a message from now on.
    pub(super) fn entitle(&mut self, record: &'r Record, place: Place) {
        match self.highest {
            Some((highest, by)) if highest > place.0 => {
                self.skipped.entry(place).or_insert((record.step, by));
            }
            Some(_) | None => {
                if !self.skipped.contains_key(&place) {
                    self.waiting.insert(place);
                }
            }
        }
    }

    /// The reader has a message, or is not entitled to it any more.
    pub(super) fn show(&mut self, place: Place) {
        self.waiting.remove(&place);
        self.skipped.remove(&place);
    }

    /// The reader does not wait for a message any more; where it has passed it over, that stays so.
    pub(super) fn give_up(&mut self, place: Place) {
        self.waiting.remove(&place);
    }

    /// The reader is shown `offset`; what it was not shown before it is skipped.
    pub(super) fn reach(&mut self, record: &'r Record, offset: LogOffset) {
        if self.highest.is_some_and(|(highest, _)| highest >= offset) {
            return;
        }
        self.highest = Some((offset, record));
        while let Some(place) = self.waiting.pop_first_if(|(waiting, _)| *waiting < offset) {
            self.skipped.insert(place, (record.step, record));
        }
    }

    /// The reader begins to read again, from wherever it wants.
    pub(super) fn rewind(&mut self) {
        self.highest = None;
    }
}
