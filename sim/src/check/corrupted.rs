//! *Promise:* what arrives says what was sent, to the last byte.
//!
//! *Checked:* every message that is committed or shown, and every event that arrives, is heard or comes back as an
//! acknowledgement, has a content with which its id was sent. A record of sending may come after the sighting.
//!
//! *Not checked, because:* messages without an id, because a changed one is no one's: it is a phantom. Two messages sent
//! under one id, because none of them has changed: which of them became of an acknowledged one is `ack_without_commit`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::roll::{Entry, Message};
use super::table::Table;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::Corrupted`].
#[derive(Default)]
pub(super) struct Corrupted<'r> {
    /// The contents with which each id was sent, and the record of the first.
    sent: Table<Message, (BTreeSet<u64>, &'r Record)>,
    /// What was sent at all: an answer with another's content is not damaged but mistaken.
    contents: BTreeSet<u64>,
    /// Sightings with a content that was not sent under their id, or not yet.
    strange: BTreeMap<Message, Vec<(u64, &'r Record)>>,
    examined: u64,
}

impl<'r> Checker<'r> for Corrupted<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Corrupted
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        let message = entry.message;
        if let Kind::Sent { content, .. } | Kind::Emitted { content, .. } = &entry.kind {
            self.contents.insert(*content);
            let (contents, _) = self.sent.row(message).get_or_insert_with(|| (BTreeSet::new(), entry.record));
            contents.insert(*content);
            if let Some(strange) = self.strange.get_mut(&message) {
                strange.retain(|(seen, _)| seen != content);
            }
        } else if let Some(content) = sighting(entry) {
            self.examined += 1;
            if !self.sent.get(message).is_some_and(|(contents, _)| contents.contains(&content)) {
                self.strange.entry(message).or_default().push((content, entry.record));
            }
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.first(), self.examined).into()
    }
}

impl Corrupted<'_> {
    /// Of all that was sent and came with another content, what came first.
    fn first(&self) -> Option<Violation> {
        let sightings = self.strange.iter().filter_map(|(message, sightings)| {
            let (_, evidence) = self.sent.get(*message)?;
            Some(sightings.iter().map(move |(_, record)| (*record, *evidence)))
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
        matches!(&record.kind, Kind::Answered { content, .. } if self.contents.contains(content))
    }
}

/// The content of a message or event with an id, where it is seen.
fn sighting(record: &Record) -> Option<u64> {
    if let Kind::Delivered { id: Some(_), content, .. }
    | Kind::Committed { id: Some(_), content, .. }
    | Kind::Arrived { content, .. }
    | Kind::Heard { content, .. }
    | Kind::Answered { content, .. } = &record.kind
    {
        Some(*content)
    } else {
        None
    }
}

#[cfg(test)]
mod tests {
    use squall::store::MessageId;

    use super::*;
    use crate::check::Ending;
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
