//! What becomes of a machine and its disk: without power, without space, with a disk that fails or is slow.

use std::collections::BTreeSet;

use rusqlite::{Connection, OpenFlags};

use super::faults::talker;
use super::*;
use crate::history::Kind;
use crate::plan::{DiskOpTrigger, DiskSlow, EventTrigger, Trigger};
use crate::units::{NumberRange, SpanRange};

fn power_off(name: &str) -> FaultAct {
    FaultAct::PowerOff(name.into())
}

fn a_machine_without_power_is_silent_and_resets_what_comes_when_it_is_back(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "3s", power_off(SERVER))]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one"]);
    // `two` leaves at 1.510 and is sent again 200 ms, 600 ms, 1.4 s and 3 s later.
    assert_eq!(notes.of("alice"), ["0.540s one", "4.540s !ConnectionReset"]);
    assert!(outcome.touched[&0] > 0);
    let exited = Kind::Exited { how: "lost power".to_owned() };
    assert!(outcome.history.records.iter().any(|record| record.kind == exited));
}

fn what_is_on_its_way_when_the_power_goes_is_answered_with_rst_too(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "1100ms", power_off(SERVER))]);

    play(&plan, echo(&notes), talker(&notes, &[990]));

    // Arrives at 1.010. Who is back answers what is sent again 200 ms later.
    assert_eq!(notes.of("server"), ["0.070s accepted"]);
    assert_eq!(notes.of("alice"), ["1.230s !ConnectionReset"]);
}

fn who_only_listens_to_a_machine_that_lost_power_hears_nothing(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "8s", vec![fault("1s", "3s", power_off(SERVER))]);

    play(&plan, echo(&notes), talker(&notes, &[500]));

    assert_eq!(notes.of("alice"), ["0.540s one"]);
}

fn who_connects_to_a_machine_without_power_tries_again_at_1_s_doubling(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("1s", "3s", power_off(SERVER))]);
    let client = notes.clone();

    play(&plan, echo(&notes), move |machine| {
        let notes = client.clone();
        async move {
            at(&machine, 1500).await;
            notes.note(
                &machine,
                connect(&machine).await.map_or_else(|error| error, |_| "connected".to_owned()),
            );
        }
    });

    // SYNs at 1.5, 2.5 and 4.5.
    assert_eq!(notes.of("alice"), ["4.540s connected"]);
}

fn a_client_without_power_is_started_again_and_the_server_hears_of_it_by_rst(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "3s", power_off("alice"))]);
    let server = notes.clone();

    play(
        &plan,
        move |machine, _stop| {
            let notes = server.clone();
            async move {
                let mut listener = machine.net.listen(PORT).expect("the port is free");
                let (mut stream, _) = listener.accept().await.expect("a simulated listener does not fail");
                at(&machine, 2000).await;
                notes.note(&machine, say(&mut stream, "hello").await);
                notes.note(&machine, hear(&mut stream).await);
            }
        },
        {
            let notes = notes.clone();
            move |machine| {
                let notes = notes.clone();
                async move {
                    notes.note(&machine, format!("life {}", machine.process));
                    at(&machine, 10).await;
                    let _stream = connected(&machine).await;
                    std::future::pending().await
                }
            }
        },
    );

    assert_eq!(notes.of("alice"), ["0.000s life 1", "3.000s life 2"]);
    // Sent at 2.010, 2.210, 2.610 and 3.410.
    assert_eq!(notes.of("server"), ["2.000s wrote", "3.440s !ConnectionReset"]);
}

/// Says what it finds on its disk, and adds to it: twenty lines, each a transaction. Its connections never close, or they
/// would write everything back.
fn diarist(machine: &Machine, synchronous: &str, open: &Mutex<Vec<Connection>>) -> rusqlite::Result<u32> {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    let disk = Connection::open_with_flags(&machine.database, flags)?;
    disk.pragma_update_and_check(None, "journal_mode", "WAL", |row| row.get::<_, String>(0))?;
    disk.pragma_update(None, "synchronous", synchronous)?;
    disk.execute_batch("CREATE TABLE IF NOT EXISTS lines (n INTEGER)")?;
    let found = disk.query_row("SELECT count(*) FROM lines", [], |row| row.get(0))?;
    for _ in 0..20 {
        disk.execute("INSERT INTO lines VALUES (1)", [])?;
    }
    open.lock().expect("no one panics").push(disk);
    Ok(found)
}

/// What the second life of a diarist finds, for each of a few seeds.
fn found(backend: Backend, synchronous: &'static str, what: FaultAct) -> BTreeSet<u32> {
    let mut plan = plan(backend, "4s", vec![fault("1s", "2s", what)]);
    let mut found = BTreeSet::new();
    for seed in 0..8 {
        plan.seed = seed;
        let (second, open) = (Arc::new(Mutex::new(None)), Arc::default());
        let reported = Arc::clone(&second);
        play(
            &plan,
            |_, _| std::future::pending(),
            move |machine| {
                let lines = diarist(&machine, synchronous, &open).expect("the disk is well");
                if machine.process == 2 {
                    *reported.lock().expect("no one panics") = Some(lines);
                }
                std::future::ready(())
            },
        );
        found.extend(*second.lock().expect("no one panics"));
    }
    found
}

fn a_loss_of_power_takes_what_was_not_synced_and_a_kill_does_not(backend: Backend) {
    assert_eq!(found(backend, "FULL", power_off("alice")), BTreeSet::from([20]));
    assert_eq!(found(backend, "OFF", kill("alice")), BTreeSet::from([20]));
    let lossy = found(backend, "NORMAL", power_off("alice"));
    assert!(lossy.len() > 1 && lossy.first() < Some(&20), "{lossy:?}");
}

/// With the `n`-th operation that Alice asks her disk for, for two seconds.
fn with_operation(n: u64, what: FaultAct) -> Fault {
    let nth = NumberRange { low: n, high: n };
    let operation = DiskOpTrigger { of: "alice".into(), nth, since: SpanRange::default() };
    let at = Trigger::Event(EventTrigger::DiskOp(operation));
    Fault { at, lasts: Some(span("2s")), what }
}

fn who_dies_of_a_disk_operation_dies_in_the_midst_of_its_work_and_is_started_again(backend: Backend) {
    for what in [kill("alice"), power_off("alice")] {
        let how = if what == kill("alice") { "killed" } else { "lost power" };
        let never = plan(backend, "4s", vec![with_operation(10_001, what.clone())]);
        let crash = plan(backend, "4s", vec![with_operation(61, what)]);
        let lives = |plan: &Plan| {
            let (lives, open) = (Arc::new(Mutex::new(Vec::new())), Arc::default());
            let seen = Arc::clone(&lives);
            let outcome = play(
                plan,
                |_, _| std::future::pending(),
                move |machine| {
                    let (seen, open) = (Arc::clone(&seen), Arc::clone(&open));
                    async move {
                        let lines =
                            diarist(&machine, "FULL", &open).map_err(|error| error.sqlite_error_code());
                        seen.lock().expect("no one panics").push(lines);
                    }
                },
            );
            (Arc::try_unwrap(lives).expect("the run is over").into_inner().expect("no one panics"), outcome)
        };

        let (whole, outcome) = lives(&never);
        assert_eq!((whole, outcome.touched[&0]), (vec![Ok(0)], 0));

        let (lives, outcome) = lives(&crash);
        let [Err(_), Ok(1..20)] = *lives else { panic!("{lives:?}") };
        assert_eq!(outcome.touched[&0], 1);
        let exited: Vec<_> = outcome
            .history
            .records
            .iter()
            .filter(|record| matches!(record.kind, Kind::Exited { .. }))
            .collect();
        assert_eq!(exited.len(), 1);
        assert_eq!(exited[0].kind, Kind::Exited { how: how.to_owned() });
    }
}

/// Each attempt to add a line, every half second: how it went, and how long it took.
fn chronicler(notes: &Notes) -> impl Fn(Machine) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine| {
        let notes = notes.clone();
        Box::pin(async move {
            let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
            let database = machine.database.clone();
            let open = move || -> rusqlite::Result<_> {
                let disk = Connection::open_with_flags(database, flags)?;
                disk.execute_batch("PRAGMA journal_mode = WAL; CREATE TABLE lines (n INTEGER)")?;
                Ok(Arc::new(Mutex::new(disk)))
            };
            let opened = machine.env.run_blocking(open).await.expect("the process lives");
            let disk = opened.expect("the disk is well");
            for ms in [500, 1500, 2500] {
                at(&machine, ms).await;
                let disk = Arc::clone(&disk);
                let insert = move || {
                    let disk = disk.lock().expect("no one panics");
                    disk.execute("INSERT INTO lines VALUES (1)", [])
                        .map_err(|error| error.sqlite_error_code())
                };
                let inserted = machine.env.run_blocking(insert).await.expect("the process lives");
                notes.note(&machine, format!("{inserted:?}"));
            }
        })
    }
}

fn chronicle(backend: Backend, what: FaultAct) -> (Vec<String>, u64) {
    let notes = Notes::default();
    let plan = plan(backend, "4s", vec![fault("1s", "2s", what)]);
    let outcome = play(&plan, |_, _| std::future::pending(), chronicler(&notes));
    (notes.of("alice"), outcome.touched[&0])
}

fn a_disk_in_trouble_fails_or_is_slow_until_it_is_well(backend: Backend) {
    let full = chronicle(backend, FaultAct::DiskFull("alice".into()));
    let broken = chronicle(backend, FaultAct::DiskError("alice".into()));
    let by = "200ms".parse().expect("a range");
    let slow = chronicle(backend, FaultAct::DiskSlow(DiskSlow { of: "alice".into(), by }));
    let elsewhere = chronicle(backend, FaultAct::DiskError(SERVER.into()));

    let lines = |middle: &str| ["0.505s Ok(1)", middle, "2.505s Ok(1)"].map(str::to_owned).to_vec();
    assert_eq!(full, (lines("1.500s Err(Some(DiskFull))"), 1));
    assert_eq!(broken, (lines("1.500s Err(Some(SystemIoFailure))"), 1));
    assert_eq!(slow, (lines("1.705s Ok(1)"), 1));
    assert_eq!(elsewhere, (lines("1.505s Ok(1)"), 0));
}

on_both_backends! {
    a_machine_without_power_is_silent_and_resets_what_comes_when_it_is_back,
    what_is_on_its_way_when_the_power_goes_is_answered_with_rst_too,
    who_only_listens_to_a_machine_that_lost_power_hears_nothing,
    who_connects_to_a_machine_without_power_tries_again_at_1_s_doubling,
    a_client_without_power_is_started_again_and_the_server_hears_of_it_by_rst,
    a_loss_of_power_takes_what_was_not_synced_and_a_kill_does_not,
    who_dies_of_a_disk_operation_dies_in_the_midst_of_its_work_and_is_started_again,
    a_disk_in_trouble_fails_or_is_slow_until_it_is_well,
}
