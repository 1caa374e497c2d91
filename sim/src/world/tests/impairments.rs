//! What both ends see of links that are worse than they should be, of connections that die half way, and of a page that
//! is loaded again.

use super::faults::talker;
use super::*;
use crate::history::Kind;
use crate::plan::{Cut, Delay, Loss, Slow};
use crate::units::NumberRange;

fn delay(path: Path, by: &str) -> FaultAct {
    FaultAct::Delay(Delay { path, by: by.parse().expect("a range") })
}

fn loss(path: Path, percent: u8) -> FaultAct {
    FaultAct::Loss(Loss { path, percent })
}

/// No scenario may say so, for it is a stall; here it leaves nothing to chance.
fn certain_loss() -> FaultAct {
    loss(up(), 100)
}

fn slow(path: Path, rate: &str) -> FaultAct {
    FaultAct::Slow(Slow { path, rate: rate.parse().expect("a rate") })
}

fn cut(path: Path, after: u64) -> FaultAct {
    FaultAct::Cut(Cut { path, after: NumberRange { low: after, high: after } })
}

fn half_open() -> FaultAct {
    FaultAct::HalfOpen(Connections { between: ["alice".into(), SERVER.into()], connection: None })
}

fn reload() -> FaultAct {
    FaultAct::Reload("alice".into())
}

/// A server that only hears, and notes how much or how it ended.
fn ear(notes: &Notes) -> impl Fn(Machine, watch::Receiver<bool>) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine, _stop| {
        let notes = notes.clone();
        Box::pin(async move {
            let mut listener = machine.net.listen(PORT).expect("the port is free");
            while let Ok((mut stream, _)) = listener.accept().await {
                let (notes, env, machine) = (notes.clone(), machine.env.clone(), machine.clone());
                env.spawn(async move {
                    loop {
                        let heard = hear(&mut stream).await;
                        let ended = heard.starts_with('!');
                        notes.note(&machine, if heard.len() > 20 { heard.len().to_string() } else { heard });
                        if ended {
                            return;
                        }
                    }
                });
            }
        })
    }
}

/// A client that says so many bytes at once at a time, and reads nothing.
fn shouter(bytes: usize, at_ms: u64) -> impl Fn(Machine) -> BoxFuture<()> + Send + Sync + 'static {
    move |machine| {
        Box::pin(async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            at(&machine, at_ms).await;
            say(&mut stream, &"x".repeat(bytes)).await;
            std::future::pending().await
        })
    }
}

fn a_delay_is_added_each_way_while_it_lasts(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "4s", delay(both(), "300ms"))]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500, 4500]));

    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "1.820s two", "4.520s three"]);
    assert_eq!(notes.of("alice"), ["0.540s one", "2.140s two", "4.540s three"]);
    assert_eq!(outcome.touched[&0], 2);
}

fn a_drawn_delay_keeps_order(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("1s", "8s", delay(up(), "0s..3s"))]);

    play(&plan, ear(&notes), talker(&notes, &[1500, 1600, 1700]));

    let heard = notes.of("server").join(" ");
    let places: Vec<_> = ["one", "two", "three"].iter().map(|word| heard.find(word)).collect();
    assert!(places.iter().all(Option::is_some) && places.is_sorted(), "{heard}");
    assert!(!heard.contains("1.520s one"), "{heard}");
}

fn what_is_lost_is_sent_again_after_200_ms_doubling_and_what_follows_waits_for_it(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "6s", vec![fault("1s", "3s", certain_loss())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 1500, 4000]));

    // `two` leaves at 1.510, 1.710, 2.110, 2.910 and, when all is well again, at 4.510: `three` stands behind it.
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "4.520s twothree"]);
    assert_eq!(outcome.touched[&0], 4);
}

fn under_some_loss_everything_arrives_once_and_in_order(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "60s", vec![fault("1s", "50s", loss(both(), 40))]);

    let outcome = play(
        &plan,
        echo(&Notes::default()),
        noting(&notes, |machine, notes| async move {
            at(&machine, 10).await;
            let mut stream = connected(&machine).await;
            at(&machine, 1000).await;
            for n in 0..20 {
                say(&mut stream, &format!("{n} ")).await;
                notes.note(&machine, hear(&mut stream).await);
            }
        }),
    );

    let heard: String =
        notes.of("alice").iter().filter_map(|note| note.split_once(' ')).map(|(_, text)| text).collect();
    assert_eq!(heard, (0..20).map(|n| format!("{n} ")).collect::<String>());
    assert!(outcome.touched[&0] > 5, "{:?}", outcome.touched);
}

fn a_lost_syn_is_sent_again_after_a_second_doubling(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("500ms", "2500ms", certain_loss())]);

    play(&plan, echo(&notes), dials_at_1_s(&notes));

    // SYNs at 1, 2 and 4 s.
    assert_eq!(notes.of("alice"), ["4.040s connected"]);
}

fn a_slow_link_brings_a_segment_at_a_time_and_the_rest_at_once_when_it_is_well_again(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "9s", vec![fault("500ms", "5s", slow(up(), "1KB/s"))]);

    let outcome = play(&plan, ear(&notes), shouter(10_000, 1000));

    // 1,448 bytes take 1.448 s.
    assert_eq!(notes.of("server"), ["2.467s 1448", "3.915s 1448", "5.010s 7104"]);
    assert_eq!(outcome.touched[&0], 3);
}

fn a_slow_link_caps_one_way_and_back_pressure_reaches_the_writer(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "30s", vec![fault("500ms", "29s", slow(up(), "10KB/s"))]);

    play(
        &plan,
        ear(&Notes::default()),
        noting(&notes, |machine, notes| async move {
            at(&machine, 1000).await;
            let mut stream = connected(&machine).await;
            say(&mut stream, &"x".repeat(164_000)).await;
            notes.note(&machine, "wrote");
        }),
    );

    // All but what its send buffer holds has left: 98,464 bytes at 10,000 a second.
    let wrote = notes.of("alice");
    assert!(wrote[0].starts_with("10.") || wrote[0].starts_with("11."), "{wrote:?}");
}

fn a_half_open_connection_passes_nothing_and_says_nothing_until_tcp_gives_up_and_new_ones_work(
    backend: Backend,
) {
    let notes = Notes::default();
    let plan = plan(backend, "930s", vec![instant("1s", half_open())]);
    let again = notes.clone();
    let talks = talker(&notes, &[500, 1500]);

    let outcome = play(&plan, echo(&notes), move |machine| {
        let (notes, talks) = (again.clone(), talks(machine.clone()));
        async move {
            let clock = machine.clone();
            machine.env.spawn(async move {
                at(&clock, 2000).await;
                let mut stream = connected(&clock).await;
                say(&mut stream, "new").await;
                notes.note(&clock, format!("heard {}", hear(&mut stream).await));
                std::future::pending().await
            });
            talks.await;
        }
    });

    // `two` left for the first time at 1.510; Linux gives up 924.6 s later. The server has nothing to say and never knows.
    assert_eq!(notes.of("alice"), ["0.540s one", "2.080s heard new", "926.110s !TimedOut"]);
    assert_eq!(notes.of("server"), ["0.070s accepted", "0.520s one", "2.060s accepted", "2.060s new"]);
    assert_eq!(outcome.touched[&0], 1);
}

fn the_end_of_a_process_does_not_pass_on_a_half_open_connection(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "5s", vec![instant("1s", half_open()), instant("2s", kill(SERVER))]);

    play(&plan, echo(&notes), talker(&notes, &[500, 3000]));

    assert_eq!(notes.of("alice"), ["0.540s one"]);
}

fn a_cut_comes_behind_exactly_so_many_bytes_and_both_ends_hear_it(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "5s", vec![instant("1s", cut(up(), 5))]);

    let outcome = play(&plan, ear(&notes), talker(&notes, &[500, 1500, 2000]));

    assert_eq!(notes.of("server"), ["0.520s one", "1.520s two", "2.020s th", "2.020s !ConnectionReset"]);
    assert_eq!(notes.of("alice"), ["2.020s !ConnectionReset"]);
    assert_eq!(outcome.touched[&0], 1);
    let of_world = outcome.history.records.iter().filter(|record| *record.host == *"world");
    let seen: Vec<_> = of_world.map(|record| (record.at.as_millis(), record.kind.to_string())).collect();
    let expected = [
        (1000, "fault 0 began: cut alice -> server after 5 bytes".to_owned()),
        (2010, "fault 0 touched alice, server".to_owned()),
        (2010, "fault 0 ended".to_owned()),
    ];
    assert_eq!(seen.len(), expected.len(), "{seen:?}");
    assert!(seen.iter().zip(&expected).all(|(one, other)| one.1 == other.1), "{seen:?}");
}

fn a_cut_without_a_connection_waits_for_the_next_one(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(backend, "5s", vec![instant("0s", cut(up(), 2))]);

    play(&plan, ear(&notes), talker(&notes, &[1500]));

    assert_eq!(notes.of("server"), ["1.520s on", "1.520s !ConnectionReset"]);
}

fn a_reload_closes_connections_as_a_page_does_and_the_next_life_begins_at_once_on_the_same_disk(
    backend: Backend,
) {
    let notes = Notes::default();
    let plan = plan(backend, "5s", vec![instant("1s", reload())]);

    let outcome = play(&plan, echo(&notes), talker(&notes, &[500, 2000]));

    assert_eq!(
        notes.of("server"),
        ["0.070s accepted", "0.520s one", "1.020s !EOF", "1.060s accepted", "1.060s one", "2.020s two"]
    );
    let lives: Vec<_> = outcome
        .history
        .records
        .iter()
        .filter(|record| *record.host == *"alice")
        .map(|record| (record.at.as_secs(), record.process, record.kind.clone()))
        .collect();
    let exited = Kind::Exited { how: "reloaded".to_owned() };
    assert_eq!(lives, [(0, 1, Kind::Started), (1, 1, exited), (1, 2, Kind::Started)]);
    assert_eq!(outcome.touched[&0], 1);
}

fn a_reload_that_lasts_is_over_at_its_end_and_counts_without_a_connection(backend: Backend) {
    let notes = Notes::default();
    let mut plan = plan(backend, "5s", vec![fault("1s", "3s", reload())]);
    plan.ops.push(Op { at: span("500ms"), who: "alice".into(), act: Act::Connect });
    let client = notes.clone();
    let scene = Scene {
        server: Box::new(|_, _| Box::pin(std::future::pending())),
        client: Box::new(move |machine, mut ops| {
            let notes = client.clone();
            Box::pin(async move {
                while let Some(act) = ops.recv().await {
                    if act == Act::Connect {
                        notes.note(&machine, "told to connect");
                    }
                }
            })
        }),
    };

    let outcome = run(&plan, &scene, &RunOptions::default());

    assert_eq!(notes.of("alice"), ["0.500s told to connect", "3.000s told to connect"]);
    assert_eq!(outcome.touched[&0], 1);
}

fn faults_of_every_kind_at_once_compose(backend: Backend) {
    let notes = Notes::default();
    let plan = plan(
        backend,
        "30s",
        vec![
            fault("1s", "9s", delay(both(), "100ms")),
            fault("1s", "9s", loss(both(), 30)),
            fault("1s", "9s", slow(both(), "500B/s")),
            fault("2s", "3s", stall()),
        ],
    );

    let outcome = play(&plan, echo(&notes), talker(&notes, &[1500, 2500, 4000]));

    let heard: String =
        notes.of("alice").iter().filter_map(|note| note.split_once(' ')).map(|two| two.1).collect();
    assert_eq!(heard, "onetwothree");
    assert!(outcome.touched.values().all(|times| *times > 0), "{:?}", outcome.touched);
}

on_both_backends! {
    a_delay_is_added_each_way_while_it_lasts,
    a_drawn_delay_keeps_order,
    what_is_lost_is_sent_again_after_200_ms_doubling_and_what_follows_waits_for_it,
    under_some_loss_everything_arrives_once_and_in_order,
    a_lost_syn_is_sent_again_after_a_second_doubling,
    a_slow_link_brings_a_segment_at_a_time_and_the_rest_at_once_when_it_is_well_again,
    a_slow_link_caps_one_way_and_back_pressure_reaches_the_writer,
    a_half_open_connection_passes_nothing_and_says_nothing_until_tcp_gives_up_and_new_ones_work,
    the_end_of_a_process_does_not_pass_on_a_half_open_connection,
    a_cut_comes_behind_exactly_so_many_bytes_and_both_ends_hear_it,
    a_cut_without_a_connection_waits_for_the_next_one,
    a_reload_closes_connections_as_a_page_does_and_the_next_life_begins_at_once_on_the_same_disk,
    a_reload_that_lasts_is_over_at_its_end_and_counts_without_a_connection,
    faults_of_every_kind_at_once_compose,
}
