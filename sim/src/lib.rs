//! Deterministic simulation of Squall: a scenario and a seed become a plan, a plan becomes a history, a history a verdict.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | [`draw`] | seed, stream, entity, number | a draw that no other draw can move |
//! | [`scenario`] | YAML | a scenario, or errors with file, line and column |
//! | [`plan`] | scenario and seed | the only input of a run; prints and reads back |
//! | [`history`] | records | the only output of a run, and its digest |
//! | [`reach`] | what runs reached | what was reached of the program, and by which faults in which state |
//! | [`disk`] | SQLite's calls, faults | a disk that can lose power |
//! | [`world`] | plan and app | machines, links and faults on one of two backends, run to the end |
//! | [`app`] | a machine | what is put to the test: Squall's chat |
//! | [`check`] | history | one promise a file: held or broken, with a witness |
//! | [`report`] | verdicts | text |
//! | [`hunt`] | seeds | the tally of a scenario, on several cores |
//! | [`shrink`] | a failing plan | the smallest plan that breaks the same promise |
//! | [`subject`] | paths | scenarios and plans to run |
//! | [`command`] | arguments | `cargo sim run`, `replay`, `sabotage` |

pub mod app;
pub mod check;
pub mod command;
pub mod disk;
pub mod draw;
pub mod history;
pub mod hunt;
pub mod plan;
pub mod reach;
pub mod report;
pub mod scenario;
pub mod shrink;
pub mod subject;
pub mod units;
pub mod world;
