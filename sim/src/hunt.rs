//! Seeds of scenarios, run and judged: every seed is a world of its own on a fresh thread.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | `judged` | a plan | its run, judged, with all that happened |
//! | [`tried`] | a judged run | what is kept of it: small, and the same in every process |
//! | [`tally`] | tried seeds | what they come to together, whatever their order |
//! | [`here`] | seeds | a tally, run one after another in this process |
//! | [`workers`] | seeds | the same, on several processes that may be killed |
//! | [`crossing`] | a find of one backend | whether the other shows it too |
//! | `watchdog` | runs of this process | who no longer moves |
//! | `processor` | a process | for how long it has worked |

pub mod crossing;
pub mod here;
#[cfg(test)]
mod idle_faults;
mod judged;
pub(crate) mod processor;
pub mod tally;
pub mod tried;
mod watchdog;
pub mod workers;

use std::time::Duration;

pub use judged::{Judged, Watch, judged, judged_or_stuck};
pub use tally::{Fate, Lost, Tally};
pub use tried::{Tried, Wrong};

/// How long the virtual time of a run may stand still while its process works: a tick takes milliseconds.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// How often runs are looked at in the time that they may stand still. Looks are counted and not time, so that a machine
/// that slept accuses nobody.
const LOOKS: u32 = 20;
