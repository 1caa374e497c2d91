//! The words that a scenario and the plans drawn from it share: names, server and network.
//!
//! They read and print the same in both files. Limits are in [`super::limits`], clients in [`super::client`], what
//! can break in [`super::faults`].

use std::collections::BTreeSet;
use std::sync::Arc;

use serde::{Deserialize, Serialize};

use crate::units::{Span, SpanRange};

/// What a process is called: `server`, or a client's name in the scenario.
pub type Name = Arc<str>;

/// The name of the server's process.
pub const SERVER: &str = "server";

/// What records of faults are filed under; no process has this name.
pub const WORLD: &str = "world";

/// The server's options.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ServerPlan {
    /// The server pings this long after the last pong.
    pub ping_interval: Span,
    /// A ping without a pong after this long ends the connection.
    pub ping_timeout: Span,
    /// How long a commit takes to become durable; drawn for each.
    pub fsync: SpanRange,
    /// How long a socket of who lost its connection can be taken up again; absent where it cannot.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub recovery: Option<Span>,
    /// Whether that outlives the server's process: sessions are stored on its disk. Only with `recovery`.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub store_sessions: bool,
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// One way; drawn for each chunk. Never less than 10 ms, the backend's tick.
    pub latency: SpanRange,
}

/// For whom the world heals in the end; the server is always of the core.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Core {
    /// For clients that each seed draws: not for all, where something breaks one that it could leave behind.
    Drawn,
    /// For these clients, and for no others.
    Of(BTreeSet<Name>),
}
