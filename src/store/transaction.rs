//! Transactions whose statements are parsed once a connection: an outbox commits at every word that is said, and SQLite's
//! parser would take more of that than its tree.
//!
//! In goes a connection, out comes the same within a transaction that writes. Promise: what was done in it is kept as a
//! whole, by [`Transaction::commit`], or not at all.

use std::ops::Deref;

use rusqlite::Connection;

/// A transaction. Dropped without a commit, it is rolled back.
pub(super) struct Transaction<'a> {
    connection: &'a Connection,
}

impl<'a> Transaction<'a> {
    /// Begins one, with the lock for writing: a transaction that reads first could meet another writer. The borrow is
    /// exclusive because SQLite has one transaction a connection.
    pub(super) fn begin(connection: &'a mut Connection) -> Result<Self, rusqlite::Error> {
        execute(connection, "BEGIN IMMEDIATE")?;
        Ok(Self { connection })
    }

    /// Keeps what was done. When that fails nothing is kept.
    pub(super) fn commit(self) -> Result<(), rusqlite::Error> {
        execute(self.connection, "COMMIT")
    }
}

impl Deref for Transaction<'_> {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        self.connection
    }
}

impl Drop for Transaction<'_> {
    fn drop(&mut self) {
        // SQLite rolls back by itself after some errors, and has done so with a transaction that is committed.
        if !self.connection.is_autocommit()
            && let Err(error) = execute(self.connection, "ROLLBACK")
        {
            tracing::warn!(%error, "a transaction was not rolled back");
        }
    }
}

fn execute(connection: &Connection, sql: &str) -> Result<(), rusqlite::Error> {
    connection.prepare_cached(sql)?.execute([]).map(drop)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn connection() -> Connection {
        let connection = Connection::open_in_memory().unwrap();
        connection.execute_batch("CREATE TABLE words (word TEXT UNIQUE)").unwrap();
        connection
    }

    fn words(connection: &Connection) -> Vec<String> {
        let mut select = connection.prepare("SELECT word FROM words ORDER BY word").unwrap();
        select.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    }

    #[test]
    fn what_was_committed_is_kept_and_what_was_dropped_is_not() {
        let mut connection = connection();
        for (word, commits) in [("one", true), ("two", false), ("three", true)] {
            let transaction = Transaction::begin(&mut connection).unwrap();
            transaction.execute("INSERT INTO words VALUES (?1)", [word]).unwrap();
            if commits {
                transaction.commit().unwrap();
            }
        }
        assert_eq!(words(&connection), ["one", "three"]);
    }

    #[test]
    fn a_transaction_that_sqlite_has_rolled_back_is_over() {
        let mut connection = connection();
        connection.execute("INSERT INTO words VALUES ('one')", []).unwrap();
        let transaction = Transaction::begin(&mut connection).unwrap();
        let twice = transaction.execute("INSERT OR ROLLBACK INTO words VALUES ('one')", []);
        assert!(twice.is_err() && transaction.commit().is_err());

        Transaction::begin(&mut connection).unwrap().commit().unwrap();
    }
}
