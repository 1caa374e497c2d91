//! *Promise:* what arrives says what was sent, to the last byte.
//!
//! *Checked:* every message that is committed or shown, and every event that arrives, is heard or comes back as an
//! acknowledgement, has the content with which its id was sent. A record of sending may come after the sighting.
//!
//! *Not checked, because:* messages without an id, because a changed one is no one's: it is a phantom.

use std::collections::BTreeMap;

use squall::store::MessageId;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::Corrupted`].
#[derive(Default)]
pub(super) struct Corrupted {
    sent: BTreeMap<MessageId, (u64, Record)>,
    /// What was sent with each content: an answer with another's is not damaged but mistaken.
    contents: BTreeMap<u64, MessageId>,
    /// Sightings whose message had not been sent yet.
    early: BTreeMap<MessageId, Vec<Record>>,
    examined: u64,
    found: Option<Violation>,
}

impl Checker for Corrupted {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Corrupted
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, content, .. } | Kind::Emitted { id, content, .. } = &record.kind {
            self.contents.entry(*content).or_insert_with(|| id.clone());
            self.sent.entry(id.clone()).or_insert_with(|| (*content, record.clone()));
            for early in self.early.remove(id).unwrap_or_default() {
                self.judge(&early);
            }
        } else if sighting(record).is_some() {
            self.examined += 1;
            self.judge(record);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl Corrupted {
    fn judge(&mut self, record: &Record) {
        let Some((id, content)) = sighting(record) else { return };
        let Some((sent, evidence)) = self.sent.get(id) else {
            self.early.entry(id.clone()).or_default().push(record.clone());
            return;
        };
        let is_anothers =
            matches!(record.kind, Kind::Answered { .. }) && self.contents.contains_key(&content);
        if *sent == content || is_anothers {
            return;
        }
        // Of two that were seen before they were sent, the one that came first leads.
        if self.found.as_ref().is_none_or(|found| found.step > record.step) {
            self.found = Some(Violation {
                anomaly: Anomaly::Corrupted,
                says: format!(
                    "{} {} with another content than {} sent",
                    record.host, record.kind, evidence.host
                ),
                step: record.step,
                witness: vec![evidence.clone(), record.clone()],
            });
        }
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
}
