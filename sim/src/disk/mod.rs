//! A disk that can lose power: a VFS of SQLite in memory, on which databases fail as they do on real ones.
//!
//! In: SQLite's calls, and faults. Out: bytes, errors, and after a loss of power only what a disk may still have: each
//! sector and each name that was not synced is as it was at some moment since its last sync.
//!
//! A [`Disk`] belongs to a machine and outlives its processes. Each life of a process has a [`Mount`] of it, through which it
//! opens its databases; when the process dies, so does the mount, and nothing that the dead still write counts.
//!
//! | module | is |
//! |---|---|
//! | `storage` | the operations, numbered, on the files of one disk |
//! | `file`, `directory` | what is there, and what of it is synced |
//! | `power` | the dice of a loss of power |
//! | `faults` | operations that fail or take long |
//! | `locks`, `shared_memory` | what connections share |
//! | `mounts` | which disk a path is on, in this thread |
//! | `vfs` | SQLite's side: the one place with `unsafe` |
//!
//! Promise: the same calls and the same seed give the same bytes. SQLite's own random numbers (salts of a WAL, nonces of
//! a journal, SQL `random()`) come from one generator of the whole program, so no file is compared by its bytes.

mod directory;
mod faults;
mod file;
mod locks;
mod mounts;
mod power;
mod shared_memory;
mod storage;
#[cfg(test)]
mod tests;
mod vfs;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::units::SpanRange;

pub use faults::Trouble;
pub use mounts::set_wall_clock;
use storage::Storage;

/// What a machine keeps without power. A handle: cheap to clone.
#[derive(Clone)]
pub struct Disk {
    name: Arc<str>,
    storage: Arc<Mutex<Storage>>,
}

impl Disk {
    /// An empty disk. Draws are for its name; a sync takes as long as `fsync` says.
    pub fn new(name: &str, seed: u64, fsync: SpanRange) -> Self {
        let storage = Storage::new(name, seed, fsync);
        Self { name: name.into(), storage: Arc::new(Mutex::new(storage)) }
    }

    /// The disk as one life of a process has it, until it dies. What it opens, it opens in this thread.
    pub fn mount(&self, life: u32) -> Mount {
        let id = self.lock().mount();
        let path = format!("{}/{life}", self.name);
        mounts::add(&path, id, &self.storage);
        Mount { disk: self.clone(), id, path }
    }

    /// The power is gone: so are all processes, and of what was not synced as much as the dice say.
    pub fn lose_power(&self) {
        self.lock().lose_power();
    }

    /// How many operations were done that change something, or failed: each creation, deletion, write, truncation and sync.
    pub fn operations(&self) -> u64 {
        self.lock().operations()
    }

    /// When this operation, counted from one, is asked for, `strike` is called before it is done. It may be what kills who asks.
    pub fn strike_at(&self, operation: u64, strike: impl FnOnce() + Send + 'static) {
        self.lock().strike_at(operation, Box::new(strike));
    }

    /// One operation, counted from one, is in trouble.
    pub fn trouble_at(&self, operation: u64, trouble: Trouble) {
        self.lock().faults.at(operation, trouble);
    }

    /// From now on every operation is in trouble, by the fault of that number. `hears` is told of each that this touches,
    /// within it, and does not use the disk.
    pub fn begin(&self, fault: usize, trouble: Trouble, hears: impl FnMut() + Send + 'static) {
        self.lock().faults.begin(fault, trouble, Box::new(hears));
    }

    /// A fault is over. Says how many operations it has touched.
    pub fn end(&self, fault: usize) -> u64 {
        self.lock().faults.end(fault)
    }

    /// How long the syncs took that were asked for since this was last called.
    pub fn take_latency(&self) -> Duration {
        self.lock().take_latency()
    }

    fn lock(&self) -> MutexGuard<'_, Storage> {
        lock(&self.storage)
    }
}

/// A panic within an operation is known to the panic hook; what it left is still the disk.
fn lock(storage: &Mutex<Storage>) -> MutexGuard<'_, Storage> {
    storage.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A disk as one life of a process has it. Dies when it is dropped, at the latest.
pub struct Mount {
    disk: Disk,
    id: storage::MountId,
    path: String,
}

impl Mount {
    /// What opens a database of that name on this disk, with `SQLITE_OPEN_URI`.
    pub fn uri(&self, file: &str) -> String {
        format!("file:/{}/{file}?vfs={}", self.path, vfs::register())
    }

    /// The process is dead: nothing that it still does counts, and what it had locked is free.
    pub fn kill(&self) {
        self.disk.lock().unmount(self.id);
        mounts::remove(&self.path, self.id);
    }
}

impl Drop for Mount {
    fn drop(&mut self) {
        self.kill();
    }
}
