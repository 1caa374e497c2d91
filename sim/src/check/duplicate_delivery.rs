//! *Promise:* a client shows each message, and hands on each event, at most once.
//!
//! *Checked:* within one life of a client's process, across all its connections, every message that is shown was not
//! shown before, and every event that is heard was not heard before. Who joins a room from an earlier offset on asks to be
//! shown it again. *Allowed:* what the log holds twice, because its sender sends again without an id; and what the server
//! relayed twice, for the same reason.
//!
//! *Not checked, because:* across lives of the process, because what a client has shown lives in its memory, as on a page
//! that is reloaded: a new life shows the log from the start. Volatile events are `volatile_misuse`'s.

use std::collections::BTreeMap;

use squall::store::{LogOffset, MessageId};

use super::roll::{Entry, Life, Message, MessageName, Roll, Room};
use super::senders::Senders;
use super::table::{Lives, Table};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// A chat room, and an offset there.
type Place = (Room, LogOffset);

/// Looks for [`Anomaly::DuplicateDelivery`].
pub(super) struct DuplicateDelivery<'r> {
    senders: Senders,
    /// What each life of each client was shown: where, and the record of the first time.
    shown: Lives<Table<Message, Shown<'r>>>,
    /// How often each event was relayed; none for volatile ones.
    relayed: BTreeMap<Message, Option<u64>>,
    heard: BTreeMap<Life, BTreeMap<Message, (u64, &'r Record)>>,
    examined: u64,
    allowed: u64,
    found: Option<Violation>,
}

/// What was shown.
struct Shown<'r> {
    place: Place,
    record: &'r Record,
    /// Where else, as far as that is allowed.
    elsewhere: Vec<Place>,
}

impl Shown<'_> {
    fn is_at(&self, is_there: impl Fn(&Place) -> bool) -> bool {
        is_there(&self.place) || self.elsewhere.iter().any(is_there)
    }
}

impl<'r> DuplicateDelivery<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self {
            senders: Senders::new(plan, roll),
            shown: Lives::default(),
            relayed: BTreeMap::new(),
            heard: BTreeMap::new(),
            examined: 0,
            allowed: 0,
            found: None,
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'r>, id: Option<&MessageId>, offset: LogOffset) {
        self.examined += 1;
        let place = (entry.room, offset);
        let shown = self.shown.entry(entry.life()).row(entry.message);
        let Some(shown) = shown else {
            *shown = Some(Shown { place, record: entry.record, elsewhere: Vec::new() });
            return;
        };
        if self.senders.repeats(entry.message) && !shown.is_at(|other| *other == place) {
            shown.elsewhere.push(place);
            self.allowed += 1;
            return;
        }
        let first = shown.record;
        let message = MessageName::seen(id, offset);
        self.find(entry, first, format!("{} was shown {message} twice", entry.host));
    }

    fn on_heard(&mut self, entry: &Entry<'r>, id: &MessageId) {
        let Some(relayed) = self.relayed.get(&entry.message).copied().unwrap_or(Some(0)) else { return };
        self.examined += 1;
        let heard = self.heard.entry(entry.life()).or_default();
        let Some((times, first)) = heard.get_mut(&entry.message) else {
            heard.insert(entry.message, (1, entry.record));
            return;
        };
        *times += 1;
        if *times <= relayed && self.senders.repeats(entry.message) {
            self.allowed += 1;
            return;
        }
        let first = *first;
        self.find(entry, first, format!("{} heard {id} twice", entry.host));
    }

    fn find(&mut self, entry: &Entry<'r>, first: &Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::DuplicateDelivery,
            says,
            step: entry.step,
            witness: vec![first.clone(), entry.record.clone()],
        });
    }
}

impl<'r> Checker<'r> for DuplicateDelivery<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::DuplicateDelivery
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.senders.observe(entry);
        if let Kind::Delivered { id, offset, .. } = &entry.kind {
            self.on_delivered(entry, id.as_ref(), *offset);
        } else if let Kind::Joined { since: Some(since), .. } = &entry.kind {
            let again = |place: &Place| place.0 == entry.room && place.1 > *since;
            self.shown.entry(entry.life()).retain(|shown| !shown.is_at(again));
        } else if let Kind::Relayed { volatile, .. } = &entry.kind {
            let relayed = self.relayed.entry(entry.message).or_insert((!volatile).then_some(0));
            *relayed = relayed.map(|times| times + 1);
        } else if let Kind::Heard { id, .. } = &entry.kind {
            self.on_heard(entry, id);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        Finding { verdict: verdict(self.found, self.examined), allowed: self.allowed }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, with_send};
    use crate::check::{Ending, judge};
    use crate::plan::Send;

    #[test]
    fn a_message_shown_again_after_a_reconnection_is_a_duplicate() {
        let planted = Planted::good().connect(BOB).show(BOB, "alice-1", 1);

        let violation = broken(Anomaly::DuplicateDelivery, planted, &Ending::Settled);

        assert_eq!(violation.says, "bob was shown alice-1 twice");
        assert_eq!(violation.witness.iter().map(|record| record.session).collect::<Vec<_>>(), [1, 2]);
    }

    #[test]
    fn a_new_life_may_show_the_log_from_the_start() {
        held(Anomaly::DuplicateDelivery, Planted::good().restart(BOB).show(BOB, "alice-1", 1));
    }

    #[test]
    fn what_is_sent_again_without_an_id_may_be_shown_again() {
        let planted = Planted::good().commit("alice-1", 4).show(ALICE, "alice-1", 4).show(BOB, "alice-1", 4);
        let judgement = judge(&with_send(Send::Retry), &planted.finish(), &Ending::Settled);
        assert_eq!(judgement.violation(), None);
        let allowed = [(Anomaly::DuplicateDelivery, 2), (Anomaly::DuplicateCommit, 1)];
        assert_eq!(judgement.allowed, allowed.into());
    }

    #[test]
    fn what_the_log_holds_once_is_shown_once_however_it_was_sent() {
        let planted = Planted::good().show(BOB, "alice-1", 1);
        let judgement = judge(&with_send(Send::Retry), &planted.finish(), &Ending::Settled);
        assert_eq!(judgement.violation().map(|found| found.anomaly), Some(Anomaly::DuplicateDelivery));
    }

    #[test]
    fn who_joins_from_an_earlier_offset_is_shown_it_again() {
        let planted = Planted::good().join_since(BOB, "general", 3, 1).show(BOB, "bob-1", 2);
        held(Anomaly::DuplicateDelivery, planted.show(BOB, "alice-2", 3));
        let planted = Planted::good().join_since(BOB, "general", 3, 1).show(BOB, "alice-1", 1);
        broken(Anomaly::DuplicateDelivery, planted, &Ending::Settled);
    }

    #[test]
    fn an_event_heard_twice_is_a_duplicate() {
        let planted =
            Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).hear(BOB, "alice broadcast 1");
        let violation =
            broken(Anomaly::DuplicateDelivery, planted.hear(BOB, "alice broadcast 1"), &Ending::Settled);
        assert_eq!(violation.says, "bob heard alice broadcast 1 twice");
    }
}
