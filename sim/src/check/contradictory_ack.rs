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

use super::rooms::Life;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::ContradictoryAck`].
#[derive(Default)]
pub(super) struct ContradictoryAck {
    /// The first answer to each request of each life.
    answers: BTreeMap<Life, BTreeMap<MessageId, Record>>,
    places: BTreeMap<MessageId, (LogOffset, Record)>,
    emitted: BTreeMap<MessageId, (u64, Record)>,
    contents: BTreeMap<u64, MessageId>,
    examined: u64,
    found: Option<Violation>,
}

impl Checker for ContradictoryAck {
    fn anomaly(&self) -> Anomaly {
        Anomaly::ContradictoryAck
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Emitted { id, content, .. } = &record.kind {
            self.emitted.entry(id.clone()).or_insert_with(|| (*content, record.clone()));
            self.contents.entry(*content).or_insert_with(|| id.clone());
        } else if let Kind::Acknowledged { id, offset } = &record.kind {
            self.on_answer(record, id);
            self.on_place(record, id, *offset);
        } else if let Kind::Failed { id, .. } | Kind::SendFailed { id, .. } = &record.kind {
            self.on_answer(record, id);
        } else if let Kind::Answered { id, content } = &record.kind {
            self.on_answer(record, id);
            self.on_content(record, id, *content);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl ContradictoryAck {
    fn on_answer(&mut self, record: &Record, id: &MessageId) {
        self.examined += 1;
        let answers = self.answers.entry((record.host.clone(), record.process)).or_default();
        let Some(first) = answers.get(id).cloned() else {
            answers.insert(id.clone(), record.clone());
            return;
        };
        let says = format!("{} {} after it {}", record.host, record.kind, first.kind);
        self.find(record, first, says);
    }

    fn on_place(&mut self, record: &Record, id: &MessageId, offset: LogOffset) {
        if offset == LogOffset::START {
            return;
        }
        let (first, evidence) = self.places.entry(id.clone()).or_insert_with(|| (offset, record.clone()));
        if *first != offset {
            let says = format!("{id} was acknowledged at offset {first} and again at offset {offset}");
            let evidence = evidence.clone();
            self.find(record, evidence, says);
        }
    }

    fn on_content(&mut self, record: &Record, id: &MessageId, content: u64) {
        let Some((emitted, evidence)) = self.emitted.get(id).cloned() else { return };
        if let Some(other) = self.contents.get(&content).filter(|_| content != emitted) {
            let says = format!("{}'s {id} was answered with the answer to {other}", record.host);
            self.find(record, evidence, says);
        }
    }

    fn find(&mut self, record: &Record, evidence: Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::ContradictoryAck,
            says,
            step: record.step,
            witness: vec![evidence, record.clone()],
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
