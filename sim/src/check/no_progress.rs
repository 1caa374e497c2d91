//! *Promise:* once the world is well again, everything owed happens within the time to settle.
//!
//! *Checked:* the run ended because nothing was owed any more. Where it ended with something owed, the violation
//! says who waits for what; why they wait is in the wait chain of the run's ending.
//!
//! *Not checked, because:* what may legally be lost, because nobody owes it; what will never come: where every debt is a message that is *lost* (see `lost`), that is its
//! name, and naming it twice would hide which of the two it is.

use std::collections::BTreeSet;

use super::debts::Debts;
use super::lost::Lost;
use super::roll::{Entry, Message, Roll};
use super::{Anomaly, Checker, Ending, Finding, Run, Violation, WITNESS_MAX, verdict};
use crate::history::Kind;
use crate::plan::Plan;

/// Looks for [`Anomaly::NoProgress`].
pub(super) struct NoProgress<'r> {
    debts: Debts,
    /// Is shown the run only where that did not settle.
    lost: Lost<'r>,
}

impl<'r> NoProgress<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self { debts: Debts::new(plan, roll), lost: Lost::new(plan, roll) }
    }

    fn is_all_lost(&mut self, run: &Run<'r>) -> bool {
        run.entries.iter().for_each(|entry| self.lost.observe(entry));
        let lost = self.lost.losses(run.ending).iter().filter(|loss| loss.in_scope).count();
        lost > 0 && lost == self.debts.open()
    }

    /// What was waited for in vain may legally be lost.
    fn is_nobodys_debt(&self) -> bool {
        self.debts.open() == 0 && self.debts.awaited() > 0
    }

    fn violation(&self, run: &Run<'r>, wait_chain: &[String]) -> Violation {
        let mut waiting: BTreeSet<Message> = self.debts.messages().collect();
        let is_of_message =
            |entry: &&Entry<'_>| matches!(entry.kind, Kind::Sent { .. } | Kind::Committed { .. });
        let arisen = run.entries.iter().filter(is_of_message).filter(|entry| waiting.remove(&entry.message));
        let witness = arisen.map(|entry| entry.record).take(WITNESS_MAX).cloned().collect();
        let owed = self.debts.describe(run.roll);
        let waits = if owed.is_empty() { wait_chain } else { &owed };
        Violation {
            anomaly: Anomaly::NoProgress,
            says: format!("still owed when the time to settle was over: {}", waits.join("; ")),
            step: run.last_step(),
            witness,
        }
    }
}

impl<'r> Checker<'r> for NoProgress<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::NoProgress
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.debts.observe(entry);
    }

    fn finish(mut self: Box<Self>, run: &Run<'r>) -> Finding {
        let found = match run.ending {
            Ending::Settled => None,
            Ending::Unsettled { .. } if self.is_all_lost(run) || self.is_nobodys_debt() => None,
            Ending::Unsettled { wait_chain } => Some(self.violation(run, wait_chain)),
        };
        verdict(found, self.debts.incurred()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::owed::Owed;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, plan, seconds, unsettled};
    use crate::check::{Verdict, judge};
    use crate::plan::{Fault, FaultAct, Pair, SERVER};
    use crate::units::Span;

    #[test]
    fn a_message_that_is_never_acknowledged_is_no_progress() {
        let violation = broken(Anomaly::NoProgress, Planted::good().say(BOB), &unsettled());
        assert_eq!(
            violation.says,
            "still owed when the time to settle was over: bob: 1 message not acknowledged: bob-2"
        );
        assert_eq!(violation.witness.len(), 1);
    }

    #[test]
    fn a_run_that_did_not_settle_for_another_reason_gives_that() {
        let violation = broken(Anomaly::NoProgress, Planted::good(), &unsettled());
        assert!(violation.says.ends_with("over: bob waits for the server"), "{}", violation.says);
    }

    #[test]
    fn what_is_lost_does_not_hide_who_waits() {
        let planted = Planted::good().say(ALICE).commit("alice-3", 4).ack(ALICE, "alice-3", 4).say(BOB);
        let verdicts = planted.show(ALICE, "alice-3", 4).judged(&unsettled()).verdicts;
        let broken: Vec<Anomaly> = verdicts
            .iter()
            .filter(|(_, verdict)| matches!(verdict, Verdict::Broken(_)))
            .map(|(anomaly, _)| *anomaly)
            .collect();
        assert_eq!(broken, [Anomaly::Lost, Anomaly::NoProgress]);
    }

    /// Alice's network is broken for good, and the world heals for Bob.
    fn alice_is_left() -> Plan {
        let mut plan = plan();
        let between = [ALICE.into(), SERVER.into()];
        let what = FaultAct::Partition(Pair { between });
        plan.faults = vec![Fault { at: seconds(1).into(), lasts: Some(Span(seconds(1))), what }];
        plan.core = Some([BOB.into()].into());
        plan
    }

    fn no_progress(plan: &Plan, planted: Planted) -> Verdict {
        let verdicts = judge(plan, &planted.finish(), &unsettled()).verdicts;
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::NoProgress).expect("it applies").1
    }

    #[test]
    fn who_is_left_broken_is_owed_nothing_and_who_is_healed_everything() {
        let plan = alice_is_left();
        let owed = |planted: Planted| {
            let mut owed = Owed::new(&plan);
            planted.finish().records.iter().for_each(|record| owed.observe(record));
            owed.describe()
        };
        let unanswered = || Planted::good().say(ALICE);
        assert_eq!(owed(unanswered()), Vec::<String>::new(), "her message may stay in her outbox");
        let committed = || unanswered().commit("alice-3", 4);
        assert_eq!(
            owed(committed()),
            ["bob: has not been shown 1 committed message, at offset 4"],
            "what the server has of hers it owes to him, and not to her"
        );
        assert!(matches!(no_progress(&plan, committed().say(BOB)), Verdict::Broken(_)));
        let settled = committed().show(BOB, "alice-3", 4);
        assert_eq!(owed(settled), Vec::<String>::new());
    }

    #[test]
    fn a_run_that_settled_is_held() {
        held(Anomaly::NoProgress, Planted::good());
    }
}
