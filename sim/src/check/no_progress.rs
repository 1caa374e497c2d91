//! *Promise:* once the world is well again, everything owed happens within the time to settle.
//!
//! *Checked:* the run ended because nothing was owed any more. Where it ended with something owed, the violation
//! says who waits for what; why they wait is in the wait chain of the run's ending.
//!
//! *Not checked, because:* what may legally be lost, because nobody owes it; what will never come: where every debt is a message that is *lost* (see `lost`), that is its
//! name, and naming it twice would hide which of the two it is.

use std::collections::BTreeMap;

use super::lost::Lost;
use super::message::Message;
use super::owed::Owed;
use super::{Anomaly, Checker, Ending, Finding, Violation, WITNESS_MAX, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// Looks for [`Anomaly::NoProgress`].
pub(super) struct NoProgress {
    owed: Owed,
    lost: Lost,
    /// The record with which each message came up.
    arisen: BTreeMap<Message, Record>,
    last_step: u64,
}

impl NoProgress {
    pub(super) fn new(plan: &Plan) -> Self {
        Self { owed: Owed::new(plan), lost: Lost::new(plan), arisen: BTreeMap::new(), last_step: 0 }
    }

    fn is_all_lost(&self, ending: &Ending) -> bool {
        let lost = self.lost.losses(ending).iter().filter(|loss| loss.in_scope).count();
        lost > 0 && lost == self.owed.open()
    }

    /// What was waited for in vain may legally be lost.
    fn is_nobodys_debt(&self) -> bool {
        self.owed.open() == 0 && self.owed.awaited() > 0
    }

    fn violation(&self, wait_chain: &[String]) -> Violation {
        let mut witness: Vec<Record> =
            self.owed.messages().filter_map(|message| self.arisen.get(&message)).cloned().collect();
        witness.sort_by_key(|record| record.step);
        witness.dedup();
        witness.truncate(WITNESS_MAX);
        let owed = self.owed.describe();
        let waits = if owed.is_empty() { wait_chain } else { &owed };
        Violation {
            anomaly: Anomaly::NoProgress,
            says: format!("still owed when the time to settle was over: {}", waits.join("; ")),
            step: self.last_step,
            witness,
        }
    }
}

impl Checker for NoProgress {
    fn anomaly(&self) -> Anomaly {
        Anomaly::NoProgress
    }

    fn observe(&mut self, record: &Record) {
        self.owed.observe(record);
        self.lost.observe(record);
        self.last_step = record.step;
        let message = if let Kind::Sent { id, .. } = &record.kind {
            Message::Id(id.clone())
        } else if let Kind::Committed { id, offset, .. } = &record.kind {
            Message::seen(id.as_ref(), *offset)
        } else {
            return;
        };
        self.arisen.entry(message).or_insert_with(|| record.clone());
    }

    fn finish(self: Box<Self>, ending: &Ending) -> Finding {
        let found = match ending {
            Ending::Settled => None,
            Ending::Unsettled { .. } if self.is_all_lost(ending) || self.is_nobodys_debt() => None,
            Ending::Unsettled { wait_chain } => Some(self.violation(wait_chain)),
        };
        verdict(found, self.owed.incurred()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
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
        plan.faults = vec![Fault { at: Span(seconds(1)), until: Some(Span(seconds(2))), what }];
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
