//! A world for unit tests: tokio's clock, which a test can pause, blocking work done inline, entropy that counts; and a log
//! that ends with its test.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use crate::engine::{Entropy, Time};
use crate::io::Env;
use crate::io::env::{Blocking, BoxFuture, Clock, Spawn};

use super::SqliteLog;

/// A message log without a file.
pub(crate) fn log_in_memory() -> SqliteLog {
    SqliteLog::with_connection(rusqlite::Connection::open_in_memory().expect("memory is there"))
        .expect("the schema is this program's")
}

/// Everything in the test's own thread.
pub(crate) fn inline_env() -> Env {
    Env {
        clock: Arc::new(PausableClock::default()),
        entropy: Arc::new(CountingEntropy::default()),
        spawn: Arc::new(TokioSpawn),
        blocking: Arc::new(InlineBlocking),
    }
}

/// Never gives the same bytes twice.
#[derive(Default)]
pub(crate) struct CountingEntropy(AtomicU64);

impl Entropy for CountingEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        let count = self.0.fetch_add(1, Ordering::Relaxed).to_be_bytes();
        for (byte, filler) in bytes.iter_mut().zip(count.iter().rev().cycle()) {
            *byte = *filler;
        }
    }
}

/// Counts from its first use.
#[derive(Default)]
struct PausableClock(std::sync::OnceLock<tokio::time::Instant>);

impl PausableClock {
    #[expect(clippy::disallowed_methods, reason = "the tests' clock is tokio's, so that it can be paused")]
    fn birth(&self) -> tokio::time::Instant {
        *self.0.get_or_init(tokio::time::Instant::now)
    }
}

impl Clock for PausableClock {
    fn monotonic(&self) -> Time {
        Time::from_start(self.birth().elapsed())
    }

    fn wall(&self) -> SystemTime {
        SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000_000) + self.birth().elapsed()
    }

    #[expect(clippy::disallowed_methods, reason = "the tests' clock is tokio's, so that it can be paused")]
    fn sleep_until(&self, until: Time) -> BoxFuture<()> {
        Box::pin(tokio::time::sleep_until(self.birth() + until.since_start()))
    }
}

struct TokioSpawn;

impl Spawn for TokioSpawn {
    #[expect(clippy::disallowed_methods, reason = "this is the seam")]
    fn spawn(&self, future: BoxFuture<()>) {
        drop(tokio::spawn(future));
    }
}

struct InlineBlocking;

impl Blocking for InlineBlocking {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        Box::pin(async move { job() })
    }
}

/// Works inline until the process dies; from then on drops each job undone.
#[derive(Default)]
pub(crate) struct DyingBlocking(AtomicBool);

impl DyingBlocking {
    pub(crate) fn die(&self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

impl Blocking for DyingBlocking {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let is_dead = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            if !is_dead {
                job();
            }
        })
    }
}
