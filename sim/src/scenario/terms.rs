//! The words that a scenario and the plans drawn from it share: server and network, and what can break.
//!
//! They read and print the same in both files. Limits are in [`super::limits`], clients in [`super::client`].

use std::fmt;
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
}

/// The network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct NetworkPlan {
    /// One way; drawn for each chunk. Never less than 10 ms, the backend's tick.
    pub latency: SpanRange,
}

/// The faults, as they physically exist. Names follow Chaos Mesh and toxiproxy.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FaultAct {
    /// Nothing passes, nothing is lost: all arrives in order at the first retransmission after the heal.
    Stall(Path),
    /// Both ways silent; who connects tries again at 1 s, doubling.
    Partition(Pair),
    /// Every connection between the two gets an RST, at both ends.
    Reset(Pair),
    /// The process is gone; its kernel says FIN (RST if it holds unread bytes) and refuses until it is started again at `until`.
    Kill(Name),
    /// The process is asked to stop; started again at `until`.
    Shutdown(Name),
}

impl FaultAct {
    /// Whether it lasts, and so has an end. What does not is over at once.
    pub fn lasts(&self) -> bool {
        match self {
            Self::Stall(_) | Self::Partition(_) | Self::Kill(_) | Self::Shutdown(_) => true,
            Self::Reset(_) => false,
        }
    }

    /// The process that it stops.
    pub fn stops(&self) -> Option<&Name> {
        match self {
            Self::Kill(name) | Self::Shutdown(name) => Some(name),
            Self::Stall(_) | Self::Partition(_) | Self::Reset(_) => None,
        }
    }

    /// The two ends of the link that it breaks.
    pub fn link(&self) -> Option<&[Name; 2]> {
        match self {
            Self::Stall(Path::Between(ends) | Path::OneWay(ends)) => Some(ends),
            Self::Partition(pair) | Self::Reset(pair) => Some(&pair.between),
            Self::Kill(_) | Self::Shutdown(_) => None,
        }
    }
}

impl fmt::Display for FaultAct {
    /// `stall alice -> server`, `partition bob -- server`, `kill server`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Stall(Path::Between([a, b])) => write!(f, "stall {a} -- {b}"),
            Self::Stall(Path::OneWay([from, to])) => write!(f, "stall {from} -> {to}"),
            Self::Partition(Pair { between: [a, b] }) => write!(f, "partition {a} -- {b}"),
            Self::Reset(Pair { between: [a, b] }) => write!(f, "reset {a} -- {b}"),
            Self::Kill(name) => write!(f, "kill {name}"),
            Self::Shutdown(name) => write!(f, "shutdown {name}"),
        }
    }
}

/// Two processes, unordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The two.
    pub between: [Name; 2],
}

/// One way or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathText", into = "PathText")]
pub enum Path {
    /// Both ways: `{ between: [alice, server] }`.
    Between([Name; 2]),
    /// From the first to the second: `{ from: alice, to: server }`.
    OneWay([Name; 2]),
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<[Name; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Name>,
}

impl TryFrom<PathText> for Path {
    type Error = &'static str;

    fn try_from(text: PathText) -> Result<Self, Self::Error> {
        match (text.between, text.from, text.to) {
            (Some(ends), None, None) => Ok(Self::Between(ends)),
            (None, Some(from), Some(to)) => Ok(Self::OneWay([from, to])),
            _ => Err(PATH_FORMS),
        }
    }
}

impl From<Path> for PathText {
    fn from(path: Path) -> Self {
        match path {
            Path::Between(ends) => Self { between: Some(ends), from: None, to: None },
            Path::OneWay([from, to]) => Self { between: None, from: Some(from), to: Some(to) },
        }
    }
}

/// What a stall must say.
pub(super) const PATH_FORMS: &str =
    "a stall says either `between` for both ways, or `from` and `to` for one way";
