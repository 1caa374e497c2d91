//! The chat, written on the public API as a user would write it.
//!
//! [`serve`] puts the chat's handlers on a [`crate::Server`]; [`ChatClient`] is the other end. [`wire`] has what they say.
//!
//! Promise, for each message a [`ChatClient`] acknowledged: every client that reads from before it shows it exactly once,
//! in the order of the log, across drops, ping timeouts, partitions and restarts.

mod client;
mod log;
#[cfg(feature = "cli")]
pub mod page;
mod server;
#[cfg(feature = "cli")]
pub mod terminal;
#[cfg(test)]
mod tests;
pub mod wire;

pub use client::{ChatClient, ChatEvent, ChatOptions, ChatStatus, ReceiveMode, SendMode, Shown};
pub use log::ChatLog;
pub use server::{ChatConfig, serve};
