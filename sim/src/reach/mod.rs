//! What runs have reached of the program: places, and faults in every state of the protocol.
//!
//! | module | takes | gives |
//! |---|---|---|
//! | [`places`] | counts of one run after another | what was reached, how often, and what never was |
//! | [`trail`] | what the world sees as it runs | steps, each with its place among the records |
//! | [`state`] | records and steps | in which states each touched connection was |
//! | [`matrix`] | kinds of faults and states | in how many runs each met each, and what never met |
//!
//! Knows plan and history, and nothing of how a run was made.

pub mod matrix;
pub mod places;
pub mod state;
pub mod trail;

pub use matrix::Matrix;
pub use places::Reached;
pub use trail::Trail;
