//! Verdicts and histories as text: plain values go in, text comes out.
//!
//! | file | gives |
//! |---|---|
//! | `scenario_line` | one line a scenario: what was run and what came of it |
//! | `summary` | what all scenarios came to |
//! | `coverage` | which faults met which states of the protocol, and what was never reached |
//! | `weather` | how rough it was: what faults led to |
//! | `roughness` | whether that was rough enough to prove something |
//! | `failure` | a broken promise, with what shows it and the one command that repeats it |
//! | `exit_code` | what the program says to its caller |
//!
//! Text has colours only where the caller says so. Knows no terminal, file or clock: what took how long is an argument.

mod coverage;
mod exit_code;
mod failure;
mod roughness;
mod scenario_line;
mod style;
mod summary;
mod touched;
mod weather;
mod words;

pub use coverage::Coverage;
pub use exit_code::ExitCode;
pub use failure::{Failure, replay_command};
pub use roughness::too_calm;
pub use scenario_line::{ScenarioLine, Status};
pub use summary::Summary;
pub use touched::{Touched, fault_kind};
pub use weather::Weather;
