//! The same plan gives the same history; another seed, or one extra yield, another. What code draws past its `Env` is for
//! `tests/naive.rs`.

use super::*;
use crate::history::Digest;

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
                let mut drawn = [0; 16];
                machine.env.entropy.fill(&mut drawn);
                let text = format!("{drawn:?}");
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

fn a_plan_has_one_digest_again_and_in_parallel(backend: Backend) {
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
    a_plan_has_one_digest_again_and_in_parallel,
    another_seed_has_another_digest,
    one_extra_yield_is_another_digest,
}
