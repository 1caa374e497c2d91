//! Lives and deaths of processes, and what they take from their world.

use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Waker};

use rusqlite::{Connection, OpenFlags};
use tokio::io::AsyncWrite;

use super::*;
use crate::check::Ending;
use crate::history::Kind;
use crate::plan::WhileDead;

/// Notes when it is dropped.
struct Dropped(Machine, Notes);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.1.note(&self.0, "dropped");
    }
}

fn a_killed_process_drops_all_its_tasks_and_does_nothing_more(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "4s", vec![instant("1s", kill("alice"))]);
    let client = notes.clone();

    play(&plan, echo(&notes), move |machine| {
        for _ in 0..3 {
            let (held, notes) = (Dropped(machine.clone(), client.clone()), client.clone());
            machine.env.spawn(async move {
                at(&held.0, 1500).await;
                notes.note(&held.0, "still here");
            });
        }
        std::future::pending()
    });

    assert_eq!(notes.of("alice"), ["1.000s dropped"; 3]);
}

/// Tries to write as it is dropped.
struct LastWords {
    stream: ProcessStream,
    fenced: Arc<AtomicBool>,
}

impl Drop for LastWords {
    fn drop(&mut self) {
        let mut context = Context::from_waker(Waker::noop());
        let written = pin!(&mut self.stream).poll_write(&mut context, b"last words");
        self.fenced.store(written.is_pending(), Ordering::Relaxed);
    }
}

fn a_dead_process_writes_nothing_even_in_the_poll_in_which_it_died(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "2s", vec![]);
    let fenced = Arc::new(AtomicBool::new(false));
    let fence = Arc::clone(&fenced);
    let scene = Scene {
        server: Box::new(echo(&notes)),
        client: Box::new(move |machine, _ops| {
            let fenced = Arc::clone(&fence);
            Box::pin(async move {
                at(&machine, 10).await;
                let stream = connected(&machine).await;
                let words = LastWords { stream, fenced };
                // Dropped by a task that finds its process gone.
                machine.env.spawn(async move {
                    let _words = words;
                    std::future::pending().await
                });
                at(&machine, 1000).await;
            })
        }),
    };

    let outcome = run(&plan, &scene, &RunOptions::default());

    assert!(fenced.load(Ordering::Relaxed));
    assert_eq!(notes.of("server"), ["0.070s accepted", "1.020s !EOF"]);
    let exited = Kind::Exited { how: "ended by itself".to_owned() };
    assert!(outcome.history.records.iter().any(|record| record.kind == exited));
}

fn a_panic_in_a_task_ends_the_run_and_is_reported_with_its_process(backend: Backend) {
    let outcome = play(
        &plan(backend, "60s", vec![]),
        |_, _| std::future::pending(),
        |machine| async move {
            let clock = machine.clone();
            machine.env.spawn(async move {
                at(&clock, 1000).await;
                panic!("a bug");
            });
        },
    );

    assert_eq!(outcome.panics.len(), 1, "{:?}", outcome.panics);
    assert!(outcome.panics[0].starts_with("alice#1 panicked at "), "{:?}", outcome.panics);
    assert!(outcome.panics[0].ends_with(": a bug"), "{:?}", outcome.panics);
    assert!(matches!(outcome.ending, Ending::Unsettled { .. }));
    // At once, or at the end of its tick.
    assert!((1000..=1010).contains(&outcome.elapsed.as_millis()), "{:?}", outcome.elapsed);
}

fn a_panic_of_the_app_as_it_starts_is_reported_too(backend: Backend) {
    let outcome = play(
        &plan(backend, "1s", vec![]),
        |_, _| std::future::pending(),
        |_| -> BoxFuture<()> { panic!("no start") },
    );

    assert!(outcome.panics.iter().any(|panic| panic.ends_with(": no start")), "{:?}", outcome.panics);
}

#[expect(clippy::disallowed_methods, reason = "the subject is what happens to who does this")]
fn a_task_past_env_is_counted(backend: Backend) {
    let clean = play(&plan(backend, "1s", vec![]), echo(&Notes::default()), |_| std::future::ready(()));
    let stray = play(&plan(backend, "1s", vec![]), echo(&Notes::default()), |_| async {
        drop(tokio::spawn(std::future::pending::<()>()));
    });

    assert_eq!(clean.stray_tasks, 0);
    assert_eq!(stray.stray_tasks, 1);
}

fn what_outlives_its_world_is_counted(backend: Backend) {
    let clean = play(&plan(backend, "1s", vec![]), echo(&Notes::default()), |_| std::future::ready(()));
    let leaking = play(&plan(backend, "1s", vec![]), echo(&Notes::default()), |machine| async move {
        std::mem::forget(machine);
    });

    assert_eq!(clean.leaked, 0);
    assert!(leaking.leaked > 0);
}

fn open(machine: &Machine) -> Connection {
    let flags =
        OpenFlags::SQLITE_OPEN_READ_WRITE | OpenFlags::SQLITE_OPEN_CREATE | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(&machine.database, flags).expect("the disk is there")
}

fn the_disk_outlives_its_processes_and_belongs_to_one_machine_of_one_run(backend: Backend) {
    let plan = plan(backend, "4s", vec![fault("1s", "2s", kill("alice"))]);
    let lives: Arc<Mutex<Vec<String>>> = Arc::default();
    let seen = Arc::clone(&lives);
    let scene = Arc::new(Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(move |machine, _ops| {
            let disk = open(&machine);
            disk.execute_batch("CREATE TABLE IF NOT EXISTS lives (n); INSERT INTO lives VALUES (1)")
                .expect("writes");
            let lives: u32 =
                disk.query_row("SELECT count(*) FROM lives", [], |row| row.get(0)).expect("reads");
            seen.lock().expect("no one panics").push(format!("{}#{} {lives}", machine.name, machine.process));
            Box::pin(std::future::pending())
        }),
    });

    for _ in 0..2 {
        let outcome = run(&plan, &*scene, &RunOptions::default());
        assert_eq!(outcome.panics, Vec::<String>::new());
    }

    assert_eq!(*lives.lock().expect("no one panics"), ["alice#1 1", "alice#2 2", "alice#1 1", "alice#2 2"]);
}

fn blocking_jobs_run_one_at_a_time_in_order_and_take_as_long_as_their_syncs(backend: Backend) {
    let notes = Notes::default();

    play(
        &plan(backend, "1s", vec![]),
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            let disk = Arc::new(Mutex::new(open(&machine)));
            let run = |sql: &'static str| {
                let (disk, notes, worker) = (Arc::clone(&disk), notes.clone(), machine.clone());
                machine.env.blocking.run(Box::new(move || {
                    notes.note(&worker, sql);
                    disk.lock().expect("no one panics").execute_batch(sql).expect("the disk is well");
                }))
            };
            run("PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; CREATE TABLE lives (n)").await;
            at(&machine, 100).await;
            let [first, second] = ["INSERT INTO lives VALUES (1)", "INSERT INTO lives VALUES (2)"].map(run);
            // Who does not wait for the first does not keep it from being done.
            drop(first);
            second.await;
            run("SELECT * FROM lives").await;
            notes.note(&machine, "durable");
        }),
    );

    assert_eq!(
        notes.of("alice")[1..],
        [
            "0.100s INSERT INTO lives VALUES (1)",
            "0.105s INSERT INTO lives VALUES (2)",
            "0.110s SELECT * FROM lives",
            "0.110s durable"
        ]
    );
}

fn what_a_user_does_while_the_client_is_down_waits_for_its_next_life(backend: Backend) {
    let mut plan = plan(backend, "4s", vec![fault("1s", "3s", kill("alice"))]);
    let op = |at: &str, act| Op { at: span(at), who: "alice".into(), act };
    plan.ops.extend([op("500ms", Act::Connect), op("2s", Act::Say("hello".into()))]);
    let notes = Notes::default();
    let client = notes.clone();
    let scene = Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(move |machine, mut ops| {
            let notes = client.clone();
            Box::pin(async move {
                while let Some(act) = ops.recv().await {
                    notes.note(&machine, format!("{act:?}"));
                }
            })
        }),
    };

    run(&plan, &scene, &RunOptions::default());

    let said = [
        r#"0.500s Connect"#,
        r#"3.000s Connect"#,
        r#"3.000s Say(Say { room: "general", content: "hello" })"#,
        r#"4.000s Say(Say { room: "general", content: "the end" })"#,
    ];
    assert_eq!(notes.of("alice"), said);
}

fn a_run_that_does_not_settle_says_who_waits_for_what(backend: Backend) {
    let mut plan = plan(backend, "1s", vec![instant("500ms", partition())]);
    plan.settle = span("5s");
    let outcome = play(
        &plan,
        |_, _| std::future::ready(()),
        |machine| async move {
            machine.probe.set(|| vec!["waits for an answer".to_owned()]);
            let id = squall::store::MessageId("m-1".into());
            let said = Kind::Sent { id, room: "general".into(), n: 1, content: 0 };
            machine.record(0, said);
        },
    );

    let Ending::Unsettled { wait_chain } = outcome.ending else { panic!("it settled") };
    assert_eq!(
        wait_chain,
        [
            "alice: 1 message not acknowledged: m-1",
            "  <- alice#1: waits for an answer",
            "  <- fault #0: partition alice -- server",
            "  <- server: has not committed it",
            "  <- server: is not running",
        ]
    );
    assert_eq!(outcome.elapsed, Duration::from_secs(6));
}

fn places_are_counted_and_lines_are_stamped(backend: Backend) {
    let options =
        RunOptions { log: Some("squall_sim::world::tests=info".to_owned()), ..RunOptions::default() };
    let scene = Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(|machine, _ops| {
            Box::pin(async move {
                at(&machine, 120).await;
                let place = || tracing::event!(name: "a.place", target: squall::reached::TARGET, tracing::Level::TRACE, "");
                place();
                place();
                tracing::info!("hello");
            })
        }),
    };

    let outcome = run(&plan(backend, "1s", vec![]), &scene, &options);

    assert_eq!(outcome.reached, [("a.place", 2)].into_iter().collect());
    let [line] = outcome.log.as_slice() else { panic!("not one line: {:?}", outcome.log) };
    assert!(line.text.starts_with("[0.120s alice#1]") && line.text.ends_with("hello"), "{line:?}");
}

fn plans_that_name_who_is_not_there_are_refused(backend: Backend) {
    let outcome = play(
        &plan(backend, "1s", vec![instant("1s", kill("carol"))]),
        |_, _| std::future::pending(),
        |_| std::future::ready(()),
    );

    assert_eq!(outcome.panics, ["the plan speaks of carol, who is not in it"]);
}

#[test]
fn directives_that_are_none_are_refused() {
    let options = RunOptions { log: Some("=,=".to_owned()), ..RunOptions::default() };

    assert!(crate::world::preflight(&options).is_err());
}

fn who_watches_a_run_sees_how_far_it_is(backend: Backend) {
    let progress = std::sync::atomic::AtomicU64::new(0);
    let scene = Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(|_, _| Box::pin(std::future::pending())),
    };

    let outcome =
        crate::world::run_watched(&plan(backend, "1s", vec![]), &scene, &RunOptions::default(), &progress);

    assert_eq!(u128::from(progress.into_inner()), outcome.elapsed.as_millis());
}

fn what_a_user_does_while_the_client_is_dead_waits_or_is_skipped_as_the_plan_says(backend: Backend) {
    let done = |while_dead| {
        let mut plan = plan(backend, "6s", vec![fault("1s", "3s", kill("alice"))]);
        plan.clients.values_mut().for_each(|client| client.while_dead = while_dead);
        let op = |at: &str, act| Op { at: span(at), who: "alice".into(), act };
        let before =
            [("1500ms", Act::Say("one".into())), ("2s", Act::Connect), ("4s", Act::Say("two".into()))];
        plan.ops.splice(0..0, before.map(|(at, act)| op(at, act)));
        let notes = Notes::default();
        let noted = notes.clone();
        let scene = Scene {
            server: Box::new(|_, _| Box::pin(std::future::pending())),
            client: Box::new(move |machine, mut ops| {
                let notes = noted.clone();
                Box::pin(async move {
                    while let Some(act) = ops.recv().await {
                        notes.note(&machine, act.to_string());
                    }
                })
            }),
        };
        let outcome = run(&plan, &scene, &RunOptions::default());
        let records = outcome.history.records.iter();
        let skipped = records.filter(|record| matches!(record.kind, Kind::Skipped { .. }));
        (notes.of("alice"), skipped.map(ToString::to_string).collect::<Vec<_>>())
    };

    let (waited, skipped) = done(WhileDead::Wait);
    assert_eq!(waited, ["3.000s say one", "3.000s connect", "4.000s say two", "6.000s say the end"]);
    assert!(skipped.is_empty(), "{skipped:?}");

    let (waited, skipped) = done(WhileDead::Skip);
    assert_eq!(waited, ["3.000s connect", "4.000s say two", "6.000s say the end"]);
    assert!(matches!(&*skipped, [only] if only.ends_with("did not say one")), "{skipped:?}");
}

on_both_backends! {
    what_a_user_does_while_the_client_is_dead_waits_or_is_skipped_as_the_plan_says,
    a_killed_process_drops_all_its_tasks_and_does_nothing_more,
    a_dead_process_writes_nothing_even_in_the_poll_in_which_it_died,
    a_panic_in_a_task_ends_the_run_and_is_reported_with_its_process,
    a_panic_of_the_app_as_it_starts_is_reported_too,
    a_task_past_env_is_counted,
    what_outlives_its_world_is_counted,
    the_disk_outlives_its_processes_and_belongs_to_one_machine_of_one_run,
    blocking_jobs_run_one_at_a_time_in_order_and_take_as_long_as_their_syncs,
    what_a_user_does_while_the_client_is_down_waits_for_its_next_life,
    a_run_that_does_not_settle_says_who_waits_for_what,
    places_are_counted_and_lines_are_stamped,
    plans_that_name_who_is_not_there_are_refused,
    who_watches_a_run_sees_how_far_it_is,
}
