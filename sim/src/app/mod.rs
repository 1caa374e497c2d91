//! What is put to the test.
//!
//! An app gives the main future of each process. It gets everything through [`Machine`], and writes what happens at its
//! seams into the history.

pub mod chat;
mod client;
mod events;
mod members;
mod peers;
mod recording;
pub mod sabotage;
mod sessions;
mod sight;
mod wire;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::Env;
use squall::io::env::BoxFuture;
use squall::store::StoreError;
use tokio::sync::{mpsc, watch};

use crate::history::{Kind, Recorder};
use crate::plan::{Act, Name, Plan};
use crate::world::net::ProcessNet;

/// What a process of an app gets from the world.
#[derive(Clone)]
pub struct Machine {
    /// The process's name.
    pub name: Name,
    /// Which life of it, counted from one.
    pub process: u32,
    /// Clock, entropy, tasks, blocking work.
    pub env: Env,
    /// True virtual time, which no clock of the process need show.
    pub now: fn() -> Duration,
    /// To listen and to connect.
    pub net: ProcessNet,
    /// An SQLite URI of the database on the machine's disk, which outlives the process; the URI does not. To be opened
    /// with `SQLITE_OPEN_URI`, in the thread of the run.
    pub database: String,
    /// The same of a database for sessions.
    pub sessions: String,
    /// The history.
    pub recorder: Recorder,
    /// Says what the process waits for, for wait chains; set by the app.
    pub probe: Probe,
}

impl Machine {
    /// Writes a record of this process, at true virtual time, whatever its own clock shows. Who is dead, be it in the midst of
    /// its work, has done nothing more.
    pub fn record(&self, session: u32, kind: Kind) {
        if self.net.is_gone() {
            return;
        }
        self.recorder.record((self.now)(), &self.name, self.process, session, kind);
    }
}

/// How long it takes to start a program again that could not open its database, as a service manager does, or a user.
const RESTART: Duration = Duration::from_secs(1);

impl Machine {
    /// Says that the database could not be opened, and ends when it is time to try again.
    async fn restart_after(&self, error: StoreError) {
        self.record(0, Kind::Trouble { what: error.to_string() });
        // What the attempt asked of the disk takes its time now: it must not add up for the one that succeeds.
        self.env.run_blocking(|| ()).await;
        self.env.sleep(RESTART).await;
    }
}

type Ask = Box<dyn Fn() -> Vec<String> + Send>;

/// Says what a process waits for, one line a waiter, from the user to the cause.
#[derive(Clone, Default)]
pub struct Probe(Arc<Mutex<Option<Ask>>>);

impl Probe {
    /// Sets what to ask.
    pub fn set(&self, ask: impl Fn() -> Vec<String> + Send + 'static) {
        *self.0.lock().expect("no one panics while holding it") = Some(Box::new(ask));
    }

    /// Asks.
    pub fn ask(&self) -> Vec<String> {
        self.0.lock().expect("no one panics while holding it").as_ref().map_or_else(Vec::new, |ask| ask())
    }
}

/// What is put to the test. A process is gone when its main future ends.
pub trait App: Send + Sync {
    /// The server's process. `stop` turns true when it is asked to shut down.
    fn server(&self, machine: Machine, plan: &Plan, stop: watch::Receiver<bool>) -> BoxFuture<()>;

    /// A client's process. Ops of the plan arrive when their time has come; those that came while the client was down
    /// arrive first, after a connect if that is what its user last wanted. No more will come when it is asked to shut
    /// down.
    fn client(&self, machine: Machine, plan: &Plan, ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()>;
}
