//! What processes take for the time when their clocks are wrong.

use std::time::SystemTime;

use super::*;
use crate::history::Kind;
use crate::plan::{ClockJump, ClockSkew};
use crate::units::NumberRange;

fn skew(name: &str, percent: u64) -> FaultAct {
    let percent = NumberRange { low: percent, high: percent };
    FaultAct::ClockSkew(ClockSkew { of: name.into(), percent })
}

fn jump(name: &str, by: &str, back: bool) -> FaultAct {
    FaultAct::ClockJump(ClockJump { of: name.into(), by: by.parse().expect("a range"), back })
}

/// Wakes at the given milliseconds of its own clock. What its clock shows is noted; the truth is in the history.
fn sleeper(
    notes: &Notes,
    wakes_at: &'static [u64],
) -> impl Fn(Machine) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine| {
        let notes = notes.clone();
        Box::pin(async move {
            for ms in wakes_at {
                at(&machine, *ms).await;
                notes.note(&machine, "woke");
                machine.record(0, Kind::Did { act: "wake" });
            }
        })
    }
}

/// When it was done, in milliseconds.
fn woke(outcome: &Outcome) -> Vec<u128> {
    let woke = outcome.history.records.iter().filter(|record| record.kind == Kind::Did { act: "wake" });
    woke.map(|record| record.at.as_millis()).collect()
}

fn a_fast_clock_is_early_and_what_it_gained_stays_gained(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "8s", vec![fault("1s", "6s", skew("alice", 102))]);

    let outcome = play(&plan, echo(&notes), sleeper(&notes, &[500, 5000, 7000]));

    assert_eq!(notes.of("alice"), ["0.500s woke", "5.000s woke", "7.000s woke"]);
    // 1 s, and 4 s / 1.02. At 6 s it shows 6.1 s.
    assert_eq!(woke(&outcome), [500, 4922, 6900]);
    assert_eq!(outcome.touched, BTreeMap::from([(0, 1)]));
}

fn a_slow_clock_is_late(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "8s", vec![fault("1s", "6s", skew("alice", 98))]);

    let outcome = play(&plan, echo(&notes), sleeper(&notes, &[500, 4920, 7000]));

    // 1 s, and 3.92 s / 0.98. At 6 s it shows 5.9 s.
    assert_eq!(woke(&outcome), [500, 5000, 7100]);
}

fn who_sleeps_as_the_pace_changes_wakes_by_the_clock_all_the_same(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![fault("1s", "2s", skew("alice", 98)), fault("3s", "4s", skew("alice", 101))];
    let plan = plan(backend, "8s", faults);

    let outcome = play(&plan, echo(&notes), sleeper(&notes, &[7000]));

    // 20 ms lost and 10 ms gained.
    assert_eq!(woke(&outcome), [7010]);
}

fn clocks_outlive_the_processes_and_are_no_business_of_other_machines(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![fault("1s", "6s", skew("alice", 102)), fault("2s", "3s", kill("alice"))];
    let server = notes.clone();

    let outcome = play(
        &plan(backend, "8s", faults),
        move |machine, _stop| {
            let notes = server.clone();
            async move {
                at(&machine, 5000).await;
                notes.note(&machine, "woke");
            }
        },
        sleeper(&notes, &[6100]),
    );

    assert_eq!(notes.of("alice"), ["6.100s woke"]);
    assert_eq!(woke(&outcome), [6000]);
    assert_eq!(notes.of("server"), ["5.000s woke"]);
}

/// Notes the date, by its clock and by the operating system's, at each second and a half.
#[expect(clippy::disallowed_methods, reason = "the subject is what these give")]
async fn dates(machine: Machine, notes: Notes) {
    let start = std::time::Instant::now();
    for n in 0..3 {
        at(&machine, 500 + n * 1000).await;
        let seconds = |date: SystemTime| {
            let since = date.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
            since.as_secs_f64() - 1_767_225_600.0
        };
        let dates = [machine.env.clock.wall(), SystemTime::now()].map(seconds);
        notes.note(&machine, format!("{:.1} {:.1} {:.1?}", dates[0], dates[1], start.elapsed()));
    }
}

fn a_date_leaps_and_no_timer_does(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "8s", vec![fault("1s", "2s", jump("alice", "1h", true))]);

    let outcome = play(&plan, echo(&notes), noting(&notes, dates));

    let dates = ["0.500s 0.5 0.5 500.0ms", "1.500s -3598.5 -3598.5 1.5s", "2.500s 2.5 2.5 2.5s"];
    assert_eq!(notes.of("alice"), dates);
    assert_eq!(outcome.touched, BTreeMap::from([(0, 2)]));
}

fn leaps_add_up_and_one_without_an_end_stays(backend: Backend) {
    let notes = Notes::default();
    let faults =
        vec![instant("1s", jump("alice", "10s", false)), fault("1s", "2s", jump("alice", "4s", true))];

    play(&plan(backend, "8s", faults), echo(&notes), noting(&notes, dates));

    let dates = ["0.500s 0.5 0.5 500.0ms", "1.500s 7.5 7.5 1.5s", "2.500s 12.5 12.5 2.5s"];
    assert_eq!(notes.of("alice"), dates);
}

on_both_backends! {
    a_fast_clock_is_early_and_what_it_gained_stays_gained,
    a_slow_clock_is_late,
    who_sleeps_as_the_pace_changes_wakes_by_the_clock_all_the_same,
    clocks_outlive_the_processes_and_are_no_business_of_other_machines,
    a_date_leaps_and_no_timer_does,
    leaps_add_up_and_one_without_an_end_stays,
}
