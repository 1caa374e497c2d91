//! The only output of a run: records in one order, written by wrappers at the seams, and a digest of all that happened.

mod digest;
mod log;
mod recorder;
mod text;

use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall::store::{LogOffset, MessageId};

use crate::plan::Name;

pub use digest::Digest;
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

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Client: the user said something and the outbox has it.
    Sent {
        /// The message.
        id: MessageId,
        /// The chat room.
        room: Arc<str>,
        /// Its number among what this client said, counted from one.
        n: u64,
        /// A hash of its content.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Client: the server has it.
    Acknowledged {
        /// The message.
        id: MessageId,
        /// Its place.
        offset: LogOffset,
    },
    /// Client: the server will never take it.
    Failed {
        /// The message.
        id: MessageId,
        /// Why.
        reason: String,
    },
    /// Client: it was shown to the user.
    Delivered {
        /// The message; none where its sender gave it no id.
        id: Option<MessageId>,
        /// The chat room.
        room: Arc<str>,
        /// Its place.
        offset: LogOffset,
        /// A hash of its content.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: it was committed at a new place.
    Committed {
        /// The message; none where its sender gave it no id.
        id: Option<MessageId>,
        /// The chat room.
        room: Arc<str>,
        /// Its place.
        offset: LogOffset,
        /// A hash of its content.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: a repeat was recognised and not stored again.
    Suppressed {
        /// The message.
        id: MessageId,
        /// Where it is already.
        offset: LogOffset,
    },
    /// Client or server: a socket is connected.
    Connected,
    /// Client or server: a socket is disconnected.
    Disconnected {
        /// Why, in Socket.IO's words.
        #[serde(deserialize_with = "log::disconnect_reason")]
        reason: Word,
    },
    /// Client: the user did what the plan says.
    Did {
        /// `connect` or `disconnect`.
        #[serde(deserialize_with = "log::user_act")]
        act: Word,
    },
    /// Client: the user was told of a trouble that is no message's: refused by the server, an outbox that cannot be kept.
    Trouble {
        /// In words.
        what: String,
    },
    /// The process runs.
    Started,
    /// The process is gone.
    Exited {
        /// How: `killed`, `shut down`, or what it failed with.
        how: String,
    },
    /// A fault of the plan began.
    FaultBegan {
        /// Its place in the plan.
        fault: usize,
    },
    /// A fault of the plan ended.
    FaultEnded {
        /// Its place in the plan.
        fault: usize,
    },
}
