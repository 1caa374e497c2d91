//! Whole plans under proptest: whatever users do and whatever breaks, nothing is lost, repeated or reordered.
//!
//! `PROPTEST_CASES=1000 cargo test --test plans` runs more than the 32 cases that CI runs.

use proptest::prelude::*;
use squall_sim::app::chat::Chat;
use squall_sim::check::Anomaly;
use squall_sim::hunt::judged;
use squall_sim::plan::{self, Plan};
use squall_sim::world::RunOptions;

/// A random plan, and which of its steps to leave out: shrinking leaves out more.
fn plans() -> impl Strategy<Value = Plan> {
    let keep = || proptest::collection::vec(prop::bool::weighted(0.97), 64);
    (any::<u64>(), keep(), keep()).prop_map(|(seed, ops, faults)| {
        let mut plan = plan::random(seed);
        for index in (0..plan.ops.len()).rev().filter(|index| !ops[index % ops.len()]) {
            plan = plan.without_op(index).unwrap_or(plan);
        }
        for index in (0..plan.faults.len()).rev().filter(|index| !faults[index % faults.len()]) {
            plan = plan.without_fault(index).unwrap_or(plan);
        }
        plan
    })
}

fn cases() -> u32 {
    std::env::var("PROPTEST_CASES").ok().and_then(|cases| cases.parse().ok()).unwrap_or(32)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn no_plan_breaks_a_promise(plan in plans()) {
        let yaml = plan.to_yaml();
        let run = judged(plan, &Chat::default(), &RunOptions::default());
        prop_assert_eq!(run.harness_failure(), None, "{}", yaml);
        // Where a fault may have all that is said, nothing may be proven; but no promise is broken.
        let broken = run.judgement.violation().filter(|broken| broken.anomaly != Anomaly::VacuousRun);
        prop_assert!(broken.is_none(), "{:?}\n{}", broken, yaml);
    }
}
