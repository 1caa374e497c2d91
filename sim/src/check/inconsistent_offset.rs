//! *Promise:* one place of the log holds one message, and one message is where the log holds it.
//!
//! *Checked:* (1) whoever sees an offset, by committing it or by being shown it, sees the same message there. (2) Wherever a
//! message is shown, or recognised as a repeat, the log has committed it there; and before it is committed, all who see it
//! see it at one place.
//!
//! *Not checked, because:* the place that an acknowledgement names, because its sender has not seen a message there: that is
//! `ack_without_commit`'s. That the log itself holds one message at two places is `duplicate_commit`'s.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::LogOffset;

use super::message::Message;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::InconsistentOffset`].
#[derive(Default)]
pub(super) struct InconsistentOffset {
    /// What each offset holds, and who said so first.
    holds: BTreeMap<LogOffset, (Message, Record)>,
    messages: BTreeMap<Message, Places>,
    examined: u64,
    found: Option<Violation>,
}

/// Where one message is.
#[derive(Default)]
struct Places {
    committed: BTreeSet<LogOffset>,
    /// Where it was seen before it was committed.
    early: BTreeMap<LogOffset, Record>,
    first: Option<Record>,
}

impl Checker for InconsistentOffset {
    fn anomaly(&self) -> Anomaly {
        Anomaly::InconsistentOffset
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Committed { id, offset, .. } = &record.kind {
            let message = Message::seen(id.as_ref(), *offset);
            self.holds(record, &message, *offset);
            self.commit(record, &message, *offset);
        } else if let Kind::Delivered { id, offset, .. } = &record.kind {
            let message = Message::seen(id.as_ref(), *offset);
            self.holds(record, &message, *offset);
            self.sees(record, &message, *offset);
        } else if let Kind::Suppressed { id, offset } = &record.kind {
            self.sees(record, &Message::Id(id.clone()), *offset);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl InconsistentOffset {
    /// (1) One offset holds one message.
    fn holds(&mut self, record: &Record, message: &Message, offset: LogOffset) {
        self.examined += 1;
        let (held, evidence) = self.holds.entry(offset).or_insert_with(|| (message.clone(), record.clone()));
        if held != message {
            let says = format!(
                "offset {offset} holds two messages: {} {}, but {} {}",
                evidence.host, evidence.kind, record.host, record.kind
            );
            let evidence = evidence.clone();
            self.find(record, Some(evidence), says);
        }
    }

    fn commit(&mut self, record: &Record, message: &Message, offset: LogOffset) {
        let places = self.messages.entry(message.clone()).or_default();
        places.first.get_or_insert_with(|| record.clone());
        let is_first = places.committed.is_empty();
        places.committed.insert(offset);
        let elsewhere = places.early.iter().find(|(place, _)| is_first && **place != offset);
        if let Some((place, early)) = elsewhere.map(|(place, early)| (*place, early.clone())) {
            let says = format!("{message} was seen at offset {place} and then committed at offset {offset}");
            self.find(record, Some(early), says);
        }
    }

    /// (2) One message is where the log holds it.
    fn sees(&mut self, record: &Record, message: &Message, offset: LogOffset) {
        self.examined += 1;
        let places = self.messages.entry(message.clone()).or_default();
        let is_there = if places.committed.is_empty() {
            places.early.entry(offset).or_insert_with(|| record.clone());
            places.early.len() == 1
        } else {
            places.committed.contains(&offset)
        };
        let first = places.first.get_or_insert_with(|| record.clone()).clone();
        if !is_there {
            let says = format!("{} {}, but {} {}", record.host, record.kind, first.host, first.kind);
            self.find(record, Some(first), says);
        }
    }

    fn find(&mut self, record: &Record, evidence: Option<Record>, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::InconsistentOffset,
            says,
            step: record.step,
            witness: evidence.into_iter().chain([record.clone()]).collect(),
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
