//! One life of one process: everything it runs stands behind a gate that death closes.
//!
//! A dead process polls nothing more: its tasks are woken and dropped, and its streams go nowhere, even in the rest of the
//! poll in which it died. Its machine's kernel lives on and closes its connections.
//! A process that stands still polls nothing either, but loses nothing: what was to run does so when it goes on.
//! A panic in any task ends the process, as it would with `panic = "abort"`.

use std::collections::BTreeMap;
use std::future::Future;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use squall::io::env::BoxFuture;
use tokio::sync::watch;

use super::freezer::Freezer;
use super::host::Host;
use super::kernel::{MachineId, Network, Route};
use super::moment::{self, Identity};
use super::timepiece::Timepiece;
use crate::disk::Mount;
use crate::history::{Kind, Recorder};
use crate::plan::Name;

/// One life of one process.
pub(super) struct Process {
    pub(super) name: Name,
    /// Which life of it, counted from one.
    pub(super) life: u32,
    pub(super) identity: Arc<Identity>,
    pub(super) machine: MachineId,
    pub(super) network: Arc<Network>,
    pub(super) recorder: Recorder,
    /// Its disk; what it writes when it is dead does not count.
    mount: Mount,
    dead: AtomicBool,
    freezer: Freezer,
    spawned: AtomicU64,
    polls: AtomicU64,
    /// Of its tasks, so that death reaches those that wait.
    wakers: Mutex<BTreeMap<u64, Waker>>,
    /// Whether it was asked to stop.
    stop: watch::Sender<bool>,
}

impl Process {
    /// A process that runs nothing yet.
    pub(super) fn new(
        name: &Name,
        life: u32,
        machine: MachineId,
        network: &Arc<Network>,
        clock: &Arc<Timepiece>,
        mount: Mount,
        recorder: &Recorder,
    ) -> Self {
        Self {
            name: Name::clone(name),
            life,
            identity: Arc::new(Identity { label: format!("{name}#{life}").into(), clock: Arc::clone(clock) }),
            machine,
            network: Arc::clone(network),
            recorder: recorder.clone(),
            mount,
            dead: AtomicBool::new(false),
            freezer: Freezer::default(),
            spawned: AtomicU64::new(0),
            polls: AtomicU64::new(0),
            wakers: Mutex::default(),
            stop: watch::Sender::new(false),
        }
    }

    pub(super) fn is_dead(&self) -> bool {
        self.dead.load(Ordering::Relaxed)
    }

    pub(super) fn host(&self) -> &Host {
        self.network.host(self.machine)
    }

    /// Runs its main future: when it ends, the process is gone.
    pub(super) fn run(self: &Arc<Self>, main: BoxFuture<()>) {
        self.gate(main, true);
    }

    /// Runs another of its tasks.
    pub(super) fn spawn(self: &Arc<Self>, task: BoxFuture<()>) {
        self.gate(task, false);
    }

    fn gate(self: &Arc<Self>, future: BoxFuture<()>, is_main: bool) {
        let task = self.spawned.fetch_add(1, Ordering::Relaxed);
        self.host().spawn(Gate {
            process: Arc::clone(self),
            task,
            is_main,
            future: Some(future),
            waker: None,
        });
    }

    /// Asks it to stop, so that its end is no surprise.
    pub(super) fn ask_to_stop(&self) {
        self.stop.send_replace(true);
    }

    pub(super) fn is_asked_to_stop(&self) -> bool {
        *self.stop.borrow()
    }

    /// Turns true when it is asked to stop.
    pub(super) fn stopping(&self) -> watch::Receiver<bool> {
        self.stop.subscribe()
    }

    /// From now on it stands still, until [`Process::thaw`].
    pub(super) fn freeze(&self, fault: usize) {
        self.freezer.freeze(fault);
    }

    /// This fault holds it no more.
    pub(super) fn thaw(&self, fault: usize) {
        self.freezer.thaw(fault);
    }

    /// Whether a task that is to run must wait. What it would have done concerns everyone it is connected with.
    fn holds(&self, task: u64, waker: &Waker) -> bool {
        let Some(faults) = self.freezer.hold(task, waker) else { return false };
        for fault in faults {
            self.network.links.touch_all(fault, &self.network.open(self.machine));
        }
        true
    }

    /// How often its tasks were polled since this was last called.
    pub(super) fn take_polls(&self) -> u64 {
        self.polls.swap(0, Ordering::Relaxed)
    }

    /// It is gone, now. Says which of its connections that closed.
    pub(super) fn end(&self, how: &str) -> Vec<Route> {
        if self.dead.swap(true, Ordering::Relaxed) {
            return Vec::new();
        }
        self.mount.kill();
        let closed = self.network.close_all(self.machine);
        self.recorder.record(moment::now(), &self.name, self.life, 0, Kind::Exited { how: how.to_owned() });
        tracing::debug!(process = %self.identity.label, how, closed = closed.len(), "process exited");
        // Should it have panicked, the run is over.
        self.network.bell.ring();
        let wakers = std::mem::take(&mut *self.wakers.lock().expect("no one panics while holding it"));
        wakers.into_values().for_each(Waker::wake);
        closed
    }

    /// Nothing of it does anything more, and nobody hears of it: the run is over.
    pub(super) fn silence(&self) {
        self.dead.store(true, Ordering::Relaxed);
        self.mount.kill();
    }
}

/// One task of a process.
struct Gate {
    process: Arc<Process>,
    task: u64,
    is_main: bool,
    /// None when it has ended.
    future: Option<BoxFuture<()>>,
    /// The one that the process has for it.
    waker: Option<Waker>,
}

impl Future for Gate {
    type Output = ();

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<()> {
        let gate = &mut *self;
        if !gate.process.is_dead() && gate.process.holds(gate.task, context.waker()) {
            return Poll::Pending;
        }
        gate.process.polls.fetch_add(1, Ordering::Relaxed);
        let _running = moment::enter(&gate.process.identity);
        let ended = !gate.process.is_dead() && gate.poll_alive(context);
        if ended || gate.process.is_dead() {
            gate.drop_future();
            return Poll::Ready(());
        }
        Poll::Pending
    }
}

impl Gate {
    /// Polls the task. True when it has ended, in whatever way.
    fn poll_alive(&mut self, context: &mut Context<'_>) -> bool {
        self.keep(context.waker());
        let Some(future) = &mut self.future else { return true };
        match catch_unwind(AssertUnwindSafe(|| future.as_mut().poll(context))) {
            Ok(Poll::Pending) => false,
            Ok(Poll::Ready(())) => {
                if self.is_main {
                    let asked = self.process.is_asked_to_stop();
                    self.process.end(if asked { "shut down" } else { "ended by itself" });
                }
                true
            }
            Err(_) => {
                // The hook has kept what it said.
                self.process.end("panicked");
                true
            }
        }
    }

    /// Has the process wake the task when it dies.
    fn keep(&mut self, waker: &Waker) {
        if self.waker.as_ref().is_none_or(|kept| !kept.will_wake(waker)) {
            let mut wakers = self.process.wakers.lock().expect("no one panics while holding it");
            wakers.insert(self.task, waker.clone());
            self.waker = Some(waker.clone());
        }
    }

    /// What a task drops belongs to the process, a panic included.
    fn drop_future(&mut self) {
        self.process.wakers.lock().expect("no one panics while holding it").remove(&self.task);
        if let Some(future) = self.future.take()
            && catch_unwind(AssertUnwindSafe(|| drop(future))).is_err()
        {
            self.process.end("panicked");
        }
    }
}

impl Drop for Gate {
    /// Reached with a future only when the runtime goes, at the end of the run.
    fn drop(&mut self) {
        let _running = moment::enter(&self.process.identity);
        self.drop_future();
    }
}
