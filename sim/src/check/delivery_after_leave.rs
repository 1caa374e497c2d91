//! *Promise:* who has left a room is not shown what is said there afterwards.
//!
//! *Checked:* a message that is shown to someone who has left its room is at or before the offset at which it left; what
//! was on its way then may arrive. The offset decides and not the time, so that a race is no false alarm.
//!
//! *Not checked, because:* what is said between leaving and joining again and is shown after joining, because that is
//! `pre_join_leak`'s.

use super::roll::{Entry, Roll};
use super::strays::{Strays, Why};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::plan::Plan;

/// Looks for [`Anomaly::DeliveryAfterLeave`].
pub(super) struct DeliveryAfterLeave<'r> {
    strays: Strays<'r>,
}

impl DeliveryAfterLeave<'_> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self { strays: Strays::new(plan, roll) }
    }
}

impl<'r> Checker<'r> for DeliveryAfterLeave<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::DeliveryAfterLeave
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.strays.observe(entry);
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let found = self.strays.first(Why::Left, run).map(|(record, witness)| Violation {
            anomaly: Anomaly::DeliveryAfterLeave,
            says: format!("{} {}, which it had left before", record.host, record.kind),
            step: record.step,
            witness,
        });
        verdict(found, self.strays.examined()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    /// Bob leaves, and Alice speaks once more.
    fn left() -> Planted {
        let planted = Planted::good().leave(BOB, "general", 3).say(ALICE).commit("alice-3", 4);
        planted.ack(ALICE, "alice-3", 4).show(ALICE, "alice-3", 4)
    }

    #[test]
    fn what_was_said_after_leaving_is_not_shown() {
        held(Anomaly::DeliveryAfterLeave, left());
        let violation = broken(Anomaly::DeliveryAfterLeave, left().show(BOB, "alice-3", 4), &Ending::Settled);
        assert_eq!(violation.says, "bob delivered alice-3 at 4 of general, which it had left before");
        assert_eq!(violation.witness.len(), 2);
    }

    #[test]
    fn what_was_on_its_way_when_its_reader_left_may_arrive() {
        let planted = Planted::good().say(ALICE).commit("alice-3", 4).ack(ALICE, "alice-3", 4);
        let planted = planted.show(ALICE, "alice-3", 4).leave(BOB, "general", 4).show(BOB, "alice-3", 4);
        held(Anomaly::DeliveryAfterLeave, planted);
    }
}
