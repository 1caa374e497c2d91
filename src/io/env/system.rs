//! The real world behind [`Env::tokio`](super::Env::tokio): tokio's timers and tasks, the system's entropy, one thread for blocking work.
//!
//! The only place where the library reaches for a clock, a task or a thread; all else goes through [`Env`](super::Env).

use std::future;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::sync::mpsc;
use std::thread;
use std::time::SystemTime;

use tokio::runtime::Handle;
use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::engine::{Entropy, Time};

use super::{Blocking, BoxFuture, Clock, Spawn};

/// Time since its creation, as tokio's timers see it, so that a paused runtime pauses it too.
pub(super) struct TokioClock {
    origin: Instant,
}

impl TokioClock {
    #[expect(clippy::disallowed_methods, reason = "the seam: this is where production's time comes from")]
    pub(super) fn new() -> Self {
        Self { origin: Instant::now() }
    }
}

impl Clock for TokioClock {
    fn monotonic(&self) -> Time {
        Time::from_start(self.origin.elapsed())
    }

    #[expect(clippy::disallowed_methods, reason = "the seam: this is where production's dates come from")]
    fn wall(&self) -> SystemTime {
        SystemTime::now()
    }

    #[expect(clippy::disallowed_methods, reason = "the seam: this is where production's timers come from")]
    fn sleep_until(&self, until: Time) -> BoxFuture<()> {
        match self.origin.checked_add(until.since_start()) {
            Some(instant) => Box::pin(tokio::time::sleep_until(instant)),
            // Past the end of the system's time.
            None => Box::pin(future::pending()),
        }
    }
}

/// The operating system's entropy.
pub(super) struct SystemEntropy;

impl Entropy for SystemEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        getrandom::fill(bytes).expect("without entropy no id is safe to hand out");
    }
}

/// Tasks of the runtime it was made in.
pub(super) struct TokioSpawn {
    runtime: Handle,
}

impl TokioSpawn {
    pub(super) fn new() -> Self {
        Self { runtime: Handle::current() }
    }
}

impl Spawn for TokioSpawn {
    fn spawn(&self, future: BoxFuture<()>) {
        drop(self.runtime.spawn(future));
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// One thread that runs jobs one at a time, in order. It ends when this is dropped and all jobs are done.
pub(super) struct BlockingThread {
    jobs: mpsc::Sender<Job>,
}

impl BlockingThread {
    pub(super) fn new() -> Self {
        let (jobs, queue) = mpsc::channel::<Job>();
        thread::Builder::new()
            .name("squall-blocking".to_owned())
            .spawn(move || queue.into_iter().for_each(|job| job()))
            .expect("a process that cannot start one thread cannot serve");
        Self { jobs }
    }
}

impl Blocking for BlockingThread {
    fn run(&self, job: Job) -> BoxFuture<()> {
        let (done, outcome) = oneshot::channel();
        let job = Box::new(move || {
            // The waiter may be gone; the work is done all the same.
            drop(done.send(catch_unwind(AssertUnwindSafe(job))));
        });
        self.jobs.send(job).expect("the thread outlives its queue: it catches the panics of its jobs");
        Box::pin(async move {
            // A job's panic belongs to who asked for the job, not to the jobs after it.
            if let Ok(Err(panic)) = outcome.await {
                resume_unwind(panic);
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use std::sync::{Arc, Mutex};
    use std::time::Duration;

    use futures_util::FutureExt;

    use super::*;
    use crate::io::Env;

    #[tokio::test(start_paused = true)]
    async fn a_sleep_ends_when_the_clock_has_come_there() {
        let env = Env::tokio();
        let before = env.clock.monotonic();

        env.sleep(Duration::from_secs(30)).await;

        let slept = env.clock.monotonic().since(before);
        assert!(slept >= Duration::from_secs(30) && slept < Duration::from_secs(31), "slept {slept:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_deadline_past_the_end_of_time_never_comes() {
        let env = Env::tokio();

        let sleep = env.clock.sleep_until(Time::from_start(Duration::MAX));

        assert_eq!(sleep.now_or_never(), None);
    }

    #[tokio::test]
    async fn jobs_run_in_order_although_no_one_waits() {
        let env = Env::tokio();
        let ran = Arc::new(Mutex::new(Vec::new()));
        for number in 0..100 {
            let ran = ran.clone();
            drop(env.blocking.run(Box::new(move || ran.lock().unwrap().push(number))));
        }

        let seen = env.run_blocking(move || ran.lock().unwrap().clone()).await.unwrap();

        assert_eq!(seen, (0..100).collect::<Vec<_>>());
    }

    #[tokio::test]
    async fn a_job_that_panics_takes_its_waiter_and_no_other() {
        let env = Env::tokio();

        let failed = AssertUnwindSafe(env.run_blocking(|| panic!("on purpose"))).catch_unwind().await;
        let next = env.run_blocking(|| 7).await;

        assert!(failed.is_err());
        assert_eq!(next, Some(7));
    }

    #[test]
    fn entropy_differs() {
        let mut bytes = [[0_u8; 16]; 2];
        bytes.iter_mut().for_each(|bytes| SystemEntropy.fill(bytes));
        assert_ne!(bytes[0], bytes[1]);
    }
}
