//! The names of a disk's files: as a process sees them, and as they are durable.

use std::collections::{BTreeMap, BTreeSet};

use super::power::{Dice, Writeback};
use super::storage::FileId;

/// One directory. Syncing a file does not sync its name (fsync(2)); syncing the directory does.
#[derive(Default)]
pub(super) struct Directory {
    volatile: BTreeMap<String, FileId>,
    durable: BTreeMap<String, FileId>,
    /// What each name has meant since the last sync, in order; none where it was deleted.
    unsynced: Vec<(String, Option<FileId>)>,
}

impl Directory {
    pub(super) fn find(&self, name: &str) -> Option<FileId> {
        self.volatile.get(name).copied()
    }

    pub(super) fn create(&mut self, name: &str, file: FileId) {
        self.volatile.insert(name.to_owned(), file);
        self.unsynced.push((name.to_owned(), Some(file)));
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.volatile.remove(name);
        self.unsynced.push((name.to_owned(), None));
    }

    pub(super) fn sync(&mut self) {
        self.durable.clone_from(&self.volatile);
        self.unsynced.clear();
    }

    /// Each name that was not synced means what it meant at some moment since.
    pub(super) fn lose_power(&mut self, dice: Dice) {
        let names: BTreeSet<&String> = self.unsynced.iter().map(|(name, _)| name).collect();
        let writeback = Writeback::of(self.unsynced.len(), dice);
        for (part, name) in (0..).zip(names) {
            let seen = &self.unsynced[..writeback.seen(part)];
            match seen.iter().rfind(|(other, _)| other == name) {
                Some((_, Some(file))) => drop(self.durable.insert(name.clone(), *file)),
                Some((_, None)) => drop(self.durable.remove(name)),
                None => {}
            }
        }
        self.unsynced.clear();
        self.volatile.clone_from(&self.durable);
    }

    /// Whether a name means that file, or may after a loss of power.
    pub(super) fn may_name(&self, file: FileId) -> bool {
        let unsynced = self.unsynced.iter().filter_map(|(_, file)| file.as_ref());
        self.volatile.values().chain(self.durable.values()).chain(unsynced).any(|named| *named == file)
    }

    /// Every file that has a name, by name.
    pub(super) fn files(&self) -> impl Iterator<Item = (&String, FileId)> {
        self.volatile.iter().map(|(name, file)| (name, *file))
    }
}
