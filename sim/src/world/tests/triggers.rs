//! Faults that begin with something that happens: at once, in the midst of it, and for as long as they say from then on.

use rusqlite::{Connection, OpenFlags};

use super::faults::talker;
use super::*;
use crate::history::{Kind, Record};
use crate::plan::{ByteTrigger, DiskOpTrigger, EventTrigger, Trigger};
use crate::units::{NumberRange, SpanRange};

fn exactly(number: u64) -> NumberRange {
    NumberRange { low: number, high: number }
}

fn with(event: EventTrigger, lasts: Option<&str>, what: FaultAct) -> Fault {
    Fault { at: Trigger::Event(event), lasts: lasts.map(span), what }
}

fn byte(n: u64, path: Path) -> EventTrigger {
    EventTrigger::Byte(ByteTrigger { path, nth: exactly(n), since: SpanRange::default() })
}

fn operation(n: u64, since: &str) -> EventTrigger {
    let since = since.parse().expect("a range");
    EventTrigger::DiskOp(DiskOpTrigger { of: "alice".into(), nth: exactly(n), since })
}

/// When faults began and ended, by their places, in milliseconds.
fn spans(outcome: &Outcome) -> Vec<(u128, usize, bool)> {
    let mut spans = Vec::new();
    for record in &outcome.history.records {
        if let Kind::FaultBegan { fault, .. } = &record.kind {
            spans.push((record.at.as_millis(), *fault, true));
        }
        if let Kind::FaultEnded { fault } = &record.kind {
            spans.push((record.at.as_millis(), *fault, false));
        }
    }
    spans
}

fn a_stall_behind_a_byte_lets_that_byte_through_and_holds_the_next_for_its_length(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![with(byte(5, up()), Some("2s"), stall())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500]));

    // `two` leaves at 1.510, all but its last byte, which is sent again 200 ms, 600 ms, 1.4 s and 3 s later.
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "1.520s tw", "4.520s o"]);
    assert_eq!(spans(&outcome), [(1510, 0, true), (3510, 0, false)]);
    assert!(outcome.touched[&0] > 0);
}

fn a_reset_behind_a_byte_of_either_way_takes_what_is_on_its_way(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![with(byte(8, both()), None, reset())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500]));

    // Three bytes and their echo, and two of the next three, which leave at 1.510. Where hosts live through a tick one after
    // the other, the server's has done so by then.
    let at_the_server = match backend {
        Backend::Turmoil => "1.520s !ConnectionReset",
        Backend::Event => "1.510s !ConnectionReset",
    };
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", at_the_server]);
    assert_eq!(notes.of("alice"), ["0.540s one", "1.510s !ConnectionReset"]);
    assert_eq!((outcome.touched[&0], spans(&outcome).len()), (1, 2));
}

/// Says in one breath what it does, and on the way writes it down: two records, and two words.
async fn in_one_breath(machine: Machine) {
    at(&machine, 10).await;
    let mut stream = connected(&machine).await;
    at(&machine, 1000).await;
    for what in ["one", "two"] {
        machine.record(0, Kind::Trouble { what: what.to_owned() });
        // There is room for it: this does not wait.
        drop(stream.write_all(what.as_bytes()).await);
    }
    std::future::pending().await
}

fn who_dies_of_its_own_record_does_nothing_more_not_even_in_that_poll(backend: Backend) {
    let notes = Notes::default();
    // The server's and Alice's start come before.
    let plan = plan(backend, "6s", vec![with(EventTrigger::Step(exactly(2)), Some("2s"), kill("alice"))]);

    let outcome = play(&plan, echo(&notes), in_one_breath);

    assert_eq!(notes.of("server")[..2], ["0.070s accepted", "1.020s !EOF"]);
    let alice = outcome.history.records.iter().filter(|record| &*record.host == "alice");
    let alice: Vec<_> = alice.map(|record| (record.process, &record.kind)).take(4).collect();
    let (one, killed) = (Kind::Trouble { what: "one".to_owned() }, Kind::Exited { how: "killed".to_owned() });
    assert_eq!(alice, [(1, &Kind::Started), (1, &one), (1, &killed), (2, &Kind::Started)]);
    assert_eq!(spans(&outcome), [(1000, 0, true), (3000, 0, false)]);
}

fn a_fault_that_waits_for_what_never_happens_never_begins(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![
        with(byte(5000, up()), Some("2s"), stall()),
        with(EventTrigger::Step(exactly(5000)), None, reset()),
        with(operation(5000, "1s"), Some("2s"), kill(SERVER)),
    ];

    let outcome = play(&plan(backend, "6s", faults), echo(&notes), talker(&notes, &[500, 1500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "1.520s two"]);
    assert_eq!(outcome.touched, BTreeMap::from([(0, 0), (1, 0), (2, 0)]));
    assert_eq!(spans(&outcome), []);
}

fn what_still_waits_when_the_world_heals_never_begins(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![with(byte(3, up()), Some("300ms"), stall()), with(byte(4, up()), Some("2s"), stall())];
    let plan = Plan { heals: Some(span("1s")), ..plan(backend, "6s", faults) };

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "1.520s two"]);
    assert_eq!(spans(&outcome), [(510, 0, true), (810, 0, false)]);
    let disarmed = outcome.history.records.iter().filter_map(|record| {
        if let Kind::FaultDisarmed { fault, .. } = &record.kind { Some((record.at, *fault)) } else { None }
    });
    assert_eq!(disarmed.collect::<Vec<_>>(), [(Duration::from_secs(1), 1)]);
}

fn that_something_does_not_begin_any_more_is_a_record_with_which_nothing_begins(backend: Backend) {
    let notes = Notes::default();
    // The server's and Alice's start come before.
    let faults = [2, 3].map(|n| with(EventTrigger::Step(exactly(n)), None, reset()));
    let plan = Plan { heals: Some(span("1s")), ..plan(backend, "6s", faults.into()) };

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500]));

    let disarmed = |record: &&Record| matches!(record.kind, Kind::FaultDisarmed { .. });
    let steps = outcome.history.records.iter().filter(disarmed).map(|record| record.step);
    assert_eq!(steps.collect::<Vec<_>>(), [2, 3]);
    assert_eq!(spans(&outcome), []);
}

fn a_page_that_is_loaded_again_within_a_tick_is_back_at_the_next(backend: Backend) {
    let notes = Notes::default();
    let reload = FaultAct::Reload("alice".into());
    let plan = plan(backend, "6s", vec![with(EventTrigger::Step(exactly(2)), None, reload)]);

    let outcome = play(&plan, echo(&notes), in_one_breath);

    let lives = outcome.history.records.iter().filter(|record| record.kind == Kind::Started);
    let lives: Vec<_> = lives.map(|record| (record.at.as_millis(), &*record.host, record.process)).collect();
    assert_eq!(lives, [(0, SERVER, 1), (0, "alice", 1), (1010, "alice", 2)]);
    assert_eq!(spans(&outcome), [(1000, 0, true), (1010, 0, false)]);
}

fn what_begins_within_a_tick_ends_at_one(backend: Backend) {
    let notes = Notes::default();
    let what = kill("alice");
    let plan = plan(backend, "6s", vec![with(EventTrigger::Step(exactly(2)), Some("1995ms"), what)]);

    let outcome = play(&plan, echo(&notes), in_one_breath);

    assert_eq!(spans(&outcome), [(1000, 0, true), (3000, 0, false)]);
}

/// Adds a line every second, and notes how that went.
async fn chronicler(machine: Machine, notes: Notes) {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    let disk = Connection::open_with_flags(&machine.database, flags).expect("the disk is well");
    disk.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE IF NOT EXISTS lines (n INTEGER)")
        .expect("the disk is well");
    let disk = Mutex::new(disk);
    for second in 1..=5 {
        at(&machine, second * 1000).await;
        let disk = disk.lock().expect("no one panics");
        let inserted = disk.execute("INSERT INTO lines VALUES (1)", []);
        notes.note(&machine, format!("{:?}", inserted.map_err(|error| error.sqlite_error_code())));
    }
}

fn operations_of_a_disk_count_from_when_they_are_to_and_the_one_that_is_waited_for_meets_the_fault(
    backend: Backend,
) {
    let notes = Notes::default();
    let full = FaultAct::DiskFull("alice".into());
    let plan = plan(backend, "7s", vec![with(operation(1, "1500ms"), Some("1500ms"), full)]);

    let outcome = play(&plan, |_, _| std::future::pending(), noting(&notes, chronicler));

    // The first line after 1.5 s is the one of 2 s, and from then the disk is full until 3.5 s.
    let full = "Err(Some(DiskFull))";
    let lines = [("1", "Ok(1)"), ("2", full), ("3", full), ("4", "Ok(1)"), ("5", "Ok(1)")];
    assert_eq!(notes.of("alice"), lines.map(|(second, line)| format!("{second}.000s {line}")));
    assert_eq!(spans(&outcome), [(2000, 0, true), (3500, 0, false)]);
}

fn two_faults_begin_with_one_byte(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![
        with(byte(3, up()), Some("1s"), stall()),
        with(byte(3, up()), Some("2s"), one_way("alice", SERVER)),
    ];

    let outcome = play(&plan(backend, "6s", faults), echo(&notes), talker(&notes, &[500, 600]));

    // `two` would have left at 610, and is sent again 200 ms, 600 ms, 1.4 s and 3 s later.
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "3.620s two"]);
    assert_eq!(spans(&outcome), [(510, 0, true), (510, 1, true), (1510, 0, false), (2510, 1, false)]);
}

on_both_backends! {
    a_stall_behind_a_byte_lets_that_byte_through_and_holds_the_next_for_its_length,
    a_reset_behind_a_byte_of_either_way_takes_what_is_on_its_way,
    who_dies_of_its_own_record_does_nothing_more_not_even_in_that_poll,
    a_fault_that_waits_for_what_never_happens_never_begins,
    operations_of_a_disk_count_from_when_they_are_to_and_the_one_that_is_waited_for_meets_the_fault,
    two_faults_begin_with_one_byte,
    what_still_waits_when_the_world_heals_never_begins,
    that_something_does_not_begin_any_more_is_a_record_with_which_nothing_begins,
    a_page_that_is_loaded_again_within_a_tick_is_back_at_the_next,
    what_begins_within_a_tick_ends_at_one,
}
