//! A plan becomes a history: machines, links and faults. The backends live here and nowhere else.

pub mod net;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::app::App;
use crate::check::Ending;
use crate::history::{History, Recorder};
use crate::plan::Plan;

/// What came of a run.
#[derive(Debug)]
pub struct Outcome {
    /// What happened.
    pub history: History,
    /// How it ended.
    pub ending: Ending,
    /// Virtual time.
    pub elapsed: Duration,
    /// For each fault of the plan, how often it touched traffic: a chunk held, a connection reset or closed, a connect refused.
    pub touched: BTreeMap<usize, u64>,
    /// What panicked in the run, if anything did: it fails the seed.
    pub panics: Vec<String>,
}

/// Runs a plan to its end, on a fresh thread.
pub fn run(_plan: &Plan, _app: &(dyn App + Sync)) -> Outcome {
    let _ = Recorder::new();
    todo!()
}
