//! One session: what was sent to its socket, as long as it is kept.

use std::collections::VecDeque;
use std::time::Duration;

use crate::engine::{Sid, Time};

use super::super::super::{Encoded, Namespace};

/// What an entry costs besides its bytes, so that a flood of tiny events is bounded too.
const ENTRY_COST: usize = 64;

/// What outlives a connection.
#[derive(Debug)]
pub(super) struct Session {
    pub(super) pid: String,
    pub(super) socket: Sid,
    pub(super) namespace: Namespace,
    /// The head when it began: its client can have nothing of before.
    pub(super) start: u64,
    /// Whoever has this position misses nothing but what is in the queue.
    pub(super) floor: u64,
    queue: VecDeque<Entry>,
    bytes: usize,
    /// When it ends, while it has no connection.
    pub(super) ends: Option<Time>,
    /// Whether it is from before the server started.
    pub(super) is_restored: bool,
}

/// An event that was sent.
#[derive(Debug)]
struct Entry {
    position: u64,
    at: Time,
    encoded: Encoded,
}

impl Session {
    /// One to which nothing was sent yet.
    pub(super) fn new(pid: String, socket: Sid, namespace: Namespace, start: u64) -> Self {
        Self {
            pid,
            socket,
            namespace,
            start,
            floor: start,
            queue: VecDeque::new(),
            bytes: 0,
            ends: None,
            is_restored: false,
        }
    }

    /// Keeps an event that is sent, the last of all.
    pub(super) fn push(&mut self, position: u64, at: Time, encoded: Encoded) {
        self.bytes += cost(&encoded);
        self.queue.push_back(Entry { position, at, encoded });
    }

    /// What was sent after a position, in order; `None` where not all of it is kept.
    pub(super) fn after(&self, position: u64) -> Option<Vec<Encoded>> {
        if position < self.floor {
            return None;
        }
        let first = self.queue.partition_point(|entry| entry.position <= position);
        Some(self.queue.range(first..).map(|entry| entry.encoded.clone()).collect())
    }

    pub(super) fn is_empty(&self) -> bool {
        self.queue.is_empty()
    }

    /// Keeps no more than so many bytes. Whether anything was forgotten.
    pub(super) fn trim(&mut self, max_bytes: usize) -> bool {
        self.drop_while(|session, _| session.bytes > max_bytes)
    }

    /// Keeps nothing that is so old. Whether anything was forgotten.
    pub(super) fn trim_older(&mut self, now: Time, keep: Duration) -> bool {
        self.drop_while(|_, oldest| now.since(oldest.at) >= keep)
    }

    fn drop_while(&mut self, is_too_much: impl Fn(&Self, &Entry) -> bool) -> bool {
        let before = self.queue.len();
        while self.queue.front().is_some_and(|oldest| is_too_much(self, oldest)) {
            let oldest = self.queue.pop_front().expect("it was looked at");
            self.bytes -= cost(&oldest.encoded);
            self.floor = oldest.position;
        }
        self.queue.len() < before
    }
}

fn cost(encoded: &Encoded) -> usize {
    encoded.iter().map(|message| message.wire_len() + ENTRY_COST).sum()
}
