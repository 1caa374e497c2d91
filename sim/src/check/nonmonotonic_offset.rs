//! *Promise:* on one connection, the messages of a room come in the order of the log.
//!
//! *Checked:* within one connection of a client and one room, each offset that this life has not been shown yet is higher
//! than all that the connection has brought. Who joins a room from an earlier offset on begins anew.
//!
//! *Not checked, because:* what is shown again, because that is a duplicate; steps back from one connection to the next,
//! because those are `total_order`'s.

use std::collections::BTreeMap;

use squall::store::LogOffset;

use super::ordered::Ordered;
use super::roll::{Entry, Room};
use super::table::{Lives, Table};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};

/// Looks for [`Anomaly::NonmonotonicOffset`].
#[derive(Default)]
pub(super) struct NonmonotonicOffset<'r> {
    lives: Lives<Table<Room, View<'r>>>,
    examined: u64,
    found: Option<Violation>,
}

/// What one life of a client was shown of a room.
#[derive(Default)]
struct View<'r> {
    seen: Ordered<LogOffset>,
    /// The highest that each connection has brought.
    highest: BTreeMap<u32, (LogOffset, &'r Record)>,
}

impl<'r> Checker<'r> for NonmonotonicOffset<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::NonmonotonicOffset
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Delivered { offset, .. } = &entry.kind {
            self.examined += 1;
            let view = self.lives.entry(entry.life()).entry(entry.room);
            if let Some(back) = view.sees(entry.record, *offset) {
                self.found.get_or_insert(back);
            }
        } else if let Kind::Joined { since: Some(_), .. } = &entry.kind {
            self.lives.entry(entry.life()).remove(entry.room);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl<'r> View<'r> {
    fn sees(&mut self, record: &'r Record, offset: LogOffset) -> Option<Violation> {
        if !self.seen.insert(offset) {
            return None;
        }
        let (highest, evidence) = self.highest.entry(record.session).or_insert((offset, record));
        if *highest <= offset {
            (*highest, *evidence) = (offset, record);
            return None;
        }
        Some(Violation {
            anomaly: Anomaly::NonmonotonicOffset,
            says: format!("{} {} after it {}, on one connection", record.host, record.kind, evidence.kind),
            step: record.step,
            witness: vec![Record::clone(evidence), record.clone()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    #[test]
    fn a_step_back_on_one_connection_is_found() {
        let planted = Planted::new().say(ALICE).say(BOB).commit("alice-1", 1).commit("bob-1", 2);
        let planted = planted.ack(ALICE, "alice-1", 1).ack(BOB, "bob-1", 2);
        let planted = planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2);

        let planted = planted.show(BOB, "bob-1", 2).show(BOB, "alice-1", 1);
        let violation = broken(Anomaly::NonmonotonicOffset, planted, &Ending::Settled);

        assert_eq!(
            violation.says,
            "bob delivered alice-1 at 1 of general after it delivered bob-1 at 2 of general, on one connection"
        );
    }

    #[test]
    fn who_joins_from_an_earlier_offset_begins_anew() {
        let planted = Planted::good().join_since(BOB, "general", 3, 0).show(BOB, "alice-1", 1);
        held(Anomaly::NonmonotonicOffset, planted);
    }
}
