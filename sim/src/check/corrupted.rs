//! *Promise:* what arrives says what was sent, to the last byte.
//!
//! *Checked:* every message that is committed or shown, and every event that arrives, is heard or comes back as an
//! acknowledgement, has a content with which its id was sent. A record of sending may come after the sighting.
//!
//! *Not checked, because:* messages without an id, because a changed one is no one's: it is a phantom. Two messages sent
//! under one id, because none of them has changed: which of them became of an acknowledged one is `ack_without_commit`'s.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::MessageId;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::Corrupted`].
#[derive(Default)]
pub(super) struct Corrupted {
    /// The contents with which each id was sent, and the record of the first.
    sent: BTreeMap<MessageId, (BTreeSet<u64>, Record)>,
    /// What was sent with each content: an answer with another's is not damaged but mistaken.
    contents: BTreeMap<u64, MessageId>,
    /// Sightings with a content that was not sent under their id, or not yet.
    strange: BTreeMap<MessageId, Vec<Record>>,
    examined: u64,
}

impl Checker for Corrupted {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Corrupted
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, content, .. } | Kind::Emitted { id, content, .. } = &record.kind {
            self.contents.entry(*content).or_insert_with(|| id.clone());
            let (contents, _) =
                self.sent.entry(id.clone()).or_insert_with(|| (BTreeSet::new(), record.clone()));
            contents.insert(*content);
            if let Some(strange) = self.strange.get_mut(id) {
                strange.retain(|early| sighting(early).is_some_and(|(_, seen)| seen != *content));
            }
        } else if let Some((id, content)) = sighting(record) {
            self.examined += 1;
            if !self.sent.get(id).is_some_and(|(contents, _)| contents.contains(&content)) {
                self.strange.entry(id.clone()).or_default().push(record.clone());
            }
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.first(), self.examined).into()
    }
}

impl Corrupted {
    /// Of all that was sent and came with another content, what came first.
    fn first(&self) -> Option<Violation> {
        let sightings = self.strange.iter().filter_map(|(id, sightings)| {
            let (_, evidence) = self.sent.get(id)?;
            Some(sightings.iter().map(move |record| (record, evidence)))
        });
        let changed = sightings.flatten().filter(|(record, _)| !self.is_anothers(record));
        let (record, evidence) = changed.min_by_key(|(record, _)| record.step)?;
        Some(Violation {
            anomaly: Anomaly::Corrupted,
            says: format!("{} {} with another content than {} sent", record.host, record.kind, evidence.host),
            step: record.step,
            witness: vec![evidence.clone(), record.clone()],
        })
    }

    fn is_anothers(&self, record: &Record) -> bool {
        matches!(&record.kind, Kind::Answered { content, .. } if self.contents.contains_key(content))
    }
}

fn sighting(record: &Record) -> Option<(&MessageId, u64)> {
    if let Kind::Delivered { id: Some(id), content, .. }
    | Kind::Committed { id: Some(id), content, .. }
    | Kind::Arrived { id, content }
    | Kind::Heard { id, content }
    | Kind::Answered { id, content } = &record.kind
    {
        Some((id, *content))
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, delivered, held};

    #[test]
    fn a_message_with_other_content_is_corrupted() {
        let planted = Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
        let planted = planted.show(ALICE, "alice-1", 1).record(BOB, delivered("alice-1", 1, 666));

        let violation = broken(Anomaly::Corrupted, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "bob delivered alice-1 at 1 of general with another content than alice sent"
        );
    }

    #[test]
    fn an_event_that_changed_on_its_way_is_corrupted() {
        let emitted =
            |content| Kind::Emitted { id: MessageId("bob emit 1".into()), volatile: false, content };
        let arrived = |content| Kind::Arrived { id: MessageId("bob emit 1".into()), content };
        let planted = |sent, came| Planted::good().record(BOB, emitted(sent)).record("server", arrived(came));
        held(Anomaly::Corrupted, planted(1, 1));
        let violation = broken(Anomaly::Corrupted, planted(1, 2), &Ending::Settled);
        assert_eq!(violation.says, "server bob emit 1 arrived with another content than bob sent");
    }

    #[test]
    fn a_record_of_sending_may_come_late() {
        let planted = Planted::good().commit("bob-2", 4).say(BOB).ack(BOB, "bob-2", 4);
        held(Anomaly::Corrupted, planted.show(BOB, "bob-2", 4).show(ALICE, "bob-2", 4));
    }

    #[test]
    fn two_messages_under_one_id_have_not_changed() {
        let planted = Planted::good().say_as(BOB, "alice-1", 2);
        let judgement = planted.judged(&Ending::Settled);
        assert_eq!(judgement.counts().get(&Anomaly::Corrupted), None);
        let twin = Kind::Sent { id: MessageId("alice-1".into()), room: "general".into(), n: 2, content: 7 };
        let planted = Planted::good().record(BOB, twin).record(ALICE, delivered("alice-1", 1, 7));
        assert_eq!(planted.judged(&Ending::Settled).counts().get(&Anomaly::Corrupted), None);
    }
}
