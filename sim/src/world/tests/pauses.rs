//! What is seen of a process that stands still for a while.

use tokio::io::AsyncWriteExt;

use super::faults::talker;
use super::*;
use crate::world::kernel::BUFFER;

fn pause(name: &str) -> FaultAct {
    FaultAct::Pause(name.into())
}

fn a_paused_process_reads_nothing_and_loses_nothing(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "3s", pause(SERVER))]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500, 2000]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "3.000s twothree"]);
    assert_eq!(notes.of("alice"), ["0.540s one", "3.020s twothree"]);
    assert!(outcome.touched[&0] > 0);
}

fn the_kernel_of_a_paused_process_accepts_connections(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("500ms", "3s", pause(SERVER))]);

    play(&plan, echo(&notes), dials_at_1_s(&notes));

    assert_eq!(notes.of("alice"), ["1.040s connected"]);
    assert_eq!(notes.of("server"), ["3.000s accepted"]);
}

fn writes_to_a_paused_process_succeed_until_both_buffers_are_full(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "3s", pause(SERVER))]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            at(&machine, 1500).await;
            let mut written = 0;
            loop {
                tokio::select! {
                    biased;
                    length = stream.write(&[b'x'; 1000]) => written += length.expect("it is connected"),
                    () = at(&machine, 2900) => break,
                }
            }
            assert_eq!(written, 2 * BUFFER);
            notes.note(&machine, "full");
            let written = say(&mut stream, "x").await;
            notes.note(&machine, written);
        }),
    );

    // The server reads at 3.000; that there is room again is known at 3.020, and the next bytes leave at 3.030.
    assert_eq!(notes.of("alice"), ["2.900s full", "3.030s wrote"]);
}

fn all_timers_of_a_paused_process_are_overdue_when_it_goes_on(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1100ms", "3s", pause("alice"))]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            for half_seconds in 1..8 {
                at(&machine, half_seconds * 500).await;
                notes.note(&machine, format!("{half_seconds}"));
            }
        }),
    );

    let ticks = ["0.500s 1", "1.000s 2", "3.000s 3", "3.000s 4", "3.000s 5", "3.000s 6", "3.500s 7"];
    assert_eq!(notes.of("alice"), ticks);
}

fn pauses_that_overlap_are_over_when_the_last_one_is(backend: Backend) {
    let notes = Notes::default();
    let faults = vec![fault("1s", "3s", pause(SERVER)), fault("2s", "4s", pause(SERVER))];

    let outcome = play(&plan(backend, "6s", faults), echo(&notes), talker(&notes, &[1500, 2500]));

    assert_eq!(notes.of("alice"), ["4.020s onetwo"]);
    // The second found held what the first had held, and nothing new.
    assert_eq!(outcome.touched, BTreeMap::from([(0, 1), (1, 0)]));
}

fn a_paused_process_can_be_killed_and_its_next_life_runs(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "4s", pause("alice")), fault("2s", "3s", kill("alice"))]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            notes.note(&machine, format!("life {}", machine.process));
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(notes.of("alice"), ["0.000s life 1", "3.000s life 2"]);
    assert_eq!(notes.of("server"), ["0.070s accepted", "2.020s !EOF", "3.060s accepted"]);
}

fn what_a_user_does_while_the_client_is_paused_is_done_when_it_goes_on(backend: Backend) {
    let mut plan = plan(backend, "4s", vec![fault("1s", "3s", pause("alice"))]);
    plan.ops.insert(0, Op { at: span("2s"), who: "alice".into(), act: Act::Connect });
    let notes = Notes::default();
    let client = notes.clone();
    let scene = Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(move |machine, mut ops| {
            let notes = client.clone();
            Box::pin(async move {
                while let Some(act) = ops.recv().await {
                    notes.note(&machine, if act == Act::Connect { "connect" } else { "say" });
                }
            })
        }),
    };

    let outcome = run(&plan, &scene, &RunOptions::default());

    assert_eq!(notes.of("alice"), ["3.000s connect", "4.000s say"]);
    assert_eq!(outcome.touched, BTreeMap::from([(0, 0)]), "it had no connections");
}

on_both_backends! {
    a_paused_process_reads_nothing_and_loses_nothing,
    the_kernel_of_a_paused_process_accepts_connections,
    writes_to_a_paused_process_succeed_until_both_buffers_are_full,
    all_timers_of_a_paused_process_are_overdue_when_it_goes_on,
    pauses_that_overlap_are_over_when_the_last_one_is,
    a_paused_process_can_be_killed_and_its_next_life_runs,
    what_a_user_does_while_the_client_is_paused_is_done_when_it_goes_on,
}
