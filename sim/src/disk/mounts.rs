//! Which disk a path is on: the mounts of this thread, by their paths.
//!
//! A run is one thread, so runs at the same time may give their machines the same names and never meet.

use std::cell::{Cell, RefCell};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use super::lock;
use super::storage::{Failure, MountId, Storage};
use crate::units::SpanRange;

thread_local! {
    static MOUNTS: RefCell<BTreeMap<String, Mounted>> = const { RefCell::new(BTreeMap::new()) };
    static WALL: Cell<fn() -> SystemTime> = const { Cell::new(|| SystemTime::UNIX_EPOCH) };
}

/// A disk, for one life.
#[derive(Clone)]
pub(super) struct Mounted {
    id: MountId,
    storage: Arc<Mutex<Storage>>,
}

impl Mounted {
    pub(super) fn id(&self) -> MountId {
        self.id
    }

    /// Does something with the disk. What strikes as it is asked for does so while the disk is free, and then it is asked for
    /// again.
    pub(super) fn with<R>(&self, mut operation: impl FnMut(&mut Storage) -> R) -> R {
        loop {
            let mut storage = lock(&self.storage);
            let result = operation(&mut storage);
            let strikes = storage.take_due();
            drop(storage);
            if strikes.is_empty() {
                return result;
            }
            strikes.into_iter().for_each(|strike| strike());
        }
    }
}

/// A disk for what has no name: a temporary file of SQLite's, which no fault reaches.
pub(super) fn nameless() -> Mounted {
    let mut storage = Storage::new("nameless", 0, SpanRange::default());
    Mounted { id: storage.mount(), storage: Arc::new(Mutex::new(storage)) }
}

pub(super) fn add(path: &str, id: MountId, storage: &Arc<Mutex<Storage>>) {
    let mounted = Mounted { id, storage: Arc::clone(storage) };
    MOUNTS.with_borrow_mut(|mounts| mounts.insert(path.to_owned(), mounted));
}

/// Unless another life has the path by now, or the thread is over.
pub(super) fn remove(path: &str, id: MountId) {
    let removed = MOUNTS.try_with(|mounts| {
        let mut mounts = mounts.borrow_mut();
        if mounts.get(path).is_some_and(|mounted| mounted.id == id) { mounts.remove(path) } else { None }
    });
    drop(removed);
}

/// The mount that a path is on, and the file's name there.
pub(super) fn find(path: &str) -> Result<(Mounted, &str), Failure> {
    let (mount, name) = path.trim_start_matches('/').rsplit_once('/').ok_or(Failure::Absent)?;
    let mounted = MOUNTS.with_borrow(|mounts| mounts.get(mount).cloned());
    // Where there is none, its life is over.
    mounted.map(|mounted| (mounted, name)).ok_or(Failure::Error)
}

/// What SQLite's `datetime('now')` says in this thread; the first second of 1970 until this is called.
pub fn set_wall_clock(now: fn() -> SystemTime) {
    WALL.set(now);
}

/// Since 1970.
pub(super) fn wall() -> Duration {
    (WALL.get())().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default()
}
