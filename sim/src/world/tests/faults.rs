//! What both ends of a connection see of each fault.

use super::*;
use crate::history::Kind;

/// Connects, then says `one`, `two`… at the given milliseconds and notes whatever it hears until the connection ends.
pub(super) fn talker(
    notes: &Notes,
    says_at: &'static [u64],
) -> impl Fn(Machine) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine| {
        let notes = notes.clone();
        Box::pin(async move {
            // Lets the server listen first.
            at(&machine, 10).await;
            let stream = connected(&machine).await;
            let (mut reader, mut writer) = tokio::io::split(stream);
            let env = machine.env.clone();
            let clock = machine.clone();
            env.spawn(async move {
                for (ms, word) in says_at.iter().zip(["one", "two", "three"]) {
                    at(&clock, *ms).await;
                    if writer.write_all(word.as_bytes()).await.is_err() {
                        return;
                    }
                }
                std::future::pending().await
            });
            let mut bytes = [0; 64];
            loop {
                match reader.read(&mut bytes).await {
                    Ok(0) => return notes.note(&machine, "!EOF"),
                    Ok(length) => notes.note(&machine, String::from_utf8_lossy(&bytes[..length])),
                    Err(error) => return notes.note(&machine, format!("!{:?}", error.kind())),
                }
            }
        })
    }
}

fn a_stall_holds_everything_until_the_first_retransmission_after_it_and_keeps_order(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "4s", stall())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500, 2000]));

    // `two` would have left at 1.510 and is sent again 200 ms, 600 ms, 1.4 s and 3 s later.
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "4.520s twothree"]);
    assert_eq!(notes.of("alice"), ["0.540s one", "4.540s twothree"]);
    assert!(outcome.touched[&0] > 0);
}

fn a_one_way_stall_holds_that_way_only(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "4s", one_way(SERVER, "alice"))]);

    play(&plan, echo(&notes), talker(&notes, &[1500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "1.520s one"]);
    // The echo would have left at 1.530.
    assert_eq!(notes.of("alice"), ["4.540s one"]);
}

fn overlapping_stalls_open_the_way_when_the_last_one_ends(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("1s", "3s", stall()), fault("2s", "5s", stall())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[1500]));

    // Sent again at 1.710, 2.110, 2.910, 4.510 and 7.710.
    assert_eq!(notes.of("server"), ["0.070s accepted", "7.720s one"]);
    assert!(outcome.touched[&0] > 0 && outcome.touched[&1] > 0, "{:?}", outcome.touched);
}

fn a_fault_that_nothing_met_is_counted_as_such(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "4s", stall()), instant("5s", reset())]);

    let outcome = play(&plan, echo(&notes), |_| std::future::ready(()));

    assert_eq!(outcome.touched, BTreeMap::from([(0, 0), (1, 0)]));
}

fn who_connects_under_a_partition_tries_again_at_1_s_doubling(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "20s", vec![fault("500ms", "15s", partition())]);

    let outcome = play(&plan, echo(&notes), dials_at_1_s(&notes));

    // SYNs at 1, 2, 4, 8 and 16 s.
    assert_eq!(notes.of("alice"), ["16.040s connected"]);
    assert_eq!(outcome.touched[&0], 4);
}

fn a_connection_needs_the_way_back_too(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("500ms", "2500ms", one_way(SERVER, "alice"))]);

    play(&plan, echo(&notes), dials_at_1_s(&notes));

    // The SYN arrives at 1.020; the SYN-ACK is sent then, and 1 s and 3 s later.
    assert_eq!(notes.of("alice"), ["4.040s connected"]);
    assert_eq!(notes.of("server"), ["4.060s accepted"]);
}

fn a_connect_that_is_given_up_is_never_accepted(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "90s", vec![fault("500ms", "3s", one_way(SERVER, "alice"))]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 1000).await;
            tokio::select! {
                biased;
                _ = connect(&machine) => notes.note(&machine, "connected"),
                () = at(&machine, 2000) => notes.note(&machine, "gave up"),
            }
        }),
    );

    assert_eq!(notes.of("alice"), ["2.000s gave up"]);
    assert_eq!(notes.of("server"), Vec::<String>::new());
}

fn a_connect_that_nothing_answers_times_out_as_on_linux(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "130s", vec![fault("500ms", "140s", partition())]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 1000).await;
            notes.note(
                &machine,
                connect(&machine).await.map_or_else(|error| error, |_| "connected".to_owned()),
            );
        }),
    );

    assert_eq!(notes.of("alice"), ["128.000s !TimedOut"]);
}

fn a_reset_is_seen_at_both_ends_at_once(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "3s", vec![instant("1s", reset())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "1.000s !ConnectionReset"]);
    assert_eq!(notes.of("alice"), ["0.540s one", "1.000s !ConnectionReset"]);
    assert_eq!(outcome.touched[&0], 1);
}

fn after_a_reset_one_call_hears_of_it_and_writes_fail_with_a_broken_pipe(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "3s", vec![instant("1s", reset())]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            at(&machine, 2000).await;
            for _ in 0..2 {
                notes.note(&machine, say(&mut stream, "hello?").await);
            }
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(notes.of("alice"), ["2.000s !ConnectionReset", "2.000s !BrokenPipe", "2.000s !EOF"]);
}

fn a_killed_process_ends_its_connections_refuses_new_ones_and_serves_again_when_restarted(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "5s", vec![fault("1s", "3s", kill(SERVER))]);

    let outcome = play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            notes.note(&machine, hear(&mut stream).await);
            notes.note(&machine, connect(&machine).await.err().unwrap_or_default());
            at(&machine, 3500).await;
            let mut stream = connected(&machine).await;
            say(&mut stream, "again").await;
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(notes.of("alice"), ["1.020s !EOF", "1.060s !ConnectionRefused", "3.580s again"]);
    assert_eq!(outcome.touched[&0], 1);
    let lives: Vec<_> = outcome
        .history
        .records
        .iter()
        .filter(|record| *record.host == *SERVER)
        .map(|record| (record.process, record.kind.clone()))
        .collect();
    assert_eq!(
        lives,
        [(1, Kind::Started), (1, Kind::Exited { how: "killed".to_owned() }), (2, Kind::Started)]
    );
}

fn a_process_killed_with_unread_bytes_resets_the_connection(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "3s", vec![instant("1s", kill(SERVER))]);
    let deaf = |machine: Machine, _stop| async move {
        let mut listener = machine.net.listen(PORT).expect("the port is free");
        let _stream = listener.accept().await;
        std::future::pending().await
    };

    play(&plan, deaf, talker(&notes, &[500]));

    assert_eq!(notes.of("alice"), ["1.020s !ConnectionReset"]);
}

fn writes_to_a_peer_that_is_gone_are_answered_with_rst_and_then_fail(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "3s", vec![instant("1s", kill(SERVER))]);

    play(
        &plan,
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            for ms in [1100, 1200, 1300] {
                at(&machine, ms).await;
                notes.note(&machine, say(&mut stream, "hello?").await);
            }
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(
        notes.of("alice"),
        ["1.100s wrote", "1.200s !BrokenPipe", "1.300s !BrokenPipe", "1.300s !EOF"]
    );
}

fn under_a_stall_the_end_of_a_killed_process_waits_for_the_heal(backend: Backend) {
    let notes = Notes::default();
    let plan =
        plan(backend, "6s", vec![fault("1s", "4s", one_way(SERVER, "alice")), instant("2s", kill(SERVER))]);

    play(&plan, echo(&notes), talker(&notes, &[1500]));

    // The echo first, then FIN: it keeps its place.
    assert_eq!(notes.of("alice"), ["4.540s one", "4.540s !EOF"]);
}

fn a_process_that_is_asked_to_stop_takes_its_time_and_is_started_again(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("1s", "6s", shutdown(SERVER))]);
    let server = |machine: Machine, mut stop: watch::Receiver<bool>| async move {
        let mut listener = machine.net.listen(PORT).expect("the port is free");
        let Ok((mut stream, _)) = listener.accept().await else { return };
        stop.wait_for(|stop| *stop).await.expect("the world lives");
        machine.env.sleep(Duration::from_secs(2)).await;
        stream.write_all(b"bye").await.expect("someone listens");
    };

    let outcome = play(&plan, server, talker(&notes, &[]));

    assert_eq!(notes.of("alice"), ["3.020s bye", "3.020s !EOF"]);
    assert_eq!(outcome.touched[&0], 1);
    let exited = Kind::Exited { how: "shut down".to_owned() };
    assert!(outcome.history.records.iter().any(|record| record.kind == exited));
    let second = outcome.history.records.iter().find(|record| *record.host == *SERVER && record.process == 2);
    assert_eq!(second.map(|record| record.at), Some(Duration::from_secs(6)));
}

fn a_process_that_does_not_stop_is_killed_after_ten_seconds(backend: Backend) {
    let plan = plan(backend, "15s", vec![instant("1s", shutdown(SERVER))]);

    let outcome = play(&plan, |_, _| std::future::pending(), |_| std::future::ready(()));

    let exited = outcome.history.records.iter().find(|record| matches!(record.kind, Kind::Exited { .. }));
    assert_eq!(exited.map(|record| record.at), Some(Duration::from_secs(11)));
}

fn replaced() -> FaultAct {
    FaultAct::RollingRestart(SERVER.into())
}

fn the_next_process_takes_the_port_when_the_first_has_drained(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![instant("1s", replaced())]);
    let server = notes.clone();
    let server = move |machine: Machine, mut stop: watch::Receiver<bool>| {
        let notes = server.clone();
        async move {
            let mut listener = machine.net.listen(PORT).expect("the port is free");
            let Ok((mut stream, _)) = listener.accept().await else { return };
            notes.note(&machine, format!("accepted by {}", machine.process));
            stop.wait_for(|stop| *stop).await.expect("the world lives");
            drop(listener);
            machine.env.sleep(Duration::from_secs(2)).await;
            stream.write_all(b"bye").await.expect("someone listens");
        }
    };

    let outcome = play(
        &plan,
        server,
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            notes.note(&machine, hear(&mut stream).await);
            notes.note(&machine, hear(&mut stream).await);
            let _next = connected(&machine).await;
            notes.note(&machine, "connected");
            std::future::pending().await
        }),
    );

    assert_eq!(notes.of("server"), ["0.070s accepted by 1", "3.080s accepted by 2"]);
    assert_eq!(notes.of("alice"), ["3.020s bye", "3.020s !EOF", "3.060s connected"]);
    assert_eq!(outcome.touched[&0], 1);
    let ended = outcome.history.records.iter().find(|record| record.kind == Kind::FaultEnded { fault: 0 });
    // At once, or at the end of its tick.
    assert!(ended.is_some_and(|record| (3000..=3010).contains(&record.at.as_millis())), "{ended:?}");
}

fn who_is_to_be_replaced_and_does_not_stop_is_killed_after_ten_seconds(backend: Backend) {
    let plan = plan(backend, "2s", vec![instant("1s", replaced())]);

    let outcome = play(&plan, |_, _| std::future::pending(), |_| std::future::ready(()));

    let second = outcome.history.records.iter().find(|record| *record.host == *SERVER && record.process == 2);
    assert_eq!(second.map(|record| record.at), Some(Duration::from_secs(11)));
}

fn a_process_is_started_again_when_the_last_fault_that_keeps_it_down_ends(backend: Backend) {
    let plan = plan(backend, "6s", vec![fault("1s", "3s", kill(SERVER)), fault("2s", "5s", kill(SERVER))]);

    let outcome = play(&plan, |_, _| std::future::pending(), |_| std::future::ready(()));

    let second = outcome.history.records.iter().find(|record| *record.host == *SERVER && record.process == 2);
    assert_eq!(second.map(|record| record.at), Some(Duration::from_secs(5)));
}

fn faults_are_recorded_as_they_begin_and_end(backend: Backend) {
    let plan = plan(backend, "3s", vec![fault("1s", "2s", stall()), instant("1500ms", reset())]);

    let outcome = play(&plan, |_, _| std::future::pending(), |_| std::future::ready(()));

    let of_world = outcome.history.records.iter().filter(|record| *record.host == *"world");
    let seen: Vec<_> = of_world.map(|record| (record.at.as_millis(), record.kind.clone())).collect();
    assert_eq!(
        seen,
        [
            (1000, Kind::FaultBegan { fault: 0, what: "stall alice -- server".to_owned() }),
            (1500, Kind::FaultBegan { fault: 1, what: "reset server -- alice".to_owned() }),
            (1500, Kind::FaultEnded { fault: 1 }),
            (2000, Kind::FaultEnded { fault: 0 }),
        ]
    );
}

on_both_backends! {
    a_stall_holds_everything_until_the_first_retransmission_after_it_and_keeps_order,
    a_one_way_stall_holds_that_way_only,
    overlapping_stalls_open_the_way_when_the_last_one_ends,
    a_fault_that_nothing_met_is_counted_as_such,
    who_connects_under_a_partition_tries_again_at_1_s_doubling,
    a_connection_needs_the_way_back_too,
    a_connect_that_is_given_up_is_never_accepted,
    a_connect_that_nothing_answers_times_out_as_on_linux,
    a_reset_is_seen_at_both_ends_at_once,
    after_a_reset_one_call_hears_of_it_and_writes_fail_with_a_broken_pipe,
    a_killed_process_ends_its_connections_refuses_new_ones_and_serves_again_when_restarted,
    a_process_killed_with_unread_bytes_resets_the_connection,
    writes_to_a_peer_that_is_gone_are_answered_with_rst_and_then_fail,
    under_a_stall_the_end_of_a_killed_process_waits_for_the_heal,
    a_process_that_is_asked_to_stop_takes_its_time_and_is_started_again,
    a_process_that_does_not_stop_is_killed_after_ten_seconds,
    the_next_process_takes_the_port_when_the_first_has_drained,
    who_is_to_be_replaced_and_does_not_stop_is_killed_after_ten_seconds,
    a_process_is_started_again_when_the_last_fault_that_keeps_it_down_ends,
    faults_are_recorded_as_they_begin_and_end,
}
