//! *Promise:* what a client shows of a room has no holes while its process lives.
//!
//! *Checked:* a message that one life of a client that resumes is entitled to, that it was not shown though it was shown a
//! later one of the room, and that another life was shown.
//!
//! *Not checked, because:* the other holes, because they have other names: what no life was ever shown is *lost*; what is
//! shown late is out of order.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::LogOffset;

use super::ledger::Ledger;
use super::message::Message;
use super::rooms::{Life, Rooms};
use super::view::View;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, Receive};

/// Looks for [`Anomaly::Skip`].
pub(super) struct Skip {
    /// The life that each client lives now.
    lives: BTreeMap<Name, u32>,
    rooms: Rooms,
    ledger: Ledger,
    views: BTreeMap<Life, BTreeMap<Name, View>>,
    /// What each life was shown.
    shown: BTreeMap<Life, BTreeSet<Message>>,
    examined: u64,
}

impl Skip {
    pub(super) fn new(plan: &Plan) -> Self {
        let resuming = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Resume);
        Self {
            lives: resuming.map(|(name, _)| (name.clone(), 1)).collect(),
            rooms: Rooms::new(plan),
            ledger: Ledger::default(),
            views: BTreeMap::new(),
            shown: BTreeMap::new(),
            examined: 0,
        }
    }

    fn on_committed(&mut self, record: &Record, message: &Message, room: &Name, offset: LogOffset) {
        if !self.ledger.enter(message, room, offset) {
            return;
        }
        for (client, process) in &self.lives {
            let life = (client.clone(), *process);
            let is_shown = self.shown.get(&life).is_some_and(|shown| shown.contains(message));
            if !is_shown && self.rooms.owes(client, *process, room, offset) {
                let view = self.views.entry(life).or_default().entry(room.clone()).or_default();
                view.entitle(record, message, offset);
            }
        }
    }

    fn on_delivered(&mut self, record: &Record, message: Message, room: &Name, offset: LogOffset) {
        if self.lives.get(&record.host) != Some(&record.process) {
            return;
        }
        self.examined += 1;
        let life = (record.host.clone(), record.process);
        let views = self.views.entry(life.clone()).or_default();
        if let Some((entered, place)) = self.ledger.place(&message) {
            views.entry(entered.clone()).or_default().show(&(*place, message.clone()));
        }
        views.entry(room.clone()).or_default().reach(record, offset);
        self.shown.entry(life).or_default().insert(message);
    }

    /// What a client is entitled to has changed.
    fn look_again(&mut self, record: &Record) {
        let Some(process) = self.lives.get_mut(&record.host) else { return };
        *process = record.process;
        let life = (record.host.clone(), record.process);
        let (views, shown) = (self.views.entry(life.clone()).or_default(), self.shown.get(&life));
        if let Kind::Joined { room, since: Some(_), .. } = &record.kind {
            views.entry(room.clone()).or_default().rewind();
        }
        for (room, (offset, message)) in self.ledger.iter() {
            let view = views.entry(room.clone()).or_default();
            let is_shown = shown.is_some_and(|shown| shown.contains(message));
            let place = (*offset, message.clone());
            if !is_shown && self.rooms.owes(&record.host, record.process, room, *offset) {
                view.entitle(record, message, *offset);
            } else if !is_shown && self.rooms.entitles(&record.host, record.process, room, *offset) {
                view.give_up(&place);
            } else {
                view.show(&place);
            }
        }
    }
}

impl Checker for Skip {
    fn anomaly(&self) -> Anomaly {
        Anomaly::Skip
    }

    fn observe(&mut self, record: &Record) {
        self.rooms.observe(record);
        if let Kind::Committed { id, room, offset, .. } = &record.kind {
            self.on_committed(record, &Message::seen(id.as_ref(), *offset), room, *offset);
        } else if let Kind::Delivered { id, room, offset, .. } = &record.kind {
            self.on_delivered(record, Message::seen(id.as_ref(), *offset), room, *offset);
        } else if let Kind::Started | Kind::Joined { .. } | Kind::Left { .. } = &record.kind {
            self.look_again(record);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        let by_another = |client: &Name, message: &Message| {
            self.shown.iter().any(|((name, _), shown)| name == client && shown.contains(message))
        };
        let skipped = self.views.iter().flat_map(|((client, _), views)| {
            views.values().flat_map(move |view| view.skipped.iter()).map(move |skipped| (client, skipped))
        });
        let first = skipped
            .filter(|(client, ((_, message), _))| by_another(client, message))
            .min_by_key(|(_, (_, (step, _)))| *step);
        let found = first.map(|(client, ((offset, message), (step, by)))| Violation {
            anomaly: Anomaly::Skip,
            says: format!(
                "{client} passed over {message} at offset {offset}, which only another life of it was shown"
            ),
            step: *step,
            witness: vec![by.clone()],
        });
        verdict(found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
