//! What must outlive a process, in SQLite: the server's message log and its sessions, the client's outbox.
//!
//! [`MessageLog`] and [`OutboxStorage`] are the synchronous seams: SQLite behind them in production, wrapped by recorders
//! in the simulation. [`Log`] is the server's handle: one committer task owns the storage, so that commit order is offset
//! order is the order in which readers see messages.
//!
//! Promise: what [`Log::append`] answered survives the loss of power. [`SqliteSessions`] knows sockets, as far as they can be
//! taken up again; the others do not.

mod batch;
mod committer;
mod log;
mod memory_outbox;
mod outbox;
mod published;
mod schema;
mod sessions;
mod sqlite;
mod tail;
#[cfg(test)]
pub(crate) mod testing;
mod transaction;

pub use committer::Log;
pub use log::{Appended, Draft, LogOffset, MessageId, MessageLog, StoreError, Stored};
pub use memory_outbox::MemoryOutbox;
pub use outbox::{OutboxStorage, Pending, SqliteOutbox};
pub use sessions::SqliteSessions;
pub use sqlite::SqliteLog;
