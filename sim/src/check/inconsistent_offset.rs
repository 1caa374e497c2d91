//! *Promise:* one place of the log holds one message, and one message is where the log holds it.
//!
//! *Checked:* (1) whoever sees an offset, by committing it or by being shown it, sees the same message there. (2) Wherever a
//! message is shown, or recognised as a repeat, the log has committed it there; and before it is committed, all who see it
//! see it at one place.
//!
//! *Not checked, because:* the place that an acknowledgement names, because its sender has not seen a message there: that is
//! `ack_without_commit`'s. That the log itself holds one message at two places is `duplicate_commit`'s.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::{LogOffset, MessageId};

use super::roll::{Entry, Message, MessageName};
use super::table::Table;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::InconsistentOffset`].
#[derive(Default)]
pub(super) struct InconsistentOffset<'r> {
    /// What each offset holds, and who said so first.
    holds: BTreeMap<LogOffset, (Message, &'r Record)>,
    messages: Table<Message, Places<'r>>,
    examined: u64,
    found: Option<Violation>,
}

/// Where one message is.
#[derive(Default)]
struct Places<'r> {
    committed: BTreeSet<LogOffset>,
    /// Where it was seen before it was committed.
    early: BTreeMap<LogOffset, &'r Record>,
    first: Option<&'r Record>,
}

impl<'r> Checker<'r> for InconsistentOffset<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::InconsistentOffset
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Committed { id, offset, .. } = &entry.kind {
            self.holds(entry, *offset);
            self.commit(entry, id.as_ref(), *offset);
        } else if let Kind::Delivered { offset, .. } = &entry.kind {
            self.holds(entry, *offset);
            self.sees(entry, *offset);
        } else if let Kind::Suppressed { offset, .. } = &entry.kind {
            self.sees(entry, *offset);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> InconsistentOffset<'r> {
    /// (1) One offset holds one message.
    fn holds(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        self.examined += 1;
        let (held, evidence) = *self.holds.entry(offset).or_insert((entry.message, entry.record));
        if held != entry.message {
            let says = format!(
                "offset {offset} holds two messages: {} {}, but {} {}",
                evidence.host, evidence.kind, entry.host, entry.kind
            );
            self.find(entry, evidence, says);
        }
    }

    fn commit(&mut self, entry: &Entry<'r>, id: Option<&MessageId>, offset: LogOffset) {
        let places = self.messages.entry(entry.message);
        places.first.get_or_insert(entry.record);
        let is_first = places.committed.is_empty();
        places.committed.insert(offset);
        let elsewhere = places.early.iter().find(|(place, _)| is_first && **place != offset);
        if let Some((place, early)) = elsewhere.map(|(place, early)| (*place, *early)) {
            let message = MessageName::seen(id, offset);
            let says = format!("{message} was seen at offset {place} and then committed at offset {offset}");
            self.find(entry, early, says);
        }
    }

    /// (2) One message is where the log holds it.
    fn sees(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        self.examined += 1;
        let places = self.messages.entry(entry.message);
        let is_there = if places.committed.is_empty() {
            places.early.entry(offset).or_insert(entry.record);
            places.early.len() == 1
        } else {
            places.committed.contains(&offset)
        };
        let first = *places.first.get_or_insert(entry.record);
        if !is_there {
            let says = format!("{} {}, but {} {}", entry.host, entry.kind, first.host, first.kind);
            self.find(entry, first, says);
        }
    }

    fn find(&mut self, entry: &Entry<'r>, evidence: &Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::InconsistentOffset,
            says,
            step: entry.step,
            witness: vec![evidence.clone(), entry.record.clone()],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    fn two_committed() -> Planted {
        let planted = Planted::new().say(ALICE).say(BOB).commit("alice-1", 1).commit("bob-1", 2);
        let planted = planted.ack(ALICE, "alice-1", 1).ack(BOB, "bob-1", 2);
        planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2)
    }

    #[test]
    fn one_offset_with_two_messages_is_found() {
        let planted = two_committed().show(BOB, "bob-1", 1).show(BOB, "alice-1", 2);

        let violation = broken(Anomaly::InconsistentOffset, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "offset 1 holds two messages: server committed alice-1 at 1 of general, \
             but bob delivered bob-1 at 1 of general"
        );
    }

    #[test]
    fn a_message_that_is_shown_where_the_log_does_not_hold_it_is_found() {
        let planted = two_committed().show(BOB, "alice-1", 1).show(BOB, "bob-1", 7);
        let violation = broken(Anomaly::InconsistentOffset, planted, &Ending::Settled);
        assert_eq!(
            violation.says,
            "bob delivered bob-1 at 7 of general, but server committed bob-1 at 2 of general"
        );
    }

    #[test]
    fn a_repeat_that_is_recognised_elsewhere_is_found() {
        broken(Anomaly::InconsistentOffset, Planted::good().suppress("alice-1", 2), &Ending::Settled);
        held(Anomaly::InconsistentOffset, Planted::good().suppress("alice-1", 1));
    }

    #[test]
    fn two_who_see_a_message_before_its_commit_must_agree() {
        let planted = Planted::good().say(ALICE).show(ALICE, "alice-3", 4).show(BOB, "alice-3", 5);
        let planted = planted.commit("alice-3", 4).ack(ALICE, "alice-3", 4);
        broken(Anomaly::InconsistentOffset, planted, &Ending::Settled);
    }
}
