//! The only output of a run: records in one order, written by wrappers at the seams, and a digest of all that happened.

mod digest;
mod kind;
mod log;
mod recorder;
mod text;

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::plan::Name;

pub use digest::Digest;
pub use kind::{Kind, Listener, content_digest};
pub use log::{Header, LogError};
pub use recorder::{History, Recorder};

/// A word out of a short fixed list.
pub type Word = &'static str;

/// One thing that happened. Prints as one line of a trace.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct Record {
    /// Its place in the history, counted from zero.
    pub step: u64,
    /// Virtual time since the start of the run.
    #[serde(with = "log::seconds")]
    pub at: Duration,
    /// The process it happened to, or `world` for faults.
    pub host: Name,
    /// Which life of that process, counted from one.
    pub process: u32,
    /// Which connection of that process, counted from one; zero before the first.
    pub session: u32,
    /// What happened.
    #[serde(flatten)]
    pub kind: Kind,
}
