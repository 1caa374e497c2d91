//! The operations on one disk, numbered: what SQLite asks for, checked against who is alive and what is in trouble.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use super::directory::Directory;
use super::faults::{Faults, Work};
use super::file::File;
use super::locks::Locks;
use super::power::Dice;
use super::shared_memory::{Region, SharedMemory};
use crate::draw::{Stream, draw_duration};
use crate::units::SpanRange;

/// A file, whatever it is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct FileId(u64);

/// One life's view of a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct MountId(u64);

/// An open file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct HandleId(u64);

/// Why an operation was not done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Failure {
    /// `EIO`; also what a process hears that is dead already.
    Error,
    /// `ENOSPC`.
    Full,
    /// Somebody else has the lock.
    Busy,
    /// There is no such file.
    Absent,
    /// Something strikes first; nobody else hears of this.
    HeldBack,
}

/// Called before an operation is done.
pub(super) type Strike = Box<dyn FnOnce() + Send>;

/// How a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Opening {
    /// Make it where there is none.
    pub(super) create: bool,
    /// It is gone when it is closed.
    pub(super) temporary: bool,
    /// SQLite syncs the directory with the first sync of a new journal, and not with that of a new database
    /// (`UNIXFILE_DIRSYNC` in os_unix.c).
    pub(super) journal: bool,
}

/// One disk.
pub(super) struct Storage {
    name: String,
    seed: u64,
    fsync: SpanRange,
    files: BTreeMap<FileId, Stored>,
    directory: Directory,
    mounts: BTreeSet<MountId>,
    open: BTreeMap<HandleId, Open>,
    ids: u64,
    operations: u64,
    syncs: u64,
    latency: Duration,
    /// By the operation that they come before.
    strikes: BTreeMap<u64, Vec<Strike>>,
    due: Vec<Strike>,
    pub(super) faults: Faults,
}

/// A file and what is held on it.
#[derive(Default)]
struct Stored {
    file: File,
    locks: Locks,
    shared_memory: SharedMemory,
}

struct Open {
    mount: MountId,
    file: FileId,
    temporary: Option<String>,
    syncs_directory: bool,
}

impl Storage {
    pub(super) fn new(name: &str, seed: u64, fsync: SpanRange) -> Self {
        Self {
            name: name.to_owned(),
            seed,
            fsync,
            files: BTreeMap::new(),
            directory: Directory::default(),
            mounts: BTreeSet::new(),
            open: BTreeMap::new(),
            ids: 0,
            operations: 0,
            syncs: 0,
            latency: Duration::ZERO,
            strikes: BTreeMap::new(),
            due: Vec::new(),
            faults: Faults::default(),
        }
    }

    pub(super) fn mount(&mut self) -> MountId {
        let mount = MountId(self.next_id());
        self.mounts.insert(mount);
        // Whoever waited is gone.
        self.latency = Duration::ZERO;
        mount
    }

    /// All that a mount has open is dead; its locks are free.
    pub(super) fn unmount(&mut self, mount: MountId) {
        self.mounts.remove(&mount);
        let dead: Vec<HandleId> =
            self.open.iter().filter(|(_, open)| open.mount == mount).map(|(handle, _)| *handle).collect();
        // What was to be gone when it is closed stays: nobody closes it.
        dead.into_iter().for_each(|handle| drop(self.release(handle)));
        self.sweep();
    }

    pub(super) fn lose_power(&mut self) {
        std::mem::take(&mut self.mounts).into_iter().for_each(|mount| self.unmount(mount));
        let dice = self.dice();
        self.directory.lose_power(dice.within("names"));
        for (name, file) in self.directory.files() {
            if let Some(stored) = self.files.get_mut(&file) {
                stored.file.lose_power(dice.within(name));
            }
        }
        self.sweep();
    }

    pub(super) fn operations(&self) -> u64 {
        self.operations
    }

    pub(super) fn strike_at(&mut self, operation: u64, strike: Strike) {
        self.strikes.entry(operation).or_default().push(strike);
    }

    /// What is to be called now that the disk is free: it held back the operation that was asked for.
    pub(super) fn take_due(&mut self) -> Vec<Strike> {
        std::mem::take(&mut self.due)
    }

    pub(super) fn take_latency(&mut self) -> Duration {
        std::mem::take(&mut self.latency)
    }

    /// Opens the file of a name.
    pub(super) fn open(&mut self, mount: MountId, name: &str, how: Opening) -> Result<HandleId, Failure> {
        if !self.mounts.contains(&mount) {
            return Err(Failure::Error);
        }
        let known = self.directory.find(name);
        if known.is_none() && !how.create {
            return Err(Failure::Absent);
        }
        let file = match known {
            Some(file) => file,
            None => self.create(mount, name)?,
        };
        let handle = HandleId(self.next_id());
        let open = Open {
            mount,
            file,
            temporary: how.temporary.then(|| name.to_owned()),
            syncs_directory: how.journal && known.is_none(),
        };
        self.open.insert(handle, open);
        Ok(handle)
    }

    fn create(&mut self, mount: MountId, name: &str) -> Result<FileId, Failure> {
        self.begin(mount, Work::Grow)?;
        let file = FileId(self.next_id());
        self.files.insert(file, Stored::default());
        self.directory.create(name, file);
        Ok(file)
    }

    /// A handle is no more.
    pub(super) fn close(&mut self, handle: HandleId) {
        if let Some(name) = self.release(handle) {
            self.directory.delete(&name);
        }
        self.sweep();
    }

    /// Says which name goes with it.
    fn release(&mut self, handle: HandleId) -> Option<String> {
        let open = self.open.remove(&handle)?;
        if let Some(stored) = self.files.get_mut(&open.file) {
            stored.locks.lower(handle, super::locks::Level::Unlocked);
            stored.shared_memory.unmap(handle);
        }
        open.temporary
    }

    /// What nobody can reach any more is gone.
    fn sweep(&mut self) {
        let Self { files, open, directory, .. } = self;
        files.retain(|file, _| directory.may_name(*file) || open.values().any(|open| open.file == *file));
    }

    pub(super) fn exists(&self, mount: MountId, name: &str) -> Result<bool, Failure> {
        if !self.mounts.contains(&mount) {
            return Err(Failure::Error);
        }
        // As os_unix.c has it: a file without bytes is as good as none.
        let file = self.directory.find(name).and_then(|file| self.files.get(&file));
        Ok(file.is_some_and(|stored| stored.file.length() > 0))
    }

    pub(super) fn delete(&mut self, mount: MountId, name: &str, sync: bool) -> Result<(), Failure> {
        self.begin(mount, Work::Change)?;
        self.directory.find(name).ok_or(Failure::Absent)?;
        self.directory.delete(name);
        if sync {
            self.sync_directory()?;
        }
        self.sweep();
        Ok(())
    }

    /// Copies what is there to the front of `buffer`, and says how much that is.
    pub(super) fn read(
        &mut self,
        handle: HandleId,
        offset: usize,
        buffer: &mut [u8],
    ) -> Result<usize, Failure> {
        // Not numbered: who dies of a read dies of the next operation that changes something.
        self.faults.judge(self.operations, Work::Read)?;
        Ok(self.stored(handle)?.file.read(offset, buffer))
    }

    pub(super) fn length(&mut self, handle: HandleId) -> Result<usize, Failure> {
        Ok(self.stored(handle)?.file.length())
    }

    pub(super) fn write(&mut self, handle: HandleId, offset: usize, bytes: &[u8]) -> Result<(), Failure> {
        let end = offset.checked_add(bytes.len()).ok_or(Failure::Full)?;
        let work = if end > self.stored(handle)?.file.length() { Work::Grow } else { Work::Change };
        let written = self.begin(self.mount_of(handle)?, work);
        let file = &mut self.stored(handle)?.file;
        match written {
            Ok(()) => file.write(offset, bytes),
            // write(2) writes as much as there is space for before it says that there is none.
            Err(Failure::Full) => file.write(offset, &bytes[..bytes.len() / 2]),
            Err(Failure::Error | Failure::Busy | Failure::Absent | Failure::HeldBack) => {}
        }
        written
    }

    pub(super) fn truncate(&mut self, handle: HandleId, length: usize) -> Result<(), Failure> {
        let work = if length > self.stored(handle)?.file.length() { Work::Grow } else { Work::Change };
        self.begin(self.mount_of(handle)?, work)?;
        self.stored(handle)?.file.truncate(length);
        Ok(())
    }

    pub(super) fn sync(&mut self, handle: HandleId) -> Result<(), Failure> {
        if let Err(failure) = self.begin(self.mount_of(handle)?, Work::Sync) {
            if failure != Failure::HeldBack {
                let dice = self.dice();
                self.stored(handle)?.file.fail_to_sync(dice);
            }
            return Err(failure);
        }
        self.stored(handle)?.file.sync();
        let open = self.open.get_mut(&handle).ok_or(Failure::Error)?;
        if std::mem::take(&mut open.syncs_directory) { self.sync_directory() } else { Ok(()) }
    }

    fn sync_directory(&mut self) -> Result<(), Failure> {
        self.take_time(Vec::new());
        self.directory.sync();
        Ok(())
    }

    pub(super) fn locks(&mut self, handle: HandleId) -> Result<&mut Locks, Failure> {
        Ok(&mut self.stored(handle)?.locks)
    }

    pub(super) fn shared_memory(&mut self, handle: HandleId) -> Result<&mut SharedMemory, Failure> {
        Ok(&mut self.stored(handle)?.shared_memory)
    }

    /// The `number`-th region of a file's shared memory.
    pub(super) fn map(
        &mut self,
        handle: HandleId,
        number: usize,
        bytes: usize,
        extend: bool,
    ) -> Result<Option<Arc<Region>>, Failure> {
        Ok(self.shared_memory(handle)?.map(handle, number, bytes, extend))
    }

    /// The next operation that changes something: whether it is done.
    fn begin(&mut self, mount: MountId, work: Work) -> Result<(), Failure> {
        if !self.mounts.contains(&mount) {
            return Err(Failure::Error);
        }
        let next = self.operations + 1;
        while let Some(first) = self.strikes.first_entry().filter(|first| *first.key() <= next) {
            self.due.extend(first.remove());
        }
        if !self.due.is_empty() {
            return Err(Failure::HeldBack);
        }
        self.operations = next;
        let slower = self.faults.judge(self.operations, work)?;
        if work == Work::Sync {
            self.take_time(slower);
        }
        Ok(())
    }

    /// For what happens to the disk now.
    fn dice(&self) -> Dice {
        Dice::new(self.seed, format!("{}/{}", self.name, self.operations))
    }

    fn take_time(&mut self, slower: Vec<SpanRange>) {
        let n = self.syncs;
        self.syncs += 1;
        self.latency += draw_duration(self.fsync.inclusive(), self.seed, Stream::Fsync, &self.name, n);
        for by in slower {
            let entity = format!("{}/slow", self.name);
            self.latency += draw_duration(by.inclusive(), self.seed, Stream::Fsync, &entity, n);
        }
    }

    /// Every handle is a life's; that of a dead one is closed.
    fn stored(&mut self, handle: HandleId) -> Result<&mut Stored, Failure> {
        let file = self.open.get(&handle).ok_or(Failure::Error)?.file;
        self.files.get_mut(&file).ok_or(Failure::Error)
    }

    fn mount_of(&self, handle: HandleId) -> Result<MountId, Failure> {
        Ok(self.open.get(&handle).ok_or(Failure::Error)?.mount)
    }

    fn next_id(&mut self) -> u64 {
        self.ids += 1;
        self.ids
    }
}
