//! *Promise:* the messages of one sender are shown in the order in which they were sent (FIFO).
//!
//! *Checked:* within one life of a client and one room, the messages of each sender are shown in the order of the sender's
//! lives and, within a life, of the numbers it gave; what was said offline and flushed after a reconnection included. Only
//! the first time a message is shown counts; who joins a room from an earlier offset on begins anew.
//!
//! *Not checked, because:* messages that nobody sent, because they have no sender; that they are shown is a phantom. Messages
//! whose sender was told that sending failed: the next one does not wait for them any more, and a copy may still come, out of
//! a connection that the server has not given up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use squall::store::MessageId;

use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// A message's place among what its sender said: life and number.
type Place = (u32, u64);

/// Looks for [`Anomaly::SenderReorder`].
#[derive(Default)]
pub(super) struct SenderReorder {
    sent: BTreeMap<MessageId, (Name, Place)>,
    given_up: BTreeSet<MessageId>,
    lives: BTreeMap<(Name, u32), Life>,
    examined: u64,
    found: Option<Violation>,
}

/// What one life of a client was shown.
#[derive(Default)]
struct Life {
    /// In which room.
    shown: BTreeMap<MessageId, Arc<str>>,
    /// The latest of each sender in each room.
    latest: BTreeMap<(Arc<str>, Name), (Place, MessageId, Record)>,
}

impl Checker for SenderReorder {
    fn anomaly(&self) -> Anomaly {
        Anomaly::SenderReorder
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Sent { id, n, .. } = &record.kind {
            let place = (record.process, *n);
            self.sent.entry(id.clone()).or_insert_with(|| (Name::clone(&record.host), place));
        } else if let Kind::SendFailed { id, .. } = &record.kind {
            self.given_up.insert(id.clone());
        } else if let Kind::Delivered { id: Some(id), room, .. } = &record.kind {
            self.on_delivered(record, id, room);
        } else if let Kind::Joined { room, since: Some(_), .. } = &record.kind {
            let life = self.lives.entry((Name::clone(&record.host), record.process)).or_default();
            life.shown.retain(|_, shown_in| shown_in != room);
            life.latest.retain(|(shown_in, _), _| shown_in != room);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl SenderReorder {
    fn on_delivered(&mut self, record: &Record, id: &MessageId, room: &Arc<str>) {
        let Some((sender, place)) = self.sent.get(id).filter(|_| !self.given_up.contains(id)) else { return };
        let life = self.lives.entry((Name::clone(&record.host), record.process)).or_default();
        if life.shown.contains_key(id) {
            return;
        }
        life.shown.insert(id.clone(), Arc::clone(room));
        self.examined += 1;
        let key = (Arc::clone(room), Name::clone(sender));
        if let Some((latest, before, evidence)) = life.latest.get(&key)
            && latest >= place
        {
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::SenderReorder,
                says: format!("{} was shown {before} before {id}, which {sender} sent first", record.host),
                step: record.step,
                witness: vec![evidence.clone(), record.clone()],
            });
            return;
        }
        life.latest.insert(key, (*place, id.clone(), record.clone()));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Verdict;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    /// The log has them the wrong way round, and so has everyone.
    #[test]
    fn a_later_message_shown_first_is_a_reorder() {
        let planted = Planted::new().say(ALICE).say(ALICE).commit("alice-2", 1).commit("alice-1", 2);
        let planted = planted.ack(ALICE, "alice-2", 1).ack(ALICE, "alice-1", 2);
        let planted = [ALICE, BOB]
            .into_iter()
            .fold(planted, |planted, client| planted.show(client, "alice-2", 1).show(client, "alice-1", 2));

        let violation = broken(Anomaly::SenderReorder, planted, &Ending::Settled);

        assert_eq!(violation.says, "alice was shown alice-2 before alice-1, which alice sent first");
    }

    #[test]
    fn what_its_sender_has_given_up_may_come_late() {
        let failed = Kind::SendFailed { id: MessageId("alice-1".to_owned()), reason: "timed out".to_owned() };
        let planted = Planted::new().say(ALICE).record(ALICE, failed).say(ALICE);
        let planted = planted.commit("alice-2", 1).commit("alice-1", 2).ack(ALICE, "alice-2", 1);
        let planted = planted.show(BOB, "alice-2", 1).show(BOB, "alice-1", 2);
        held(Anomaly::SenderReorder, planted.show(ALICE, "alice-2", 1).show(ALICE, "alice-1", 2));
    }

    #[test]
    fn only_the_first_time_counts() {
        let planted = Planted::good().connect(BOB).show(BOB, "alice-1", 1);
        let verdicts = planted.judged(&Ending::Settled).verdicts;
        assert!(verdicts.contains(&(Anomaly::SenderReorder, Verdict::Held { examined: 6 })), "{verdicts:?}");
    }

    #[test]
    fn a_sender_that_starts_again_may_count_again() {
        let planted = Planted::good().restart(ALICE).say_as(ALICE, "alice-x-1", 1).commit("alice-x-1", 4);
        let planted = planted.ack(ALICE, "alice-x-1", 4).show(BOB, "alice-x-1", 4);
        let planted = planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2).show(ALICE, "alice-2", 3);
        let planted = planted.show(ALICE, "alice-x-1", 4);
        held(Anomaly::SenderReorder, planted);
    }
}
