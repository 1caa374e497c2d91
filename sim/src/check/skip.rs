//! *Promise:* what a client shows of a room has no holes while its process lives.
//!
//! *Checked:* a message that one life of a client that resumes is entitled to, that it was not shown though it was shown a
//! later one of the room, and that another life was shown.
//!
//! *Not checked, because:* the other holes, because they have other names: what no life was ever shown is *lost*; what is
//! shown late is out of order.

use squall::store::LogOffset;

use super::ledger::Ledger;
use super::roll::{Entry, Host, Message, Roll, Room};
use super::rooms::Rooms;
use super::table::{Lives, Marks, Table};
use super::view::View;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::Kind;
use crate::plan::{Plan, Receive};

/// Looks for [`Anomaly::Skip`].
pub(super) struct Skip<'r> {
    /// The life that each client lives now.
    lives: Table<Host, u32>,
    rooms: Rooms,
    ledger: Ledger,
    readers: Lives<Reader<'r>>,
    examined: u64,
}

/// One life of a client.
#[derive(Default)]
struct Reader<'r> {
    views: Table<Room, View<'r>>,
    shown: Marks<Message>,
}

impl<'r> Skip<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let resuming = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Resume);
        Self {
            lives: resuming.map(|(name, _)| (roll.host(name), 1)).collect(),
            rooms: Rooms::new(plan, roll),
            ledger: Ledger::default(),
            readers: Lives::default(),
            examined: 0,
        }
    }

    fn on_committed(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        let (message, room) = (entry.message, entry.room);
        if !self.ledger.enter(message, room, offset) {
            return;
        }
        for (client, process) in self.lives.iter() {
            let life = (client, *process);
            if self.rooms.owes(life, room, offset) {
                let reader = self.readers.entry(life);
                if !reader.shown.contains(message) {
                    reader.views.entry(room).entitle(entry.record, (offset, message));
                }
            }
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        if self.lives.get(entry.who) != Some(&entry.process) {
            return;
        }
        self.examined += 1;
        let reader = self.readers.entry(entry.life());
        if let Some((entered, place)) = self.ledger.place(entry.message) {
            reader.views.entry(entered).show((place, entry.message));
        }
        reader.views.entry(entry.room).reach(entry.record, offset);
        reader.shown.insert(entry.message);
    }

    /// What a client is entitled to has changed.
    fn look_again(&mut self, entry: &Entry<'r>) {
        let Some(process) = self.lives.get_mut(entry.who) else { return };
        *process = entry.process;
        let life = entry.life();
        let Reader { views, shown } = self.readers.entry(life);
        if let Kind::Joined { since: Some(_), .. } = &entry.kind {
            views.entry(entry.room).rewind();
        }
        for (room, offset, message) in self.ledger.iter() {
            let view = views.entry(room);
            let is_shown = shown.contains(message);
            let place = (offset, message);
            if !is_shown && self.rooms.owes(life, room, offset) {
                view.entitle(entry.record, place);
            } else if !is_shown && self.rooms.entitles(life, room, offset) {
                view.give_up(place);
            } else {
                view.show(place);
            }
        }
    }
}

impl<'r> Checker<'r> for Skip<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Skip
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.rooms.observe(entry);
        if let Kind::Committed { offset, .. } = &entry.kind {
            self.on_committed(entry, *offset);
        } else if let Kind::Delivered { offset, .. } = &entry.kind {
            self.on_delivered(entry, *offset);
        } else if let Kind::Started | Kind::Joined { .. } | Kind::Left { .. } = &entry.kind {
            self.look_again(entry);
        }
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let by_another = |client: Host, message: &Message| {
            self.readers.of(client).any(|reader| reader.shown.contains(*message))
        };
        let skipped = self.readers.iter().flat_map(|(client, reader)| {
            let skipped = reader.views.values().flat_map(|view| view.skipped.iter());
            skipped.map(move |skipped| (client, skipped))
        });
        let first = skipped
            .filter(|(client, ((_, message), _))| by_another(*client, message))
            .min_by_key(|(_, (_, (step, _)))| *step);
        let found = first.map(|(client, ((offset, message), (step, by)))| Violation {
            anomaly: Anomaly::Skip,
            says: format!(
                "{} passed over {} at offset {offset}, which only another life of it was shown",
                run.roll.host_name(client),
                run.roll.message_name(*message),
            ),
            step: *step,
            witness: run.witness([by.step]),
        });
        verdict(found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    /// Bob's first life is shown the first and the third of three messages.
    fn passed_over() -> Planted {
        let planted = Planted::new().say(ALICE).say(ALICE).say(ALICE);
        let planted = ["alice-1", "alice-2", "alice-3"]
            .into_iter()
            .zip(1..)
            .fold(planted, |planted, (id, n)| planted.commit(id, n).ack(ALICE, id, n).show(ALICE, id, n));
        planted.show(BOB, "alice-1", 1).show(BOB, "alice-3", 3)
    }

    #[test]
    fn what_only_another_life_was_shown_was_passed_over() {
        let planted = passed_over().restart(BOB).show(BOB, "alice-1", 1).show(BOB, "alice-2", 2);
        let violation = broken(Anomaly::Skip, planted.show(BOB, "alice-3", 3), &Ending::Settled);
        assert_eq!(
            violation.says,
            "bob passed over alice-2 at offset 2, which only another life of it was shown"
        );
    }

    #[test]
    fn what_nobody_was_shown_is_lost_and_not_passed_over() {
        broken(Anomaly::Lost, passed_over(), &Ending::Settled);
    }

    #[test]
    fn a_life_that_ends_in_the_middle_has_no_hole() {
        let planted = Planted::good().restart(BOB).show(BOB, "alice-1", 1).restart(BOB);
        held(Anomaly::Skip, planted.show(BOB, "alice-1", 1).show(BOB, "bob-1", 2));
    }
}
