//! Who is entitled to which part of which room's log.
//!
//! A stay in a room covers the offsets after the one at which a client joined, up to the one at which it left. The rooms
//! that the plan gives a client are covered from the start of the log, anew in each life of its process; what it joins
//! later is forgotten with the life. Disconnecting is not leaving. Who leaves does not wait for what is on its way: it may
//! still come, but nobody owes it.

use squall::store::LogOffset;

use super::roll::{Entry, Host, Life, Roll, Room};
use super::table::{Lives, Table};
use crate::history::Kind;
use crate::plan::Plan;

type Stays = Table<Room, Vec<Stay>>;

/// The stays of every client, as far as records tell.
#[derive(Debug, Clone)]
pub(super) struct Rooms {
    initial: Table<Host, Stays>,
    /// Of the lives in which someone joined or left.
    changed: Lives<Stays>,
}

/// One stay of one life of a client in one room.
#[derive(Debug, Clone)]
pub(super) struct Stay {
    /// Nothing at or before it.
    pub(super) after: LogOffset,
    /// Nothing after it.
    pub(super) until: Option<LogOffset>,
    /// The step that shows that it began; none for what the plan gives.
    pub(super) joined: Option<u64>,
    /// The step that shows that it ended.
    pub(super) left: Option<u64>,
}

impl Stay {
    /// Whether it covers an offset.
    pub(super) fn covers(&self, offset: LogOffset) -> bool {
        offset > self.after && self.until.is_none_or(|until| offset <= until)
    }
}

impl Rooms {
    /// As the plan has it.
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let from_the_start = || vec![Stay { after: LogOffset::START, until: None, joined: None, left: None }];
        let mut initial: Table<Host, Stays> = Table::default();
        for (name, client) in &plan.clients {
            let stays = client.rooms.iter().map(|room| (roll.room(room), from_the_start())).collect();
            *initial.row(roll.host(name)) = Some(stays);
        }
        Self { initial, changed: Lives::default() }
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) {
        if let Kind::Joined { offset, since, .. } = &entry.kind {
            let stays = self.of(entry.life()).entry(entry.room);
            let after = since.unwrap_or(*offset);
            // To be told again where one is already, as after a reconnection, takes nothing away.
            if !stays.iter().any(|stay| stay.until.is_none() && stay.after <= after) {
                stays.push(Stay { after, until: None, joined: Some(entry.step), left: None });
            }
        } else if let Kind::Left { offset, .. } = &entry.kind {
            let stays = self.of(entry.life()).entry(entry.room);
            for stay in stays.iter_mut().filter(|stay| stay.until.is_none()) {
                (stay.until, stay.left) = (Some(*offset), Some(entry.step));
            }
        }
    }

    fn of(&mut self, life: Life) -> &mut Stays {
        let initial = self.initial.get(life.0);
        self.changed.entry_or(life, || initial.cloned().unwrap_or_default())
    }

    /// The stays of one life in one room, the first first.
    pub(super) fn stays(&self, life: Life, room: Room) -> &[Stay] {
        let changed = self.changed.get(life);
        let stays = changed.or_else(|| self.initial.get(life.0)).and_then(|stays| stays.get(room));
        stays.map_or(&[], Vec::as_slice)
    }

    /// Whether a life of a client is owed an offset of a room: it is entitled to it, and has not left since.
    pub(super) fn owes(&self, life: Life, room: Room, offset: LogOffset) -> bool {
        let open = |stay: &&Stay| stay.until.is_none();
        self.stays(life, room).iter().filter(open).any(|stay| stay.covers(offset))
    }

    /// Whether a life of a client is entitled to an offset of a room.
    pub(super) fn entitles(&self, life: Life, room: Room, offset: LogOffset) -> bool {
        self.stays(life, room).iter().any(|stay| stay.covers(offset))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{BOB, Planted, plan};

    fn after(planted: Planted) -> (Rooms, Roll) {
        let mut roll = Roll::new(&plan());
        let mut rooms = Rooms::new(&plan(), &mut roll);
        planted.finish().records.iter().for_each(|record| rooms.observe(&roll.enter(record)));
        (rooms, roll)
    }

    fn covered((rooms, roll): &mut (Rooms, Roll), process: u32, room: &str) -> Vec<u64> {
        let (life, room) = ((roll.host(&BOB.into()), process), roll.room(&room.into()));
        (1..10).filter(|offset| rooms.entitles(life, room, LogOffset(*offset))).collect()
    }

    #[test]
    fn a_stay_covers_what_comes_after_joining_up_to_leaving() {
        let mut rooms = after(Planted::new().join(BOB, "attic", 3).leave(BOB, "attic", 5));
        assert_eq!(covered(&mut rooms, 1, "attic"), [4, 5]);
        let mut rooms = after(Planted::new().join_since(BOB, "attic", 6, 2));
        assert_eq!(covered(&mut rooms, 1, "attic"), [3, 4, 5, 6, 7, 8, 9]);
        assert!(covered(&mut rooms, 1, "cellar").is_empty());
    }

    #[test]
    fn who_has_left_is_owed_nothing() {
        let (rooms, mut roll) = after(Planted::new().join(BOB, "attic", 3).leave(BOB, "attic", 5));
        let life = (roll.host(&BOB.into()), 1);
        assert!(!rooms.owes(life, roll.room(&"attic".into()), LogOffset(4)));
        assert!(rooms.owes(life, roll.room(&"general".into()), LogOffset(4)));
    }

    #[test]
    fn who_comes_back_is_not_entitled_to_what_was_said_meanwhile() {
        let mut rooms =
            after(Planted::new().join(BOB, "attic", 1).leave(BOB, "attic", 2).join(BOB, "attic", 7));
        assert_eq!(covered(&mut rooms, 1, "attic"), [2, 8, 9]);
    }

    #[test]
    fn to_be_told_again_of_a_stay_takes_nothing_away() {
        let mut rooms = after(Planted::new().join(BOB, "attic", 1).join(BOB, "attic", 7));
        assert_eq!(covered(&mut rooms, 1, "attic"), (2..10).collect::<Vec<_>>());
    }

    #[test]
    fn a_new_life_is_in_the_rooms_of_the_plan_again_and_in_no_other() {
        let mut rooms = after(Planted::new().join(BOB, "attic", 1).leave(BOB, "general", 4).restart(BOB));
        assert_eq!(covered(&mut rooms, 1, "general"), [1, 2, 3, 4]);
        assert_eq!(covered(&mut rooms, 2, "general"), (1..10).collect::<Vec<_>>());
        assert!(covered(&mut rooms, 2, "attic").is_empty());
    }
}
