//! A world that heals for some: what breaks the others stays.

use super::*;
use crate::history::Kind;

/// Alice of the plan, who is left behind, and Bob, for whom the world heals.
fn plan_of_two(backend: Backend, faults: Vec<Fault>) -> Plan {
    let mut plan = plan(backend, "30s", faults);
    plan.clients.insert("bob".into(), ClientPlan::default());
    plan.core = Some(["bob".into()].into());
    plan
}

fn cut_off(name: &str, at: &str, until: &str) -> Fault {
    fault(at, until, FaultAct::Partition(Pair { between: [name.into(), SERVER.into()] }))
}

fn the_last_fault_of_who_is_left_never_ends(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![cut_off("alice", "1s", "2s"), cut_off("bob", "1s", "9s"), cut_off("alice", "4s", "5s")];
    let connects = noting(&notes, |machine, notes| async move {
        for second in [3, 20] {
            at(&machine, second * 1000).await;
            let connecting = connect(&machine);
            let late = machine.env.sleep(Duration::from_secs(5));
            tokio::select! {
                biased;
                connected = connecting => notes.note(&machine, connected.map_or_else(|error| error, |_| "connected".to_owned())),
                () = late => notes.note(&machine, "nobody answers"),
            }
        }
    });

    let outcome = play(&plan_of_two(backend, faults), echo(&Notes::default()), connects);

    assert_eq!(notes.of("alice"), ["3.040s connected", "25.000s nobody answers"]);
    assert_eq!(notes.of("bob"), ["8.000s nobody answers", "20.040s connected"]);
    let ended = |place| {
        let ends = Kind::FaultEnded { fault: place };
        outcome.history.records.iter().any(|record| record.kind == ends)
    };
    assert_eq!([0, 1, 2].map(ended), [true, true, false]);
}

fn what_a_disk_suffers_for_good_is_counted(backend: Backend) {
    let faults = vec![fault("1s", "2s", FaultAct::DiskError("alice".into()))];
    let outcome = play(
        &plan_of_two(backend, faults),
        |_, _| std::future::ready(()),
        |machine| async move {
            at(&machine, 5000).await;
            let flags = rusqlite::OpenFlags::default() | rusqlite::OpenFlags::SQLITE_OPEN_URI;
            let opened = rusqlite::Connection::open_with_flags(&machine.database, flags);
            let works = opened.and_then(|database| database.execute("CREATE TABLE t (c)", ()));
            assert_eq!(works.is_ok(), &*machine.name == "bob");
        },
    );

    assert_eq!(outcome.panics, Vec::<String>::new());
    assert!(outcome.touched[&0] > 0);
}

on_both_backends! {
    the_last_fault_of_who_is_left_never_ends,
    what_a_disk_suffers_for_good_is_counted,
}
