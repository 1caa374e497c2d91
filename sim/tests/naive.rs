//! Code that takes no `Env` is put to the test as well: a naive app has one digest a plan, over every byte it reads, in any
//! thread and any process, whatever else runs. Outside of a run, time and chance are the system's.
#![cfg(target_os = "linux")]

#[path = "naive/app.rs"]
mod app;

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use app::{Habit, Naive};
use squall_sim::history::Digest;
use squall_sim::plan::{
    Act, AppKind, Backend, ClientPlan, Connections, Fault, FaultAct, Guarantee, Name, NetworkPlan, Op, Path,
    Plan, SERVER, ServerPlan,
};
use squall_sim::units::Span;
use squall_sim::world::{Outcome, RunOptions, Sight, run};

const BACKENDS: [Backend; 2] = [Backend::Turmoil, Backend::Event];

/// The first second of 2026 in UTC, when every run begins.
const EPOCH: u64 = 1_767_225_600;

fn span(text: &str) -> Span {
    text.parse().expect("a duration")
}

/// Five clients, which are held up, thrown out, and whose server dies.
fn plan(backend: Backend, seed: u64) -> Plan {
    let clients =
        ["alice", "bob", "carol", "dave", "erin"].map(|name| (Name::from(name), ClientPlan::default()));
    let with_server = || [Name::from("alice"), Name::from(SERVER)];
    let faults = [
        ("2s", Some("1s"), FaultAct::Stall(Path::between(with_server()))),
        ("4s", None, FaultAct::Reset(Connections { between: with_server(), connection: None })),
        ("6s", Some("1s"), FaultAct::Kill(SERVER.into())),
    ];
    let fault = |(at, lasts, what): (_, Option<&str>, _)| Fault {
        at: span(at).0.into(),
        lasts: lasts.map(span),
        what,
    };
    Plan {
        version: 1,
        scenario: "naive".to_owned(),
        seed,
        backend,
        app: AppKind::Chat,
        guarantee: Guarantee::AtMostOnce,
        server: ServerPlan {
            ping_interval: span("25s"),
            ping_timeout: span("20s"),
            fsync: "5ms".parse().expect("a range"),
            recovery: None,
            store_sessions: false,
        },
        clients: BTreeMap::from(clients),
        network: NetworkPlan { latency: "10ms..80ms".parse().expect("a range") },
        ops: vec![Op { at: span("12s"), who: "alice".into(), act: Act::Wait }],
        faults: faults.map(fault).into(),
        heals: None,
        core: None,
        settle: span("1s"),
    }
}

fn play(backend: Backend, seed: u64, app: &Naive, options: &RunOptions) -> Outcome {
    let outcome = run(&plan(backend, seed), app, options);
    assert_eq!(outcome.panics, Vec::<String>::new());
    assert!(outcome.history.chunks > 100, "a run without traffic proves nothing");
    outcome
}

fn digest(backend: Backend, seed: u64) -> Digest {
    play(backend, seed, &Naive::default(), &RunOptions::default()).history.digest
}

/// Seeds, one after the other.
fn digests(backend: Backend) -> Vec<Digest> {
    (1..=4).map(|seed| digest(backend, seed)).collect()
}

#[test]
fn a_seed_has_one_digest_and_another_seed_has_another() {
    for backend in BACKENDS {
        let first = digests(backend);

        assert_eq!(first, digests(backend), "on {backend}");
        let different: BTreeSet<_> = first.iter().map(ToString::to_string).collect();
        assert_eq!(different.len(), first.len(), "on {backend}");
    }
}

#[test]
fn seeds_in_parallel_do_not_disturb_each_other() {
    for backend in BACKENDS {
        let alone = digests(backend);

        let together: Vec<Vec<Digest>> = std::thread::scope(|scope| {
            let threads: Vec<_> = (0..6).map(|_| scope.spawn(|| digests(backend))).collect();
            threads.into_iter().map(|thread| thread.join().expect("no run panics")).collect()
        });

        assert_eq!(together, vec![alone; 6], "on {backend}");
    }
}

/// Set in the child process of [`another_process_has_the_same_digests`].
const CHILD: &str = "SQUALL_SIM_NAIVE_CHILD";

#[test]
fn another_process_has_the_same_digests() {
    let ours = BACKENDS.map(|backend| format!("{:?}", digests(backend))).join(" ");
    if std::env::var_os(CHILD).is_some() {
        println!("digests={ours}");
        return;
    }
    let child = Command::new(std::env::current_exe().expect("a process knows its program"))
        .args(["--exact", "another_process_has_the_same_digests", "--nocapture"])
        .env(CHILD, "1")
        .output()
        .expect("a program that runs can be run");

    let printed = String::from_utf8_lossy(&child.stdout);
    let theirs = printed.lines().find_map(|line| line.split_once("digests=")).map(|(_, digests)| digests);
    assert_eq!(theirs, Some(ours.as_str()), "it printed: {printed}");
}

/// Else the tests above would prove nothing of it.
#[test]
fn each_habit_decides_something_and_a_seed_decides_it() {
    for backend in BACKENDS {
        let decided = |seed| {
            let app = Naive::default();
            play(backend, seed, &app, &RunOptions::default());
            app.decided()
        };
        let (one, again, two) = (decided(1), decided(1), decided(2));

        for habit in one.keys() {
            assert!(one[habit] == again[habit], "{habit:?} on {backend}");
        }
        // Later ones differ already because they come in another order.
        for habit in [Habit::Select, Habit::ThreadRng, Habit::Hash] {
            assert_ne!(one[&habit].first(), two[&habit].first(), "{habit:?} on {backend}");
        }
        assert!(one[&Habit::MapOrder] != two[&Habit::MapOrder], "on {backend}");
        for (habit, decisions) in &one {
            let different: BTreeSet<&String> = decisions.iter().collect();
            assert!(different.len() > 5, "{habit:?} on {backend}: {different:?}");
        }
    }
}

#[test]
fn dates_are_those_of_the_run() {
    let app = Naive::default();
    let outcome = play(Backend::Event, 1, &app, &RunOptions::default());

    let date_after = |elapsed| u128::from(EPOCH) * 1_000_000_000 + elapsed;
    for date in &app.decided()[&Habit::Date] {
        let date: u128 = date.parse().expect("nanoseconds");
        assert!((date_after(0)..=date_after(outcome.elapsed.as_nanos())).contains(&date), "{date}");
    }
}

#[test]
fn websocket_masks_differ_from_frame_to_frame_and_from_seed_to_seed() {
    let masks = |seed| {
        let options = RunOptions { seen: true, ..RunOptions::default() };
        let seen = play(Backend::Event, seed, &Naive::default(), &options).seen;
        let masks = seen.iter().filter_map(|seen| match &seen.sight {
            Sight::Read(bytes) if *seen.process == *SERVER => mask(bytes),
            Sight::Read(_) | Sight::Connected | Sight::Accepted | Sight::End | Sight::Failed(..) => None,
        });
        masks.collect::<BTreeSet<[u8; 4]>>()
    };
    let (one, two) = (masks(1), masks(2));

    assert_eq!(one, masks(1));
    assert!(one.len() > 50, "{}", one.len());
    assert!(one.is_disjoint(&two));
}

/// The mask of a frame of text that is read from its beginning: RFC 6455, section 5.2.
fn mask(chunk: &[u8]) -> Option<[u8; 4]> {
    let [0x81, length, rest @ ..] = chunk else { return None };
    let extended_length = match length.checked_sub(0x80)? {
        126 => 2,
        127 => 8,
        _ => 0,
    };
    rest.get(extended_length..)?.first_chunk().copied()
}

mod outside {
    //! Of a run: the threads of tests, and of everything else that links this crate.
    #![expect(
        clippy::disallowed_methods,
        clippy::disallowed_types,
        reason = "the subject is what these give"
    )]

    use std::collections::HashMap;
    use std::time::{Duration, Instant, SystemTime};

    use super::*;

    fn order() -> Vec<u32> {
        (0..50).map(|key| (key, ())).collect::<HashMap<u32, ()>>().into_keys().collect()
    }

    /// In a thread of its own, which has drawn nothing.
    fn drawn() -> (Vec<u32>, u64) {
        std::thread::scope(|scope| {
            scope.spawn(|| (order(), rand::random())).join().expect("nothing in it panics")
        })
    }

    #[test]
    fn chance_is_real_before_and_after_a_run_and_beside_it() {
        let before = drawn();
        let beside = std::thread::scope(|scope| {
            let running = scope.spawn(|| digest(Backend::Event, 1));
            let beside = drawn();
            running.join().expect("no run panics");
            beside
        });
        let after = drawn();

        let orders: BTreeSet<_> = [&before.0, &beside.0, &after.0].into();
        let numbers: BTreeSet<_> = [before.1, beside.1, after.1].into();
        assert_eq!((orders.len(), numbers.len()), (3, 3));
    }

    #[test]
    fn time_is_real_beside_a_run() {
        let (date, instant) = (SystemTime::now(), Instant::now());

        let simulated = play(Backend::Event, 1, &Naive::default(), &RunOptions::default()).elapsed;

        assert!(instant.elapsed() > Duration::ZERO);
        assert!(SystemTime::now() > date);
        let since_1970 = date.duration_since(SystemTime::UNIX_EPOCH).expect("it is later");
        assert!(since_1970 > Duration::from_secs(EPOCH) + simulated, "a run's dates are its own");
    }
}
