//! *Promise:* what is said in a room stays in it.
//!
//! *Checked:* every message that is committed or shown is in the room to which it was sent; it is shown only to clients
//! that in this life of theirs are in the room, were, or will be; and an event that the server relays is heard only by
//! those to whom it relayed it.
//!
//! *Not checked, because:* whether a member was one at that time, because that is `delivery_after_leave`'s and
//! `pre_join_leak`'s; who was expressly excluded, because that is `excluded_echo`'s.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::MessageId;

use super::strays::{Strays, Why};
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// Looks for [`Anomaly::RoomLeak`].
pub(super) struct RoomLeak {
    strays: Strays,
    sent: BTreeMap<MessageId, (Name, Record)>,
    /// Sightings whose message had not been sent yet.
    early: BTreeMap<MessageId, Vec<Record>>,
    /// Who was to hear an event or must not.
    concerned: BTreeMap<MessageId, (BTreeSet<Name>, Record)>,
    examined: u64,
    found: Option<Violation>,
}

impl RoomLeak {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            strays: Strays::new(plan),
            sent: BTreeMap::new(),
            early: BTreeMap::new(),
            concerned: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    /// A message is in the room to which it was sent.
    fn on_sighting(&mut self, record: &Record, id: &MessageId, room: &Name) {
        let Some((sent, evidence)) = self.sent.get(id) else {
            self.early.entry(id.clone()).or_default().push(record.clone());
            return;
        };
        if sent != room {
            let says = format!("{} {}, but {} sent it to {sent}", record.host, record.kind, evidence.host);
            let evidence = evidence.clone();
            self.find(record, evidence, says);
        }
    }

    fn on_heard(&mut self, record: &Record, id: &MessageId) {
        self.examined += 1;
        if let Some((concerned, relayed)) = self.concerned.get(id)
            && !concerned.contains(&record.host)
        {
            let says = format!("{} {}, but the server {}", record.host, record.kind, relayed.kind);
            let relayed = relayed.clone();
            self.find(record, relayed, says);
        }
    }

    fn find(&mut self, record: &Record, evidence: Record, says: String) {
        // Of two that were seen before they were sent, the one that came first leads.
        if self.found.as_ref().is_none_or(|found| found.step > record.step) {
            self.found = Some(Violation {
                anomaly: Anomaly::RoomLeak,
                says,
                step: record.step,
                witness: vec![evidence, record.clone()],
            });
        }
    }

    fn stranger(&self) -> Option<Violation> {
        let (record, witness) = self.strays.first(Why::NeverThere)?;
        Some(Violation {
            anomaly: Anomaly::RoomLeak,
            says: format!("{} {}, a room in which it never was", record.host, record.kind),
            step: record.step,
            witness,
        })
    }
}

impl Checker for RoomLeak {
    fn anomaly(&self) -> Anomaly {
        Anomaly::RoomLeak
    }

    fn observe(&mut self, record: &Record) {
        self.strays.observe(record);
        if let Kind::Sent { id, room, .. } = &record.kind {
            self.sent.entry(id.clone()).or_insert_with(|| (room.clone(), record.clone()));
            for early in self.early.remove(id).unwrap_or_default() {
                self.observe_sighting(&early);
            }
        } else if let Kind::Relayed { id, audience, excluded, .. } = &record.kind {
            let (concerned, _) =
                self.concerned.entry(id.clone()).or_insert_with(|| (BTreeSet::new(), record.clone()));
            concerned.extend(audience.iter().map(|listener| &listener.client).chain(excluded).cloned());
        } else if let Kind::Heard { id, .. } = &record.kind {
            self.on_heard(record, id);
        } else {
            self.observe_sighting(record);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        let examined = self.examined + self.strays.examined();
        let found = self.stranger().into_iter().chain(self.found).min_by_key(|violation| violation.step);
        verdict(found, examined).into()
    }
}

impl RoomLeak {
    fn observe_sighting(&mut self, record: &Record) {
        if let Kind::Committed { id: Some(id), room, .. } | Kind::Delivered { id: Some(id), room, .. } =
            &record.kind
        {
            self.on_sighting(record, id, room);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, CAROL, Planted, broken, held};

    #[test]
    fn a_message_in_another_room_than_it_was_sent_to_leaks() {
        let planted = Planted::new().say(ALICE).commit_in("lobby", "alice-1", 1).ack(ALICE, "alice-1", 1);
        let planted = planted.show_in("lobby", ALICE, "alice-1", 1).show_in("lobby", BOB, "alice-1", 1);
        let violation = broken(Anomaly::RoomLeak, planted, &Ending::Settled);
        assert_eq!(violation.says, "server committed alice-1 at 1 of lobby, but alice sent it to general");
    }

    /// Alice talks in the attic, alone.
    fn attic() -> Planted {
        let planted = Planted::good().join(ALICE, "attic", 3).say_in("attic", ALICE);
        let planted = planted.commit_in("attic", "alice-3", 4).ack(ALICE, "alice-3", 4);
        planted.show_in("attic", ALICE, "alice-3", 4)
    }

    #[test]
    fn a_message_of_a_room_in_which_its_reader_never_was_leaks() {
        held(Anomaly::RoomLeak, attic());
        let planted = attic().show_in("attic", BOB, "alice-3", 4);
        let violation = broken(Anomaly::RoomLeak, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob delivered alice-3 at 4 of attic, a room in which it never was");
    }

    #[test]
    fn what_is_shown_before_its_reader_is_told_that_it_joined_is_no_leak() {
        held(Anomaly::RoomLeak, attic().show_in("attic", BOB, "alice-3", 4).join(BOB, "attic", 3));
    }

    #[test]
    fn an_event_heard_by_someone_to_whom_it_was_not_relayed_leaks() {
        let planted =
            Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).hear(BOB, "alice broadcast 1");
        held(Anomaly::RoomLeak, planted);
        let planted =
            Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).hear(BOB, "alice broadcast 1");
        let violation = broken(Anomaly::RoomLeak, planted.hear(CAROL, "alice broadcast 1"), &Ending::Settled);
        assert_eq!(
            violation.says,
            "carol heard alice broadcast 1, but the server relayed alice broadcast 1 to bob, not to alice"
        );
    }
}
