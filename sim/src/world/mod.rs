//! A plan becomes a history: machines, links and faults. The backends live here and nowhere else.
//!
//! In: a [`Plan`] and an [`App`]. Out: an [`Outcome`], the same for the same plan, in any thread and process. A run is one
//! fresh thread; nothing that happens in it escapes, a panic included.
//!
//! | module | is |
//! |---|---|
//! | `drive` | the loop: ops, faults, and when it is over |
//! | `triggers` | when faults begin: at a time, or with what happens |
//! | `faults` | what breaks and how it heals |
//! | `roster` | machines, their disks, and the lives on them |
//! | `hardware` | a machine as what breaks it meets it: kernel, disk, and the process that runs |
//! | `process` | one life, behind the gate that death closes |
//! | `env`, [`net`] | what a process takes from the world |
//! | `kernel` | sockets, buffers and links, ungated |
//! | `backend` | the seam to what brings hosts and time |
//! | `turmoil` | a backend that ticks: two hosts, and a stream between them |
//! | `event` | a backend that jumps from event to event: one host for all |
//! | `host` | a runtime of a backend: tasks and timers |
//! | `seen` | what processes saw at their ends of connections |
//! | `bell` | wakes the loop before its time |
//! | `moment` | the virtual time, and whose code runs, for everything in the thread |
//! | `interposer` | `getrandom` and `clock_gettime`, for code that takes no `Env` |
//! | `wait_chain` | why a run has not settled |
//! | `panics`, `log` | what is said past the history |

mod backend;
mod bell;
mod drive;
mod env;
mod event;
mod faults;
mod freezer;
mod hardware;
mod host;
#[cfg(target_os = "linux")]
mod interposer;
mod kernel;
mod log;
mod moment;
pub mod net;
mod panics;
mod process;
mod roster;
mod seen;
#[cfg(test)]
mod tests;
mod timepiece;
mod triggers;
mod turmoil;
mod wait_chain;

use std::collections::{BTreeMap, BTreeSet};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::atomic::AtomicU64;
use std::time::Duration;

use crate::app::App;
use crate::check::Ending;
use crate::disk;
use crate::history::{History, Recorder};
use crate::plan::{Name, Plan};
use crate::reach::trail::Step;
use crate::reach::{Reached, Trail};
use crate::scenario::limits::TICK;
use drive::Drive;

pub use seen::{Call, Seen, Sight};

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// How it ended.
    pub ending: Ending,
    /// Virtual time.
    pub elapsed: Duration,
    /// For each fault of the plan, how often it touched traffic: something held, a connection reset or closed.
    pub touched: BTreeMap<usize, u64>,
    /// What panicked in the run, or kept it from running, if anything did: it fails the seed.
    pub panics: Vec<String>,
    /// The most tasks that ran at one time past `Env.spawn`: more than zero is a defect of what was put to the test, for
    /// no fault could reach them.
    pub stray_tasks: u64,
    /// How many handles to its world were held when that was gone: more than zero is a defect of what was put to the test,
    /// for it keeps itself alive, and with it all the memory that it has.
    pub leaked: usize,
    /// Every place of [`squall::reached::SITES`] that was reached, and how often.
    pub reached: Reached,
    /// What else is to be known of it to tell in which states of the protocol faults touched connections, in order.
    pub steps: Vec<Step>,
    /// What processes saw at their ends of connections, in order; empty where nobody asked for it.
    pub seen: Vec<Seen>,
    /// What was logged, in order; empty where nothing was asked for.
    pub log: Vec<LogLine>,
}

/// A line that something under test logged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogLine {
    /// How many records were written before it.
    pub before: u64,
    /// The line, stamped with virtual time and host, without its end.
    pub text: String,
}

/// What of a run does not change its outcome.
#[derive(Debug, Clone, Default)]
pub struct RunOptions {
    /// What to log: a level for the program under test, or directives as `RUST_LOG` has them. Nothing when absent.
    pub log: Option<String>,
    /// Whether to keep what processes see at their ends of connections.
    pub seen: bool,
    /// The kind of fault that does nothing, though all is said of it as ever: who counts what faults touch must notice.
    #[cfg(test)]
    pub(crate) taken_out: Option<crate::plan::FaultKind>,
}

/// Enough for SQLite, hyper and a debug build.
const STACK: usize = 8 << 20;

/// Whether runs are possible and repeatable in this program, with these options.
///
/// # Errors
/// With the cure, when they are not.
pub fn preflight(options: &RunOptions) -> Result<(), String> {
    if !cfg!(tokio_unstable) {
        return Err("this program was built without `--cfg tokio_unstable`, so `select!` would not repeat. It stands in \
                    .cargo/config.toml, but the environment variable RUSTFLAGS overrides that: unset it, or add \
                    `--cfg tokio_unstable` to it"
            .to_owned());
    }
    options.log.as_deref().map_or(Ok(()), |directives| log::filter(directives).map(drop))
}

/// Runs a plan to its end, on a fresh thread.
pub fn run(plan: &Plan, app: &(dyn App + Sync), options: &RunOptions) -> Outcome {
    run_watched(plan, app, options, &AtomicU64::new(0))
}

/// As [`run`]. `progress` tells other threads how far it is, in milliseconds of virtual time: it stands still while code
/// under test loops without yielding, which nothing in the run can end.
pub fn run_watched(
    plan: &Plan,
    app: &(dyn App + Sync),
    options: &RunOptions,
    progress: &AtomicU64,
) -> Outcome {
    if let Err(why) = preflight(options).and_then(|()| check(plan)) {
        return Outcome::none(why);
    }
    std::thread::scope(|scope| {
        let thread = std::thread::Builder::new().name(format!("seed {}", plan.seed)).stack_size(STACK);
        match thread.spawn_scoped(scope, || live(plan, app, options, progress)) {
            Ok(running) => running.join().unwrap_or_else(|_| Outcome::none("the world panicked".to_owned())),
            Err(error) => Outcome::none(format!("failed to start a thread: {error}")),
        }
    })
}

impl Outcome {
    /// Of a run that never was.
    fn none(why: String) -> Self {
        Self {
            history: Recorder::new().finish(),
            ending: Ending::Unsettled { wait_chain: vec![why.clone()] },
            elapsed: Duration::ZERO,
            touched: BTreeMap::new(),
            panics: vec![why],
            stray_tasks: 0,
            leaked: 0,
            reached: Reached::default(),
            steps: Vec::new(),
            seen: Vec::new(),
            log: Vec::new(),
        }
    }
}

/// A plan may come from a file: what it names must be there.
fn check(plan: &Plan) -> Result<(), String> {
    if plan.network.latency.low < TICK {
        return Err(format!("a latency below {:?} cannot be simulated", TICK));
    }
    let names: BTreeSet<Name> = roster::names(plan).collect();
    if names.len() != plan.clients.len() + 1 || names.len() > usize::from(u16::MAX) {
        return Err("a plan has one server, and clients with other names, 65,000 at most".to_owned());
    }
    let is_empty = |lasts: crate::units::Span| lasts.0.is_zero();
    if let Some(place) = plan.faults.iter().position(|fault| fault.lasts.is_some_and(is_empty)) {
        return Err(format!("fault #{place} of the plan ends before it has begun"));
    }
    let users = plan.ops.iter().map(|op| &op.who).filter(|who| !plan.clients.contains_key(*who));
    let victims = plan.faults.iter().flat_map(|fault| fault.what.victims().iter().chain(fault.at.watched()));
    match users.chain(victims.filter(|name| !names.contains(*name))).next() {
        Some(unknown) => Err(format!("the plan speaks of {unknown}, who is not in it")),
        None => Ok(()),
    }
}

/// The whole life of the thread of a run.
fn live(plan: &Plan, app: &(dyn App + Sync), options: &RunOptions, progress: &AtomicU64) -> Outcome {
    // First of all: what the thread draws before would be drawn for good.
    #[cfg(target_os = "linux")]
    interposer::enable(plan.seed);
    disk::set_wall_clock(moment::wall);
    panics::keep();
    let recorder = Recorder::new();
    let trail = Trail::new(&recorder);
    let listening = match log::Listening::start(options, &recorder, &trail) {
        Ok(listening) => listening,
        Err(why) => return Outcome::none(why),
    };
    let outside = recorder.holders();
    let written = (&recorder, &trail);
    let mut outcome =
        match catch_unwind(AssertUnwindSafe(|| Drive::start(plan, app, options, written, progress))) {
            Ok(Ok(drive)) => to_the_end(drive, written),
            Ok(Err(why)) => Outcome::none(why),
            Err(_) => Outcome::none("the world failed to start".to_owned()),
        };
    outcome.leaked = recorder.holders().saturating_sub(outside);
    outcome.panics.extend(panics::so_far());
    outcome.reached = listening.reached();
    outcome.log = listening.lines();
    outcome
}

/// Runs, takes what came of it, and only then takes the world apart: what its parts do as they fall is no history.
fn to_the_end(mut drive: Drive<'_>, (recorder, trail): (&Recorder, &Trail)) -> Outcome {
    let mut failures = Vec::new();
    let ending = match catch_unwind(AssertUnwindSafe(|| drive.finish())) {
        Ok(Ok(ending)) => ending,
        Ok(Err(why)) => {
            failures.push(why.clone());
            Ending::Unsettled { wait_chain: vec![why] }
        }
        Err(_) => Ending::Unsettled { wait_chain: panics::so_far() },
    };
    let outcome = Outcome {
        history: recorder.finish(),
        ending,
        elapsed: drive.now(),
        touched: drive.touched(),
        panics: failures,
        stray_tasks: drive.stray_tasks,
        leaked: 0,
        reached: Reached::default(),
        steps: trail.take(),
        seen: drive.seen(),
        log: Vec::new(),
    };
    drive.silence();
    // Should something panic as it falls, the hook has kept what it said.
    drop(catch_unwind(AssertUnwindSafe(|| drop(drive))));
    outcome
}
