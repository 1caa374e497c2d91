//! Who is in which room, a second time beside the server under test: by what clients say of themselves, and by the handlers.
//!
//! Where sockets can be taken up again, who is away stays; where they are stored, it outlives the server by what the handlers
//! noted about each socket.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall::engine::{Sid, Time};
use squall::socket::stored::StoredSession;

use crate::plan::Name;

/// What a client says of itself when it connects, and what is noted about its socket.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Introduction {
    pub(super) name: Name,
    pub(super) rooms: BTreeSet<Name>,
}

/// A socket, as far as the handlers know.
pub(super) struct Member {
    pub(super) introduction: Introduction,
    /// Which connection of all.
    pub(super) connection: u64,
    /// Without connection: until when it can be taken up again.
    pub(super) away: Option<Time>,
}

/// All of them. A handle: cheap to clone.
#[derive(Clone, Default)]
pub(super) struct Members(Arc<Mutex<BTreeMap<Sid, Member>>>);

impl Members {
    /// Looks at them, or changes them.
    pub(super) fn with<T>(&self, change: impl FnOnce(&mut BTreeMap<Sid, Member>) -> T) -> T {
        change(&mut self.0.lock().expect("no one panics while holding it"))
    }

    /// The names of some that are here or may come back.
    pub(super) fn names(&self, now: Time, is: impl Fn(&Sid, &Member) -> bool) -> Vec<Name> {
        self.with(|members| {
            members.retain(|_, member| member.away.is_none_or(|until| now < until));
            let chosen = members.iter().filter(|(sid, member)| is(sid, member));
            let names: BTreeSet<Name> = chosen.map(|(_, member)| member.introduction.name.clone()).collect();
            names.into_iter().collect()
        })
    }

    /// Sockets of before the server started, which can be taken up again for what is left of the time.
    pub(super) fn restore(&self, stored: &[StoredSession], now: Time, window: Duration) {
        let member = |session: &StoredSession| {
            let introduction = serde_json::from_value(session.data.clone()).ok()?;
            let left = window.saturating_sub(session.parted_for.unwrap_or_default());
            Some((session.socket.clone(), Member { introduction, connection: 0, away: Some(now + left) }))
        };
        self.with(|members| members.extend(stored.iter().filter_map(member)));
    }
}
