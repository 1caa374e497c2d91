//! The same plan gives the same history, whatever the code under test takes its chance from.

use std::hash::{BuildHasher, RandomState};

use super::*;
use crate::history::Digest;

/// Client and server say what they drew from everything that an operating system would draw at random.
#[expect(clippy::disallowed_methods, clippy::disallowed_types, reason = "the subject is code that does this")]
fn naive(machine: &Machine) -> String {
    let map: std::collections::HashMap<u32, u32> = (0..20).map(|n| (n, n)).collect();
    let order: Vec<u32> = map.into_keys().collect();
    let hash = RandomState::new().hash_one("key");
    let date = std::time::SystemTime::now();
    let mut drawn = [0; 16];
    machine.env.entropy.fill(&mut drawn);
    format!("{order:?} {hash} {date:?} {:?} {drawn:?}", std::time::Instant::now())
}

/// A run with faults and drawn latencies, in which both ends exchange what they drew.
fn digest(backend: Backend, seed: u64, yields: usize) -> Digest {
    let mut plan = plan(
        backend,
        "8s",
        vec![fault("1s", "2s", stall()), instant("4s", reset()), fault("5s", "6s", kill(SERVER))],
    );
    plan.seed = seed;
    plan.network.latency = "10ms..80ms".parse().expect("a range");
    let outcome = play(&plan, echo(&Notes::default()), move |machine| async move {
        loop {
            machine.env.sleep(Duration::from_millis(100)).await;
            let Ok(mut stream) = connect(&machine).await else { continue };
            loop {
                for _ in 0..yields {
                    tokio::task::yield_now().await;
                }
                let text = naive(&machine);
                if say(&mut stream, &text).await.starts_with('!') || hear(&mut stream).await.starts_with('!')
                {
                    break;
                }
            }
        }
    });
    assert_eq!(outcome.panics, Vec::<String>::new());
    assert!(outcome.history.chunks > 20);
    outcome.history.digest
}

#[cfg(target_os = "linux")]
fn a_plan_has_one_digest_again_and_in_parallel_even_for_naive_code(backend: Backend) {
    let first = digest(backend, 1, 0);

    let again = digest(backend, 1, 0);
    let parallel: Vec<Digest> = std::thread::scope(|scope| {
        let runs: Vec<_> = (0..4).map(|_| scope.spawn(|| digest(backend, 1, 0))).collect();
        runs.into_iter().map(|run| run.join().expect("no run panics")).collect()
    });

    assert_eq!(first, again);
    assert!(parallel.iter().all(|digest| *digest == first), "{first} {parallel:?}");
}

fn another_seed_has_another_digest(backend: Backend) {
    assert_ne!(digest(backend, 1, 0), digest(backend, 2, 0));
}

fn one_extra_yield_is_another_digest(backend: Backend) {
    assert_ne!(digest(backend, 1, 0), digest(backend, 1, 1));
}

on_both_backends! {
    #[cfg(target_os = "linux")]
    a_plan_has_one_digest_again_and_in_parallel_even_for_naive_code,
    another_seed_has_another_digest,
    one_extra_yield_is_another_digest,
}
