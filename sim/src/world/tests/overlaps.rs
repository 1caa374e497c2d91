//! Faults that overlap: whatever begins and ends in whatever order, a thing is well again when the last of them ends.

use proptest::prelude::*;

use super::*;
use crate::history::Kind;

/// What keeps Alice's process from running, each from a time on and for so long, in tenths of a second.
fn ends_of_alice() -> impl Strategy<Value = Vec<(u64, u64, FaultAct)>> {
    let kinds = vec![
        FaultAct::Kill("alice".into()),
        FaultAct::PowerOff("alice".into()),
        FaultAct::Reload("alice".into()),
        FaultAct::Shutdown("alice".into()),
    ];
    let one = (1..40_u64, 1..20_u64, prop::sample::select(kinds));
    prop::collection::vec(one, 1..6)
}

fn tenths(tenths: u64) -> Duration {
    Duration::from_millis(tenths * 100)
}

/// From when to when Alice's process was there, by what the history says.
fn lives(outcome: &Outcome) -> Vec<(Duration, Duration)> {
    let mut lives: Vec<(Duration, Duration)> = Vec::new();
    for record in outcome.history.records.iter().filter(|record| &*record.host == "alice") {
        if record.kind == Kind::Started {
            lives.push((record.at, Duration::MAX));
        }
        if let (Kind::Exited { .. }, Some(life)) = (&record.kind, lives.last_mut()) {
            life.1 = record.at;
        }
    }
    lives
}

/// A client that stops at once when it is asked to.
struct Obedient;

impl App for Obedient {
    fn server(&self, _machine: Machine, _plan: &Plan, _stop: watch::Receiver<bool>) -> BoxFuture<()> {
        Box::pin(std::future::pending())
    }

    fn client(
        &self,
        _machine: Machine,
        _plan: &Plan,
        mut ops: mpsc::UnboundedReceiver<Act>,
    ) -> BoxFuture<()> {
        Box::pin(async move { while ops.recv().await.is_some() {} })
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn a_process_runs_whenever_no_fault_keeps_it_down(
        faults in ends_of_alice(),
        backend in prop::sample::select(vec![Backend::Turmoil, Backend::Event]),
    ) {
        let mut planned: Vec<Fault> = faults
            .iter()
            .map(|(at, lasts, what)| Fault {
                at: tenths(*at).into(),
                lasts: Some(Span(tenths(*lasts))),
                what: what.clone(),
            })
            .collect();
        planned.sort_by_key(|fault| fault.at.soonest());

        let outcome = run(&plan(backend, "7s", planned), &Obedient, &RunOptions::default());

        let lives = lives(&outcome);
        for tenth in 1..65 {
            // Between two tenths, where nothing happens.
            let moment = tenths(tenth) + Duration::from_millis(50);
            let down = faults.iter().any(|(at, lasts, _)| tenths(*at) <= moment && moment < tenths(at + lasts));
            let runs = lives.iter().any(|(from, to)| *from <= moment && moment < *to);
            prop_assert_eq!(runs, !down, "at {:?}: {:?}, {:?}", moment, lives, outcome.panics);
        }
    }
}
