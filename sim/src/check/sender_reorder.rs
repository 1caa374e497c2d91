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

use squall::store::MessageId;

use super::roll::{self, Entry, Host, Message, Room};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// A message's place among what its sender said: life and number.
type Place = (u32, u64);

/// Looks for [`Anomaly::SenderReorder`].
#[derive(Default)]
pub(super) struct SenderReorder<'r> {
    sent: BTreeMap<Message, Sent<'r>>,
    given_up: BTreeSet<Message>,
    lives: BTreeMap<roll::Life, Life<'r>>,
    examined: u64,
    found: Option<Violation>,
}

/// Who sent a message, and when.
#[derive(Clone, Copy)]
struct Sent<'r> {
    sender: Host,
    record: &'r Record,
    place: Place,
}

/// What one life of a client was shown.
#[derive(Default)]
struct Life<'r> {
    /// In which room.
    shown: BTreeMap<Message, Room>,
    /// The latest of each sender in each room.
    latest: BTreeMap<(Room, Host), (Place, &'r MessageId, &'r Record)>,
}

impl<'r> Checker<'r> for SenderReorder<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::SenderReorder
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Sent { n, .. } = &entry.kind {
            let sent = Sent { sender: entry.who, record: entry.record, place: (entry.process, *n) };
            self.sent.entry(entry.message).or_insert(sent);
        } else if let Kind::SendFailed { .. } = &entry.kind {
            self.given_up.insert(entry.message);
        } else if let Kind::Delivered { id: Some(id), .. } = &entry.record.kind {
            self.on_delivered(entry, id);
        } else if let Kind::Joined { since: Some(_), .. } = &entry.kind {
            let life = self.lives.entry(entry.life()).or_default();
            life.shown.retain(|_, shown_in| *shown_in != entry.room);
            life.latest.retain(|(shown_in, _), _| *shown_in != entry.room);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> SenderReorder<'r> {
    fn on_delivered(&mut self, entry: &Entry<'r>, id: &'r MessageId) {
        if self.given_up.contains(&entry.message) {
            return;
        }
        let Some(Sent { sender, record: sent, place }) = self.sent.get(&entry.message).copied() else {
            return;
        };
        let life = self.lives.entry(entry.life()).or_default();
        if life.shown.contains_key(&entry.message) {
            return;
        }
        life.shown.insert(entry.message, entry.room);
        self.examined += 1;
        let key = (entry.room, sender);
        if let Some((latest, before, evidence)) = life.latest.get(&key)
            && *latest >= place
        {
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::SenderReorder,
                says: format!(
                    "{} was shown {before} before {id}, which {} sent first",
                    entry.host, sent.host
                ),
                step: entry.step,
                witness: vec![Record::clone(evidence), entry.record.clone()],
            });
            return;
        }
        life.latest.insert(key, (place, id, entry.record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
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
        let failed = Kind::SendFailed { id: MessageId("alice-1".into()), reason: "timed out".to_owned() };
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
