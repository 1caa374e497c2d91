//! Takes records from many processes of one run, numbers them and folds them into the digest.
//!
//! A run is one thread, so the lock is never waited for; it is there because the wrappers that record must be `Send`.
//! Chunks of bytes are counted and folded, not kept.

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::Waker;
use std::time::Duration;

use crate::plan::Name;

use super::digest::{Digest, Fold};
use super::{Kind, Record};

/// All that happened in a run.
#[derive(Debug, Clone, PartialEq)]
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
    inner: Arc<Mutex<Inner>>,
}

struct Inner {
    records: Vec<Record>,
    fold: Fold,
    chunks: u64,
    finished: bool,
    /// Who waits for the next record.
    waiting: Option<Waker>,
    /// By the record that they come with.
    strikes: BTreeMap<u64, Vec<Strike>>,
}

/// Called with a record, once it is written.
type Strike = Box<dyn FnOnce() + Send>;

impl Recorder {
    /// An empty history.
    pub fn new() -> Self {
        let inner = Inner {
            records: Vec::new(),
            fold: Fold::new(),
            chunks: 0,
            finished: false,
            waiting: None,
            strikes: BTreeMap::new(),
        };
        Self { inner: Arc::new(Mutex::new(inner)) }
    }

    /// Writes a record; its step is its place.
    pub fn record(&self, at: Duration, host: &Name, process: u32, session: u32, kind: Kind) {
        let mut inner = self.lock();
        if inner.finished {
            return;
        }
        let step = inner.records.len() as u64;
        let record = Record { step, at, host: Name::clone(host), process, session, kind };
        inner.fold.record(&record);
        inner.records.push(record);
        if let Some(waiting) = inner.waiting.take() {
            waiting.wake();
        }
        let strikes = inner.strikes.remove(&step);
        drop(inner);
        strikes.into_iter().flatten().for_each(|strike| strike());
    }

    /// When the record of that number has been written, `strike` is called, before anything else happens.
    pub fn strike_at(&self, step: u64, strike: impl FnOnce() + Send + 'static) {
        self.lock().strikes.entry(step).or_default().push(Box::new(strike));
    }

    /// Wakes `waiting`, once, when the next record has been written.
    pub fn wake_at_next(&self, waiting: Waker) {
        self.lock().waiting = Some(waiting);
    }

    /// Folds bytes that were handed to a process into the digest: time, connection, length and hash.
    pub fn chunk(&self, at: Duration, connection: u64, bytes: &[u8]) {
        let mut inner = self.lock();
        if inner.finished {
            return;
        }
        inner.fold.chunk(at, connection, bytes);
        inner.chunks += 1;
    }

    /// Folds into the digest how often the tasks of one life of a process were polled in a tick. This is no chunk.
    pub fn polls(&self, at: Duration, host: &Name, process: u32, polls: u64) {
        let mut inner = self.lock();
        if !inner.finished {
            inner.fold.polls(at, host, process, polls);
        }
    }

    /// Looks at each record that was written since `seen` records, without copying them, and says how many there are
    /// now. `look` must not write to this recorder.
    pub fn since(&self, seen: usize, look: impl FnMut(&Record)) -> usize {
        let inner = self.lock();
        inner.records.iter().skip(seen).for_each(look);
        inner.records.len().max(seen)
    }

    /// How many records were written.
    pub fn written(&self) -> u64 {
        self.lock().records.len() as u64
    }

    /// How many can write.
    pub(crate) fn holders(&self) -> usize {
        Arc::strong_count(&self.inner)
    }

    /// The history so far, moved out: later records go nowhere, and a second call finds no records.
    pub fn finish(&self) -> History {
        let mut inner = self.lock();
        inner.finished = true;
        History {
            records: std::mem::take(&mut inner.records),
            digest: inner.fold.digest(),
            chunks: inner.chunks,
        }
    }

    /// A panic elsewhere must not cost the history of the run that it ended.
    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

impl Default for Recorder {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for Recorder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let inner = self.lock();
        f.debug_struct("Recorder").field("records", &inner.records.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn records_are_numbered_by_their_place() {
        let recorder = Recorder::new();
        let other = recorder.clone();
        recorder.record(Duration::ZERO, &"alice".into(), 1, 0, Kind::Started);
        other.record(Duration::ZERO, &"bob".into(), 1, 0, Kind::Started);

        let mut seen = Vec::new();
        assert_eq!(recorder.since(1, |record| seen.push((record.step, record.host.to_string()))), 2);

        assert_eq!(seen, [(1, "bob".to_owned())]);
    }

    #[test]
    fn who_waits_for_a_record_is_called_once_it_is_written_and_may_write_another() {
        let recorder = Recorder::new();
        let alice: Name = "alice".into();
        let (writer, name) = (recorder.clone(), alice.clone());
        recorder.strike_at(1, move || {
            assert_eq!(writer.written(), 2);
            writer.record(Duration::ZERO, &name, 2, 0, Kind::Started);
        });

        for _ in 0..3 {
            recorder.record(Duration::ZERO, &alice, 1, 0, Kind::Started);
        }

        let lives: Vec<u32> = recorder.finish().records.iter().map(|record| record.process).collect();
        assert_eq!(lives, [1, 1, 2, 1]);
    }

    #[test]
    fn what_comes_after_the_end_goes_nowhere() {
        let recorder = Recorder::new();
        recorder.record(Duration::ZERO, &"alice".into(), 1, 0, Kind::Started);
        let history = recorder.finish();

        recorder.record(Duration::ZERO, &"bob".into(), 1, 0, Kind::Started);
        recorder.chunk(Duration::ZERO, 1, b"late");

        assert_eq!(history.records.len(), 1);
        let after = recorder.finish();
        assert_eq!((after.records.len(), after.digest, after.chunks), (0, history.digest, 0));
        assert_eq!(recorder.since(1, |record| unreachable!("{record}")), 1);
    }
}
