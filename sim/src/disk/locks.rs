//! The locks of a rollback journal, held on one file (sqlite.org/lockingv3.html).

use std::collections::BTreeMap;

use super::storage::{Failure, HandleId};

/// How much of a file a handle has for itself.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Level {
    /// Nothing.
    Unlocked,
    /// It reads; many may.
    Shared,
    /// It means to write; one may, while others read.
    Reserved,
    /// It waits until nobody reads; nobody new may.
    Pending,
    /// It writes; nobody else does anything.
    Exclusive,
}

/// Who holds which lock of a file.
#[derive(Default)]
pub(super) struct Locks(BTreeMap<HandleId, Level>);

impl Locks {
    /// Raises a handle's lock.
    pub(super) fn raise(&mut self, handle: HandleId, to: Level) -> Result<(), Failure> {
        if self.level(handle) >= to {
            return Ok(());
        }
        let highest = self.highest_of_others(handle);
        match to {
            Level::Unlocked => Ok(()),
            Level::Shared if highest >= Level::Pending => Err(Failure::Busy),
            Level::Reserved if highest >= Level::Reserved => Err(Failure::Busy),
            Level::Shared | Level::Reserved => self.set(handle, to),
            Level::Pending | Level::Exclusive if highest >= Level::Reserved => Err(Failure::Busy),
            Level::Pending | Level::Exclusive if highest >= Level::Shared => {
                // It stays: no new reader comes, and the old ones leave.
                self.set(handle, Level::Pending)?;
                if to == Level::Pending { Ok(()) } else { Err(Failure::Busy) }
            }
            Level::Pending | Level::Exclusive => self.set(handle, to),
        }
    }

    /// Lowers a handle's lock.
    pub(super) fn lower(&mut self, handle: HandleId, to: Level) {
        if to == Level::Unlocked {
            self.0.remove(&handle);
        } else if let Some(level) = self.0.get_mut(&handle) {
            *level = to.min(*level);
        }
    }

    /// Whether anyone means to write.
    pub(super) fn is_reserved(&self) -> bool {
        self.0.values().any(|level| *level >= Level::Reserved)
    }

    fn set(&mut self, handle: HandleId, level: Level) -> Result<(), Failure> {
        self.0.insert(handle, level);
        Ok(())
    }

    fn level(&self, handle: HandleId) -> Level {
        self.0.get(&handle).copied().unwrap_or(Level::Unlocked)
    }

    fn highest_of_others(&self, handle: HandleId) -> Level {
        let others = self.0.iter().filter(|(other, _)| **other != handle);
        others.map(|(_, level)| *level).max().unwrap_or(Level::Unlocked)
    }
}
