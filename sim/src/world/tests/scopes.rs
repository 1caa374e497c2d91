//! Faults of one connection: it meets them, and another between the same two does not.

use super::*;
use crate::plan::{Cut, Delay, Loss, Slow, Ways, Which};
use crate::units::NumberRange;

/// Two connections; over each it says its name at 1.5 s, and notes what it hears of it.
async fn over_two_connections(machine: Machine, notes: Notes) {
    for (made_at, name) in [(10, "aa"), (100, "bb")] {
        at(&machine, made_at).await;
        let mut stream = connected(&machine).await;
        let (clock, notes) = (machine.clone(), notes.clone());
        machine.env.spawn(async move {
            at(&clock, 1500).await;
            // Where it fails, nothing is heard.
            drop(say(&mut stream, name).await);
            loop {
                let heard = hear(&mut stream).await;
                notes.note(&clock, format!("{name}: {heard}"));
                if heard.starts_with('!') {
                    return;
                }
            }
        });
    }
    std::future::pending().await
}

/// Everything that can be about one connection.
fn faults_of(which: Which) -> Vec<Fault> {
    let connection = Some(which);
    let between = || ["alice".into(), SERVER.into()];
    let path = || Path { ways: Ways::Between(between()), connection };
    let some = || Connections { between: between(), connection };
    let lasting = |what| fault("1s", "3s", what);
    let delay = Delay { path: path(), by: "300ms".parse().expect("a range") };
    let slow = Slow { path: path(), rate: "10B/s".parse().expect("a rate") };
    let cut = Cut { path: path(), after: NumberRange { low: 1, high: 1 } };
    vec![
        lasting(FaultAct::Stall(path())),
        lasting(FaultAct::Delay(delay)),
        lasting(FaultAct::Loss(Loss { path: path(), percent: 99 })),
        lasting(FaultAct::Slow(slow)),
        instant("1s", FaultAct::Cut(cut)),
        instant("1s", FaultAct::HalfOpen(some())),
        instant("1s", FaultAct::Reset(some())),
    ]
}

fn a_fault_of_one_connection_spares_the_other(backend: Backend) {
    for (which, met, spared) in
        [(Which::Current, "bb", "aa"), (Which::Nth(1), "aa", "bb"), (Which::Nth(2), "bb", "aa")]
    {
        for fault in faults_of(which) {
            let notes = Notes::default();
            let what = fault.what.to_string();

            let outcome =
                play(&plan(backend, "6s", vec![fault]), echo(&notes), noting(&notes, over_two_connections));

            let (server, alice) = (notes.of("server"), notes.of("alice"));
            let is_there = |notes: &[String], line: &str| notes.iter().any(|note| note == line);
            assert!(is_there(&server, &format!("1.520s {spared}")), "{what}: {server:?}");
            assert!(is_there(&alice, &format!("1.540s {spared}: {spared}")), "{what}: {alice:?}");
            assert!(!is_there(&server, &format!("1.520s {met}")), "{what}: {server:?}");
            assert!(outcome.touched[&0] > 0, "{what}");
        }
    }
}

fn a_fault_of_a_connection_that_is_not_there_touches_nothing(backend: Backend) {
    for fault in faults_of(Which::Nth(3)) {
        let notes = Notes::default();
        let what = fault.what.to_string();

        let outcome =
            play(&plan(backend, "6s", vec![fault]), echo(&notes), noting(&notes, over_two_connections));

        assert_eq!((notes.of("alice").len(), outcome.touched[&0]), (2, 0), "{what}");
    }
}

fn a_fault_of_a_connection_to_come_waits_for_it_and_one_of_the_current_one_does_not(backend: Backend) {
    let heard = |which| {
        let notes = Notes::default();
        let path = Path { ways: Ways::Between(["alice".into(), SERVER.into()]), connection: Some(which) };
        // Before either connection is asked for.
        let plan = plan(backend, "6s", vec![fault("0s", "3s", FaultAct::Stall(path))]);
        play(&plan, echo(&notes), noting(&notes, over_two_connections));
        notes.of("server")
    };

    // The SYN of 0.110 is sent again at 1.110 and 3.110.
    let [first, second, ..] = &*heard(Which::Nth(2)) else { panic!("nothing was heard") };
    assert_eq!([first, second], ["0.070s accepted", "1.520s aa"]);
    assert_eq!(heard(Which::Current).len(), 4);
}

on_both_backends! {
    a_fault_of_one_connection_spares_the_other,
    a_fault_of_a_connection_that_is_not_there_touches_nothing,
    a_fault_of_a_connection_to_come_waits_for_it_and_one_of_the_current_one_does_not,
}
