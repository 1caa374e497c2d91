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

use crate::history::Listener;
use crate::plan::Name;

/// What a client says of itself when it connects: noted about its socket, for the server's next life too.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub(super) struct Introduction {
    pub(super) name: Name,
    pub(super) rooms: BTreeSet<Name>,
    /// Which life of it asks, and for the how-manieth time: of its sockets, the one that it has is the last that it asked for,
    /// though what it asked for over an earlier connection may come later.
    pub(super) asked: (u32, u64),
}

/// A socket, as far as the handlers know.
pub(super) struct Member {
    pub(super) introduction: Introduction,
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

    /// Some that are here or may come back, by name.
    pub(super) fn listeners(&self, now: Time, is: impl Fn(&Sid, &Member) -> bool) -> Vec<Listener> {
        self.with(|members| {
            members.retain(|_, member| member.away.is_none_or(|until| now < until));
            let chosen = members.iter().filter(|(sid, member)| is(sid, member));
            let listener = |(sid, member): (&Sid, &Member)| Listener {
                client: member.introduction.name.clone(),
                socket: sid.as_str().into(),
            };
            let mut listeners: Vec<Listener> = chosen.map(listener).collect();
            listeners.sort_by(|one, other| one.client.cmp(&other.client));
            listeners
        })
    }

    /// Sockets of before the server started, which can be taken up again for what is left of the time. A socket of which its
    /// client never heard stays in the store beside the one that the client got instead.
    pub(super) fn restore(&self, stored: &[StoredSession], now: Time, window: Duration) {
        let member = |session: &StoredSession| {
            let introduction = serde_json::from_value(session.data.clone()).ok()?;
            let left = window.saturating_sub(session.parted_for.unwrap_or_default());
            Some((session.socket.clone(), Member { introduction, away: Some(now + left) }))
        };
        self.with(|members| {
            members.extend(stored.iter().filter_map(member));
            let mut last = BTreeMap::new();
            for Member { introduction, .. } in members.values() {
                let last = last.entry(introduction.name.clone()).or_insert(introduction.asked);
                *last = introduction.asked.max(*last);
            }
            members.retain(|_, Member { introduction, .. }| {
                last.get(&introduction.name) == Some(&introduction.asked)
            });
        });
    }
}
