//! What a database does that is set up for speed: commits are synced with the next checkpoint, and not before.

use rusqlite::Connection;
use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

/// Sets `PRAGMA synchronous = NORMAL`, and sees to it that nobody sets it otherwise.
pub(in crate::app) fn leave_commits_unsynced(connection: &mut Connection) -> rusqlite::Result<()> {
    connection.pragma_update(None, "synchronous", "NORMAL")?;
    connection.authorizer(Some(|context: AuthContext<'_>| {
        let is_set = matches!(context.action, AuthAction::Pragma { pragma_name: "synchronous", .. });
        if is_set { Authorization::Ignore } else { Authorization::Allow }
    }))
}
