//! What a simulated process takes from its world: virtual time, keyed draws, gated tasks, and a disk that takes its time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime};

use squall::Env;
use squall::engine::{Entropy, Time};
use squall::io::env::{Blocking, BoxFuture, Clock, Spawn};
use tokio::sync::{mpsc, oneshot};

use super::host::Host;
use super::moment;
use super::process::Process;
use super::timepiece::Timepiece;
use crate::disk::Disk;
use crate::draw::{Stream, draw};

/// The environment of one life of a process.
pub(super) fn env(process: &Arc<Process>, seed: u64, disk: &Disk) -> Env {
    let entity = format!("{}/{}", process.name, process.life);
    Env {
        clock: Arc::new(SimClock {
            host: process.host().clone(),
            dials: Arc::clone(&process.identity.clock),
        }),
        entropy: Arc::new(SimEntropy { seed, entity, drawn: AtomicU64::new(0) }),
        spawn: Arc::new(SimSpawn { process: Arc::clone(process) }),
        blocking: Arc::new(Jobs::new(process, disk)),
    }
}

/// The clocks of the process's machine.
struct SimClock {
    host: Host,
    dials: Arc<Timepiece>,
}

impl Clock for SimClock {
    fn monotonic(&self) -> Time {
        Time::from_start(self.dials.monotonic())
    }

    fn wall(&self) -> SystemTime {
        self.dials.wall()
    }

    fn sleep_until(&self, until: Time) -> BoxFuture<()> {
        if self.dials.runs_true() {
            return Box::pin(self.host.sleep_until(until.since_start()));
        }
        Box::pin(self.dials.sleep_until(&self.host, until.since_start()))
    }
}

struct SimEntropy {
    seed: u64,
    entity: String,
    drawn: AtomicU64,
}

impl Entropy for SimEntropy {
    fn fill(&self, bytes: &mut [u8]) {
        for chunk in bytes.chunks_mut(8) {
            let n = self.drawn.fetch_add(1, Ordering::Relaxed);
            let drawn = draw(self.seed, Stream::Entropy, &self.entity, n).to_le_bytes();
            chunk.copy_from_slice(&drawn[..chunk.len()]);
        }
    }
}

struct SimSpawn {
    process: Arc<Process>,
}

impl Spawn for SimSpawn {
    fn spawn(&self, future: BoxFuture<()>) {
        self.process.spawn(future);
    }
}

type Job = Box<dyn FnOnce() + Send>;

/// Runs jobs one at a time, each at once when its turn comes, and says so only when the disk has done what the job asked of
/// it: what happens between the two is where databases lose data. Who dies in between has done the work and does not
/// know it.
struct Jobs {
    jobs: mpsc::UnboundedSender<(Job, oneshot::Sender<()>)>,
}

impl Jobs {
    fn new(process: &Arc<Process>, disk: &Disk) -> Self {
        let (jobs, mut queue) = mpsc::unbounded_channel::<(Job, oneshot::Sender<()>)>();
        let (host, disk) = (process.host().clone(), disk.clone());
        process.spawn(Box::pin(async move {
            while let Some((job, done)) = queue.recv().await {
                job();
                let latency = disk.take_latency();
                if latency > Duration::ZERO {
                    host.sleep_until(moment::now() + latency).await;
                }
                // The waiter may be gone; the work is done all the same.
                done.send(()).unwrap_or_default();
            }
        }));
        Self { jobs }
    }
}

impl Blocking for Jobs {
    fn run(&self, job: Job) -> BoxFuture<()> {
        let (done, durable) = oneshot::channel();
        // The queue is gone only with the process.
        drop(self.jobs.send((job, done)));
        Box::pin(async {
            // An error says that the process dies.
            drop(durable.await);
        })
    }
}
