//! *Promise:* on one connection, the messages of a room come in the order of the log.
//!
//! *Checked:* within one connection of a client and one room, each offset that this life has not been shown yet is higher
//! than all that the connection has brought. Who joins a room from an earlier offset on begins anew.
//!
//! *Not checked, because:* what is shown again, because that is a duplicate; steps back from one connection to the next,
//! because those are `total_order`'s.

use std::collections::{BTreeMap, BTreeSet};

use squall::store::LogOffset;

use super::rooms::Life;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// Looks for [`Anomaly::NonmonotonicOffset`].
#[derive(Default)]
pub(super) struct NonmonotonicOffset {
    lives: BTreeMap<Life, BTreeMap<Name, View>>,
    examined: u64,
    found: Option<Violation>,
}

/// What one life of a client was shown of a room.
#[derive(Default)]
struct View {
    seen: BTreeSet<LogOffset>,
    /// The highest that each connection has brought.
    highest: BTreeMap<u32, (LogOffset, Record)>,
}

impl Checker for NonmonotonicOffset {
    fn anomaly(&self) -> Anomaly {
        Anomaly::NonmonotonicOffset
    }

    fn observe(&mut self, record: &Record) {
        let life = || (record.host.clone(), record.process);
        if let Kind::Delivered { room, offset, .. } = &record.kind {
            self.examined += 1;
            let view = self.lives.entry(life()).or_default().entry(room.clone()).or_default();
            let back = view.sees(record, *offset);
            self.found = self.found.take().or(back);
        } else if let Kind::Joined { room, since: Some(_), .. } = &record.kind {
            self.lives.entry(life()).or_default().remove(room);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

impl View {
    fn sees(&mut self, record: &Record, offset: LogOffset) -> Option<Violation> {
        if !self.seen.insert(offset) {
            return None;
        }
        let (highest, evidence) =
            self.highest.entry(record.session).or_insert_with(|| (offset, record.clone()));
        if *highest <= offset {
            (*highest, *evidence) = (offset, record.clone());
            return None;
        }
        Some(Violation {
            anomaly: Anomaly::NonmonotonicOffset,
            says: format!("{} {} after it {}, on one connection", record.host, record.kind, evidence.kind),
            step: record.step,
            witness: vec![evidence.clone(), record.clone()],
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
