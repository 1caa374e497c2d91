//! *Promise:* a run puts the other promises to the test.
//!
//! *Checked:* every client that the plan connects was connected at some time; and where the plan has users say something,
//! at least one message was acknowledged, one committed and one shown.
//!
//! *Not checked, because:* whether the faults touched traffic, because one seed of a scenario may miss it; who runs all of
//! them judges that.

use std::collections::BTreeSet;

use super::{Anomaly, Checker, Ending, Verdict, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Act, Name, Plan};

/// Looks for [`Anomaly::VacuousRun`].
pub(super) struct VacuousRun {
    /// The clients that have not been connected yet.
    unconnected: BTreeSet<Name>,
    says: bool,
    acknowledged: u64,
    committed: u64,
    delivered: u64,
    examined: u64,
    last_step: u64,
}

impl VacuousRun {
    pub(super) fn new(plan: &Plan) -> Self {
        // Who has no op about it connects by itself.
        let connects = |client: &Name| {
            let mut acts = plan.ops.iter().filter(|op| op.who == *client).map(|op| &op.act).peekable();
            let is_told = acts.clone().any(|act| matches!(act, Act::Connect | Act::Disconnect));
            !is_told || acts.any(|act| *act == Act::Connect)
        };
        let unconnected: BTreeSet<Name> =
            plan.clients.keys().filter(|name| connects(name)).cloned().collect();
        let says = plan.ops.iter().any(|op| matches!(op.act, Act::Say(_)));
        let examined = unconnected.len() as u64 + if says { 3 } else { 0 };
        Self { unconnected, says, acknowledged: 0, committed: 0, delivered: 0, examined, last_step: 0 }
    }

    /// What did not happen, if anything.
    fn lack(&self) -> Option<String> {
        if let Some(client) = self.unconnected.first() {
            return Some(format!("{client} was never connected"));
        }
        if !self.says {
            return None;
        }
        let counts =
            [("committed", self.committed), ("acknowledged", self.acknowledged), ("shown", self.delivered)];
        let (what, _) = counts.into_iter().find(|(_, count)| *count == 0)?;
        Some(format!("the plan has users say something, but nothing was {what}"))
    }
}

impl Checker for VacuousRun {
    fn anomaly(&self) -> Anomaly {
        Anomaly::VacuousRun
    }

    fn observe(&mut self, record: &Record) {
        self.last_step = record.step;
        match &record.kind {
            Kind::Connected => {
                self.unconnected.remove(&record.host);
            }
            Kind::Acknowledged { .. } => self.acknowledged += 1,
            Kind::Committed { .. } => self.committed += 1,
            Kind::Delivered { .. } => self.delivered += 1,
            Kind::Sent { .. }
            | Kind::Failed { .. }
            | Kind::Trouble { .. }
            | Kind::Suppressed { .. }
            | Kind::Disconnected { .. }
            | Kind::Did { .. }
            | Kind::Started
            | Kind::Exited { .. }
            | Kind::FaultBegan { .. }
            | Kind::FaultEnded { .. }
            | Kind::SendFailed { .. }
            | Kind::Asked { .. }
            | Kind::Joined { .. }
            | Kind::Left { .. }
            | Kind::Emitted { .. }
            | Kind::Arrived { .. }
            | Kind::Relayed { .. }
            | Kind::Heard { .. }
            | Kind::Answered { .. }
            | Kind::Touched { .. } => {}
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Verdict {
        let found = self.lack().map(|says| Violation {
            anomaly: Anomaly::VacuousRun,
            says,
            step: self.last_step,
            witness: Vec::new(),
        });
        verdict(found, self.examined)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, plan};

    #[test]
    fn a_run_in_which_nothing_was_said_is_vacuous() {
        let violation = broken(Anomaly::VacuousRun, Planted::new(), &Ending::Settled);
        assert_eq!(violation.says, "the plan has users say something, but nothing was committed");
    }

    #[test]
    fn a_client_that_never_connected_is_vacuous() {
        let planted = Planted::unconnected().connect(ALICE).say(ALICE).commit("alice-1", 1);
        let planted = planted.ack(ALICE, "alice-1", 1).show(ALICE, "alice-1", 1).show(BOB, "alice-1", 1);
        let violation = broken(Anomaly::VacuousRun, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob was never connected");
    }

    #[test]
    fn where_users_are_to_say_nothing_silence_is_no_lack() {
        let mut plan = plan();
        plan.ops.retain(|op| !matches!(op.act, Act::Say(_)));
        let mut checker = VacuousRun::new(&plan);
        Planted::new().finish().records.iter().for_each(|record| checker.observe(record));
        assert_eq!(Box::new(checker).finish(&Ending::Settled), Verdict::Held { examined: 2 });
    }

    #[test]
    fn a_run_in_which_messages_came_and_went_is_held() {
        held(Anomaly::VacuousRun, Planted::good());
    }
}
