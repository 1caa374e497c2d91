//! *Promise:* what is said in a room stays in it.
//!
//! *Checked:* every message that is committed or shown is in the room to which it was sent; it is shown only to clients
//! that in this life of theirs are in the room, were, or will be; and an event that the server relays is heard only by
//! those to whom it relayed it.
//!
//! *Not checked, because:* whether a member was one at that time, because that is `delivery_after_leave`'s and
//! `pre_join_leak`'s; who was expressly excluded, because that is `excluded_echo`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::roll::{Entry, Message, Roll, Room};
use super::strays::{Strays, Why};
use super::table::Table;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// Looks for [`Anomaly::RoomLeak`].
pub(super) struct RoomLeak<'r> {
    strays: Strays<'r>,
    sent: Table<Message, (Room, &'r Record)>,
    /// Sightings whose message had not been sent yet.
    early: BTreeMap<Message, Vec<(Room, &'r Record)>>,
    /// Who was to hear an event or must not.
    concerned: BTreeMap<Message, (BTreeSet<&'r Name>, &'r Record)>,
    examined: u64,
    found: Option<Violation>,
}

impl<'r> RoomLeak<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self {
            strays: Strays::new(plan, roll),
            sent: Table::default(),
            early: BTreeMap::new(),
            concerned: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    /// A message is in the room to which it was sent.
    fn on_sighting(&mut self, message: Message, room: Room, record: &'r Record) {
        let Some((sent, evidence)) = self.sent.get(message).copied() else {
            self.early.entry(message).or_default().push((room, record));
            return;
        };
        if let Kind::Sent { room: to, .. } = &evidence.kind
            && sent != room
        {
            let says = format!("{} {}, but {} sent it to {to}", record.host, record.kind, evidence.host);
            self.find(record, evidence, says);
        }
    }

    fn on_heard(&mut self, entry: &Entry<'r>) {
        self.examined += 1;
        if let Some((concerned, relayed)) = self.concerned.get(&entry.message)
            && !concerned.contains(&entry.host)
        {
            let says = format!("{} {}, but the server {}", entry.host, entry.kind, relayed.kind);
            self.find(entry.record, relayed, says);
        }
    }

    fn find(&mut self, record: &Record, evidence: &Record, says: String) {
        // Of two that were seen before they were sent, the one that came first leads.
        if self.found.as_ref().is_none_or(|found| found.step > record.step) {
            self.found = Some(Violation {
                anomaly: Anomaly::RoomLeak,
                says,
                step: record.step,
                witness: vec![evidence.clone(), record.clone()],
            });
        }
    }

    fn stranger(&self, run: &Run<'r>) -> Option<Violation> {
        let (record, witness) = self.strays.first(Why::NeverThere, run)?;
        Some(Violation {
            anomaly: Anomaly::RoomLeak,
            says: format!("{} {}, a room in which it never was", record.host, record.kind),
            step: record.step,
            witness,
        })
    }
}

impl<'r> Checker<'r> for RoomLeak<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::RoomLeak
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.strays.observe(entry);
        let message = entry.message;
        if let Kind::Sent { .. } = &entry.kind {
            self.sent.row(message).get_or_insert((entry.room, entry.record));
            for (room, early) in self.early.remove(&message).unwrap_or_default() {
                self.on_sighting(message, room, early);
            }
        } else if let Kind::Relayed { audience, excluded, .. } = &entry.record.kind {
            let (concerned, _) = self.concerned.entry(message).or_insert((BTreeSet::new(), entry.record));
            concerned.extend(audience.iter().map(|listener| &listener.client).chain(excluded));
        } else if let Kind::Heard { .. } = &entry.kind {
            self.on_heard(entry);
        } else if let Kind::Committed { id: Some(_), .. } | Kind::Delivered { id: Some(_), .. } = &entry.kind
        {
            self.on_sighting(message, entry.room, entry.record);
        }
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let examined = self.examined + self.strays.examined();
        let found = self.stranger(run).into_iter().chain(self.found).min_by_key(|violation| violation.step);
        verdict(found, examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
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
