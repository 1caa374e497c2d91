//! The shared memory of a WAL, and its locks (sqlite.org/walformat.html, 2).
//!
//! It is of a machine's memory: it is gone when the last who had it is.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::AtomicU32;

use super::storage::{Failure, HandleId};

/// A piece of memory that connections share: only SQLite looks into it.
pub(super) struct Region(Box<[AtomicU32]>);

impl Region {
    fn new(bytes: usize) -> Self {
        Self((0..bytes.div_ceil(size_of::<AtomicU32>())).map(|_| AtomicU32::new(0)).collect())
    }

    /// Where it is, for as long as it is.
    pub(super) fn address(&self) -> *mut u32 {
        self.0.first().map_or(std::ptr::null_mut(), AtomicU32::as_ptr)
    }
}

/// A range of the eight locks, one bit each.
pub(super) type Slots = u8;

/// The shared memory of one file.
#[derive(Default)]
pub(super) struct SharedMemory {
    regions: Vec<Arc<Region>>,
    holders: BTreeMap<HandleId, Holds>,
}

/// What one handle holds.
#[derive(Default, Clone, Copy)]
struct Holds {
    shared: Slots,
    exclusive: Slots,
}

impl SharedMemory {
    /// The `number`-th region; none where it is not there and is not to be made.
    pub(super) fn map(
        &mut self,
        handle: HandleId,
        number: usize,
        bytes: usize,
        extend: bool,
    ) -> Option<Arc<Region>> {
        self.holders.entry(handle).or_default();
        while extend && self.regions.len() <= number {
            self.regions.push(Arc::new(Region::new(bytes)));
        }
        self.regions.get(number).cloned()
    }

    /// Takes locks, beside others who share them.
    pub(super) fn lock_shared(&mut self, handle: HandleId, slots: Slots) -> Result<(), Failure> {
        if self.others(handle).any(|other| other.exclusive & slots != 0) {
            return Err(Failure::Busy);
        }
        self.holders.entry(handle).or_default().shared |= slots;
        Ok(())
    }

    /// Takes locks for one alone.
    pub(super) fn lock_exclusive(&mut self, handle: HandleId, slots: Slots) -> Result<(), Failure> {
        if self.others(handle).any(|other| (other.exclusive | other.shared) & slots != 0) {
            return Err(Failure::Busy);
        }
        self.holders.entry(handle).or_default().exclusive |= slots;
        Ok(())
    }

    /// Gives locks back.
    pub(super) fn unlock(&mut self, handle: HandleId, slots: Slots) {
        if let Some(holds) = self.holders.get_mut(&handle) {
            holds.shared &= !slots;
            holds.exclusive &= !slots;
        }
    }

    /// A handle has it no more.
    pub(super) fn unmap(&mut self, handle: HandleId) {
        self.holders.remove(&handle);
        if self.holders.is_empty() {
            self.regions.clear();
        }
    }

    fn others(&self, handle: HandleId) -> impl Iterator<Item = Holds> {
        self.holders.iter().filter(move |(other, _)| **other != handle).map(|(_, holds)| *holds)
    }
}
