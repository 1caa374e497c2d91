//! Bytes between processes: order, latency, back-pressure.

use bytes::Bytes;

use super::*;
use crate::world::Sight;
use crate::world::kernel::BUFFER;

fn a_reader_that_does_not_read_stops_its_writer_after_two_buffers_and_loses_nothing(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "20s", vec![]);
    let slow = notes.clone();
    let server = move |machine: Machine, _stop| {
        let notes = slow.clone();
        async move {
            let mut listener = machine.net.listen(PORT).expect("the port is free");
            let (mut stream, _) = listener.accept().await.expect("accepts");
            at(&machine, 5000).await;
            let mut all = Vec::new();
            stream.read_to_end(&mut all).await.expect("nothing breaks");
            let intact = all.iter().enumerate().all(|(place, byte)| *byte == (place % 251) as u8);
            notes.note(&machine, format!("{} bytes, intact: {intact}", all.len()));
        }
    };
    let fast = notes.clone();
    let written = Arc::new(Mutex::new(Vec::new()));
    let log = Arc::clone(&written);

    play(&plan, server, move |machine| {
        let (notes, log) = (fast.clone(), Arc::clone(&log));
        async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            let bytes: Vec<u8> = (0..1_000_000_u32).map(|place| (place % 251) as u8).collect();
            let mut done = 0;
            while done < bytes.len() {
                let end = bytes.len().min(done + 1000);
                done += stream.write(&bytes[done..end]).await.expect("nothing breaks");
                if machine.env.clock.monotonic().since_start() < Duration::from_secs(5) {
                    *log.lock().expect("no one panics") = vec![done];
                }
            }
            stream.shutdown().await.expect("nothing breaks");
            notes.note(&machine, "done");
            std::future::pending().await
        }
    });

    assert_eq!(*written.lock().expect("no one panics"), [2 * BUFFER]);
    let server = notes.of("server");
    assert!(server[0].ends_with("1000000 bytes, intact: true"), "{server:?}");
}

fn latency_stays_in_its_range_and_keeps_order(backend: Backend) {
    let mut plan = plan(backend, "5s", vec![]);
    plan.network.latency = "10ms..80ms".parse().expect("a range");
    let arrivals: Arc<Mutex<Vec<(u8, Duration)>>> = Arc::default();
    let seen = Arc::clone(&arrivals);
    let server = move |machine: Machine, _stop| {
        let seen = Arc::clone(&seen);
        async move {
            let mut listener = machine.net.listen(PORT).expect("the port is free");
            let (mut stream, _) = listener.accept().await.expect("accepts");
            while let Ok(byte) = stream.read_u8().await {
                seen.lock().expect("no one panics").push((byte, machine.env.clock.monotonic().since_start()));
            }
        }
    };

    play(&plan, server, |machine| async move {
        at(&machine, 10).await;
        let mut stream = connected(&machine).await;
        for byte in 0..200_u8 {
            at(&machine, 1000 + 13 * u64::from(byte)).await;
            stream.write_u8(byte).await.expect("nothing breaks");
        }
        std::future::pending().await
    });

    let arrivals = arrivals.lock().expect("no one panics");
    assert_eq!(arrivals.iter().map(|(byte, _)| *byte).collect::<Vec<_>>(), (0..200).collect::<Vec<_>>());
    let latencies: Vec<u128> =
        arrivals.iter().map(|(byte, at)| at.as_millis() - (1000 + 13 * u128::from(*byte))).collect();
    assert!(latencies.iter().all(|latency| (10..=80).contains(latency)), "{latencies:?}");
    assert!(latencies.iter().any(|latency| *latency < 25), "{latencies:?}");
    assert!(latencies.iter().any(|latency| *latency > 65), "{latencies:?}");
}

fn what_is_shut_down_for_writing_can_still_be_read(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "3s", vec![]);
    let server = |machine: Machine, _stop| async move {
        let mut listener = machine.net.listen(PORT).expect("the port is free");
        let (mut stream, _) = listener.accept().await.expect("accepts");
        let mut question = String::new();
        stream.read_to_string(&mut question).await.expect("nothing breaks");
        machine.env.sleep(Duration::from_secs(1)).await;
        stream.write_all(format!("{question}? yes").as_bytes()).await.expect("nothing breaks");
    };

    play(
        &plan,
        server,
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            stream.write_all(b"so").await.expect("nothing breaks");
            stream.shutdown().await.expect("nothing breaks");
            notes.note(&machine, say(&mut stream, "more").await);
            notes.note(&machine, hear(&mut stream).await);
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(notes.of("alice"), ["0.050s !BrokenPipe", "1.090s so? yes", "1.090s !EOF"]);
}

fn a_listener_that_does_not_accept_holds_128_connections(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "10s", vec![]);
    let server = |machine: Machine, _stop| async move {
        let _listener = machine.net.listen(PORT).expect("the port is free");
        std::future::pending().await
    };

    play(
        &plan,
        server,
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            for _ in 0..130 {
                let (notes, other) = (notes.clone(), machine.clone());
                machine.env.spawn(async move {
                    let _stream = connected(&other).await;
                    notes.note(&other, "connected");
                    std::future::pending().await
                });
            }
        }),
    );

    assert_eq!(notes.of("alice").len(), 128);
}

fn a_listener_that_goes_resets_what_it_has_not_accepted(backend: Backend) {
    let notes = Notes::default();
    let server = |machine: Machine, _stop| async move {
        let listener = machine.net.listen(PORT).expect("the port is free");
        at(&machine, 1000).await;
        drop(listener);
        std::future::pending().await
    };

    play(
        &plan(backend, "3s", vec![]),
        server,
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            notes.note(&machine, hear(&mut stream).await);
        }),
    );

    assert_eq!(notes.of("alice"), ["1.020s !ConnectionReset"]);
}

fn connects_that_were_given_up_leave_no_trace_in_a_backlog(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "10s", vec![fault("500ms", "3s", one_way(SERVER, "alice"))]);
    let server = |machine: Machine, _stop| async move {
        let _listener = machine.net.listen(PORT).expect("the port is free");
        std::future::pending().await
    };

    play(
        &plan,
        server,
        noting(&notes, |machine, notes| async move {
            for _ in 0..128 {
                let other = machine.clone();
                machine.env.spawn(async move {
                    at(&other, 1000).await;
                    tokio::select! {
                        biased;
                        _ = connect(&other) => {}
                        () = at(&other, 2000) => {}
                    }
                });
            }
            // The SYN-ACKs are sent once more at 4.020, and answered with RST.
            at(&machine, 5000).await;
            let _stream = connected(&machine).await;
            notes.note(&machine, "connected");
            std::future::pending().await
        }),
    );

    assert_eq!(notes.of("alice"), ["5.040s connected"]);
}

fn names_that_no_machine_has_and_ports_that_are_taken_are_errors(backend: Backend) {
    let notes = Notes::default();

    play(
        &plan(backend, "1s", vec![]),
        echo(&notes),
        noting(&notes, |machine, notes| async move {
            let nowhere = machine.net.connect("nowhere", PORT).await.err().map(|error| error.kind());
            let first = machine.net.listen(PORT).expect("the port is free");
            let taken = machine.net.listen(PORT).err().map(|error| error.kind());
            drop(first);
            let free = machine.net.listen(PORT).is_ok();
            notes.note(&machine, format!("{nowhere:?} {taken:?} {free}"));
        }),
    );

    assert_eq!(notes.of("alice"), ["0.000s Some(NotFound) Some(AddrInUse) true"]);
}

fn what_processes_see_is_kept_where_it_is_asked_for(backend: Backend) {
    let plan = plan(backend, "3s", vec![instant("1s", kill(SERVER))]);
    let play = |seen| {
        let notes = Notes::default();
        let options = RunOptions { seen, ..RunOptions::default() };
        play_with(&options, &plan, echo(&notes), faults::talker(&notes, &[500])).seen
    };

    let seen = play(true);

    let of = |process: &str| -> Vec<_> {
        let seen = seen.iter().filter(|seen| *seen.process == *process);
        seen.map(|seen| (seen.at.as_millis(), seen.sight.clone())).collect()
    };
    let one = || Sight::Read(Bytes::from_static(b"one"));
    assert_eq!(of("alice"), [(50, Sight::Connected), (540, one()), (1020, Sight::End)]);
    assert_eq!(of(SERVER), [(70, Sight::Accepted), (520, one())]);
    assert_eq!(play(false), []);
}

on_both_backends! {
    what_processes_see_is_kept_where_it_is_asked_for,
    a_reader_that_does_not_read_stops_its_writer_after_two_buffers_and_loses_nothing,
    latency_stays_in_its_range_and_keeps_order,
    what_is_shut_down_for_writing_can_still_be_read,
    a_listener_that_does_not_accept_holds_128_connections,
    a_listener_that_goes_resets_what_it_has_not_accepted,
    connects_that_were_given_up_leave_no_trace_in_a_backlog,
    names_that_no_machine_has_and_ports_that_are_taken_are_errors,
}
