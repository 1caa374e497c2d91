//! The message log in SQLite: WAL, `synchronous=FULL`, one transaction a batch.

use std::path::Path;

use super::{Appended, Draft, LogOffset, MessageLog, StoreError, Stored};

/// The message log in an SQLite file.
pub struct SqliteLog {}

impl SqliteLog {
    /// Opens a file, creates it where there is none, and brings an older schema up to date.
    ///
    /// # Errors
    /// When it cannot be opened, or is newer than this program.
    pub fn open(_path: &Path) -> Result<Self, StoreError> {
        todo!()
    }

    /// Uses an open connection, such as one on another VFS; brings its schema up to date.
    ///
    /// # Errors
    /// As [`SqliteLog::open`].
    pub fn with_connection(_connection: rusqlite::Connection) -> Result<Self, StoreError> {
        todo!()
    }
}

impl MessageLog for SqliteLog {
    fn append(&mut self, _batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        todo!()
    }

    fn read(&mut self, _room: &str, _after: LogOffset, _limit: usize) -> Result<Vec<Stored>, StoreError> {
        todo!()
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        todo!()
    }
}
