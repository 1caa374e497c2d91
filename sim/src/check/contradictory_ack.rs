//! *Promise:* each request is answered once, with its own answer.
//!
//! *Checked:* in one life of a client, a message is acknowledged, refused or given up on at most once in all, and an event
//! is answered at most once. Over all lives, a message is acknowledged at one place. An event is not answered with the
//! content of another.
//!
//! *Not checked, because:* an acknowledgement in a new life of what an old one had acknowledged, because the old one may
//! have died before it could forget the message; the place of a message that is sent again without an id, because each
//! repeat has its own.

use std::collections::BTreeMap;

use squall::store::{LogOffset, MessageId};

use super::roll::{Entry, Message};
use super::table::{Lives, Table};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::ContradictoryAck`].
#[derive(Default)]
pub(super) struct ContradictoryAck<'r> {
    /// The first answer to each request of each life.
    answers: Lives<Table<Message, &'r Record>>,
    places: Table<Message, (LogOffset, &'r Record)>,
    emitted: BTreeMap<Message, (u64, &'r Record)>,
    contents: BTreeMap<u64, &'r MessageId>,
    examined: u64,
    found: Option<Violation>,
}

impl<'r> Checker<'r> for ContradictoryAck<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::ContradictoryAck
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Emitted { id, content, .. } = &entry.record.kind {
            self.emitted.entry(entry.message).or_insert((*content, entry.record));
            self.contents.entry(*content).or_insert(id);
        } else if let Kind::Acknowledged { id, offset } = &entry.kind {
            self.on_answer(entry);
            self.on_place(entry, id, *offset);
        } else if let Kind::Failed { .. } | Kind::SendFailed { .. } = &entry.kind {
            self.on_answer(entry);
        } else if let Kind::Answered { id, content } = &entry.kind {
            self.on_answer(entry);
            self.on_content(entry, id, *content);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> ContradictoryAck<'r> {
    fn on_answer(&mut self, entry: &Entry<'r>) {
        self.examined += 1;
        let first = *self.answers.entry(entry.life()).row(entry.message).get_or_insert(entry.record);
        if first.step != entry.step {
            let says = format!("{} {} after it {}", entry.host, entry.kind, first.kind);
            self.find(entry, first, says);
        }
    }

    fn on_place(&mut self, entry: &Entry<'r>, id: &MessageId, offset: LogOffset) {
        if offset == LogOffset::START {
            return;
        }
        let (first, evidence) = *self.places.row(entry.message).get_or_insert((offset, entry.record));
        if first != offset {
            let says = format!("{id} was acknowledged at offset {first} and again at offset {offset}");
            self.find(entry, evidence, says);
        }
    }

    fn on_content(&mut self, entry: &Entry<'r>, id: &MessageId, content: u64) {
        let Some((emitted, evidence)) = self.emitted.get(&entry.message).copied() else { return };
        if let Some(other) = self.contents.get(&content).filter(|_| content != emitted) {
            let says = format!("{}'s {id} was answered with the answer to {other}", entry.host);
            self.find(entry, evidence, says);
        }
    }

    fn find(&mut self, entry: &Entry<'r>, evidence: &Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::ContradictoryAck,
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
    use crate::history::content_digest;

    #[test]
    fn a_second_acknowledgement_is_found() {
        let planted = Planted::good().ack(ALICE, "alice-1", 1);
        let violation = broken(Anomaly::ContradictoryAck, planted, &Ending::Settled);
        assert_eq!(violation.says, "alice acknowledged alice-1 at 1 after it acknowledged alice-1 at 1");
    }

    #[test]
    fn an_acknowledgement_after_a_refusal_is_found() {
        let failed = Kind::Failed { id: MessageId("bob-1".into()), reason: "too large".into() };
        broken(Anomaly::ContradictoryAck, Planted::good().record(BOB, failed), &Ending::Settled);
    }

    #[test]
    fn a_new_life_may_be_told_again_but_nothing_else() {
        held(Anomaly::ContradictoryAck, Planted::good().restart(ALICE).ack(ALICE, "alice-1", 1));
        let planted = Planted::good().commit("alice-1", 9).restart(ALICE).ack(ALICE, "alice-1", 9);
        let verdicts = planted.judged(&Ending::Settled).counts();
        assert_eq!(verdicts.get(&Anomaly::ContradictoryAck), Some(&1));
    }

    #[test]
    fn the_answer_to_another_event_is_found() {
        let planted = Planted::good().emit(BOB).emit(BOB).hear(BOB, "bob emit 1").hear(BOB, "bob emit 2");
        let answer = |to: &str| Kind::Answered {
            id: MessageId("bob emit 1".into()),
            content: content_digest(to, None),
        };
        let violation =
            broken(Anomaly::ContradictoryAck, planted.record(BOB, answer("bob emit 2")), &Ending::Settled);
        assert_eq!(violation.says, "bob's bob emit 1 was answered with the answer to bob emit 2");
        let planted = Planted::good().emit(BOB).emit(BOB).hear(BOB, "bob emit 1").hear(BOB, "bob emit 2");
        held(Anomaly::ContradictoryAck, planted.record(BOB, answer("bob emit 1")));
    }
}
