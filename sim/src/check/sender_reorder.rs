//! *Promise:* the messages of one sender are shown in the order in which they were sent (FIFO).
//!
//! *Checked:* within one life of a client and one room, the messages of each sender are shown in the order of the sender's
//! lives and, within a life, of the numbers it gave; what was said offline and flushed after a reconnection included. Only
//! the first time a message is shown counts; who joins a room from an earlier offset on begins anew.
//!
//! *Not checked, because:* messages that nobody sent, because they have no sender; that they are shown is a phantom. Messages
//! whose sender was told that sending failed, or was gone with nobody to send them again, before they were acknowledged: the
//! next one does not wait for them, and a copy may still come, out of a connection that the server has not given up.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::MessageId;

use super::roll::{Entry, Host, Message, Roll, Room};
use super::table::{Lives, Table};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Plan, Send};

/// A message's place among what its sender said: life and number.
type Place = (u32, u64);

/// Looks for [`Anomaly::SenderReorder`].
pub(super) struct SenderReorder<'r> {
    /// Whose messages outlive them.
    keepers: BTreeSet<Host>,
    sent: Table<Message, Sent<'r>>,
    /// Of senders that keep none: what is not acknowledged yet.
    open: BTreeMap<Host, BTreeSet<Message>>,
    given_up: BTreeSet<Message>,
    lives: Lives<Life<'r>>,
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
    shown: Table<Message, Room>,
    /// The latest of each sender in each room.
    latest: Table<Room, Table<Host, (Place, &'r MessageId, &'r Record)>>,
}

impl<'r> Checker<'r> for SenderReorder<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::SenderReorder
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Sent { n, .. } = &entry.kind {
            let sent = Sent { sender: entry.who, record: entry.record, place: (entry.process, *n) };
            self.sent.row(entry.message).get_or_insert(sent);
            if !self.keepers.contains(&entry.who) {
                self.open.entry(entry.who).or_default().insert(entry.message);
            }
        } else if let Kind::Acknowledged { .. } = &entry.kind {
            if let Some(open) = self.open.get_mut(&entry.who) {
                open.remove(&entry.message);
            }
        } else if let Kind::SendFailed { .. } = &entry.kind {
            self.given_up.insert(entry.message);
        } else if let Kind::Exited { .. } = &entry.kind {
            self.given_up.extend(self.open.remove(&entry.who).unwrap_or_default());
        } else if let Kind::Delivered { id: Some(id), .. } = &entry.record.kind {
            self.on_delivered(entry, id);
        } else if let Kind::Joined { since: Some(_), .. } = &entry.kind {
            let life = self.lives.entry(entry.life());
            life.shown.retain(|shown_in| *shown_in != entry.room);
            life.latest.remove(entry.room);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> SenderReorder<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let keepers = plan.clients.iter().filter(|(_, client)| client.send == Send::Outbox);
        Self {
            keepers: keepers.map(|(name, _)| roll.host(name)).collect(),
            sent: Table::default(),
            open: BTreeMap::new(),
            given_up: BTreeSet::new(),
            lives: Lives::default(),
            examined: 0,
            found: None,
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'r>, id: &'r MessageId) {
        if self.given_up.contains(&entry.message) {
            return;
        }
        let Some(Sent { sender, record: sent, place }) = self.sent.get(entry.message).copied() else {
            return;
        };
        let life = self.lives.entry(entry.life());
        let shown = life.shown.row(entry.message);
        if shown.is_some() {
            return;
        }
        *shown = Some(entry.room);
        self.examined += 1;
        let latest = life.latest.entry(entry.room).row(sender);
        if let Some((latest, before, evidence)) = latest
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
        *latest = Some((place, id, entry.record));
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, with_send};
    use crate::check::{Ending, Verdict, judge};

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
    fn what_a_page_without_an_outbox_had_not_been_told_of_may_come_late() {
        let reloaded = Planted::new().say(ALICE).restart(ALICE).say_as(ALICE, "alice-x-1", 1);
        let planted = reloaded.commit("alice-x-1", 1).commit("alice-1", 2).ack(ALICE, "alice-x-1", 1);
        let planted = planted.show(BOB, "alice-x-1", 1).show(BOB, "alice-1", 2).finish();
        let broken =
            |send| judge(&with_send(send), &planted, &Ending::Settled).violation().map(|found| found.anomaly);
        assert_ne!(broken(Send::Retry), Some(Anomaly::SenderReorder));
        let kept = judge(&with_send(Send::Outbox), &planted, &Ending::Settled).verdicts;
        let found = |(anomaly, verdict): &(Anomaly, Verdict)| {
            *anomaly == Anomaly::SenderReorder && matches!(verdict, Verdict::Broken(_))
        };
        assert!(kept.iter().any(found), "an outbox keeps it in its place");
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
