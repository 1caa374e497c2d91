//! What processes saw at their ends of connections, kept where someone asks for it: two worlds are told apart by it.

use std::io;
use std::sync::Mutex;
use std::time::Duration;

use bytes::Bytes;

use crate::plan::Name;

/// Something that a process saw at its end of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Seen {
    /// Virtual time since the start of the run.
    pub at: Duration,
    /// The process.
    pub process: Name,
    /// Which life of it.
    pub life: u32,
    /// The end of the connection: the same number in every run of a plan.
    pub end: u64,
    /// What it saw.
    pub sight: Sight,
}

/// What a process can see of a connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Sight {
    /// It dialled, and someone answered.
    Connected,
    /// It listened, and someone dialled.
    Accepted,
    /// It read these bytes.
    Read(Bytes),
    /// It read that there will be no more.
    End,
    /// A call failed so.
    Failed(Call, io::ErrorKind),
}

/// What a process called.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Call {
    /// To dial.
    Connect,
    /// To read.
    Read,
    /// To write.
    Write,
    /// To write no more.
    Shutdown,
}

/// Keeps what is seen, or nothing at all.
#[derive(Default)]
pub(super) struct Witness(Option<Mutex<Vec<Seen>>>);

impl Witness {
    /// One that keeps what it is told.
    pub(super) fn attentive() -> Self {
        Self(Some(Mutex::default()))
    }

    /// Keeps what is seen, if anything is kept: only then is it put into words.
    pub(super) fn see(&self, seen: impl FnOnce() -> Seen) {
        if let Some(kept) = &self.0 {
            kept.lock().expect("no one panics while holding it").push(seen());
        }
    }

    /// All that was seen so far, moved out.
    pub(super) fn take(&self) -> Vec<Seen> {
        let kept = self.0.as_ref().map(|kept| kept.lock().expect("no one panics while holding it"));
        kept.map(|mut kept| std::mem::take(&mut *kept)).unwrap_or_default()
    }
}
