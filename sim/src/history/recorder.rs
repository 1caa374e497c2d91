//! Takes records from many processes of one run, numbers them and folds them into the digest.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::plan::Name;

use super::{Kind, Record};

/// 128 bits over every record, with its virtual time, and every chunk of bytes handed to a process.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub struct Digest(pub u128);

impl fmt::Display for Digest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

/// All that happened in a run.
#[derive(Debug, Clone)]
pub struct History {
    /// In order.
    pub records: Vec<Record>,
    /// Of the records and the chunks.
    pub digest: Digest,
    /// How many chunks of bytes were handed to processes.
    pub chunks: u64,
}

/// Where the wrappers of one run write. A handle: cheap to clone.
#[derive(Clone)]
pub struct Recorder {
    inner: Arc<Mutex<Vec<Record>>>,
}

impl Recorder {
    /// An empty history.
    pub fn new() -> Self {
        todo!()
    }

    /// Writes a record; its step is its place.
    pub fn record(&self, _at: Duration, _host: &Name, _process: u32, _session: u32, _kind: Kind) {
        todo!()
    }

    /// Folds bytes that were handed to a process into the digest: time, connection, length and hash.
    pub fn chunk(&self, _at: Duration, _connection: u64, _bytes: &[u8]) {
        todo!()
    }

    /// Looks at each record that was written since `seen` records, without copying them.
    pub fn since(&self, _seen: usize, _look: impl FnMut(&Record)) -> usize {
        todo!()
    }

    /// The history so far; later records go nowhere.
    pub fn finish(&self) -> History {
        todo!()
    }
}
