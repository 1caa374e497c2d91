//! When each client was connected, and whether a fault touched that connection.
//!
//! A fault touches each connection once for the history, be it while it is made. So what touches a client that is not
//! connected belongs to the connection that it gets next; an attempt that failed in between is taken for that one. But one
//! that its user has ended may still be carrying what was sent: until the next one is there, either may be meant. So it is
//! where the server has the next one before the client says that the last one is gone, because it waits for its disk. And
//! whose user connects again before the disconnect is done may go on over the same connection, and whatever touched it.

use super::roll::{Entry, Host, Roll};
use super::table::Table;
use crate::history::Kind;
use crate::plan::Plan;

/// Every client's connections.
#[derive(Debug, Clone)]
pub(super) struct Presences {
    clients: Table<Host, Presence>,
}

/// A client's connections.
#[derive(Debug, Clone, Default)]
pub(super) struct Presence {
    /// Which life of it.
    pub(super) process: u32,
    /// How many connections it has had, in all its lives.
    pub(super) connections: u64,
    /// Whether it is connected, as far as its user can see.
    pub(super) connected: bool,
    /// Whether its user has ended the last one.
    parting: bool,
    /// Whether it may go on over the last one all the same.
    goes_on: bool,
    /// Whether the server has another connection of it than it says itself.
    behind: bool,
    /// Whether its user wants to be disconnected.
    pub(super) leaving: bool,
    /// With which step a fault first touched the connection that it has, or had last.
    pub(super) touched: Option<u64>,
    /// With which step a fault first touched the connection that it will have next.
    touched_next: Option<u64>,
}

impl Presence {
    /// The number of the connection over which goes what is sent now: the one that it has, or the next. So it is also for
    /// what comes before the client says that it is connected.
    pub(super) fn bearer(&self) -> u64 {
        self.connections + u64::from(!self.connected)
    }

    /// When a fault first touched that one.
    pub(super) fn touch_of_the_bearer(&self) -> Option<u64> {
        if self.connected { self.touched } else { self.touched_next }
    }

    /// Whether what touches the client now touches the connection with this number, among all that it has had and will.
    pub(super) fn concerns(&self, connection: u64) -> bool {
        let first = self.connections + u64::from(!self.connected && !self.parting);
        connection >= first
    }
}

impl Presences {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let presence = |name| (roll.host(name), Presence { process: 1, ..Presence::default() });
        Self { clients: plan.clients.keys().map(presence).collect() }
    }

    pub(super) fn of(&self, client: Host) -> Option<&Presence> {
        self.clients.get(client)
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) {
        if let Kind::Touched { .. } = &entry.kind {
            for client in &entry.named {
                if let Some(presence) = self.clients.get_mut(*client) {
                    presence.touch(entry.step);
                }
            }
        } else if let Kind::Connected { peer: Some(_) } = &entry.kind {
            for client in &entry.named {
                if let Some(presence) = self.clients.get_mut(*client) {
                    presence.behind = presence.connected;
                }
            }
        } else if let Kind::Started
        | Kind::Connected { .. }
        | Kind::Disconnected { .. }
        | Kind::Exited { .. }
        | Kind::Did { .. } = &entry.kind
            && let Some(presence) = self.clients.get_mut(entry.who)
        {
            presence.change(entry);
        }
    }
}

impl Presence {
    fn touch(&mut self, step: u64) {
        if self.connected {
            self.touched.get_or_insert(step);
        }
        if !self.connected || self.behind {
            self.touched_next.get_or_insert(step);
        }
    }

    /// It came, or went.
    fn change(&mut self, entry: &Entry<'_>) {
        if let Kind::Started = &entry.kind {
            self.process = entry.process;
        } else if let Kind::Connected { .. } = &entry.kind {
            self.connections += 1;
            self.connected = true;
            self.parting = false;
            self.behind = false;
            self.leaving = false;
            let before = self.touched.filter(|_| self.goes_on);
            self.touched = before.or(self.touched_next);
            (self.touched_next, self.goes_on) = (None, false);
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &entry.kind {
            self.connected = false;
            self.parting = matches!(entry.kind, Kind::Disconnected { reason: "io client disconnect" });
            self.goes_on = self.parting && !self.leaving;
        } else if let Kind::Did { act } = &entry.kind {
            self.leaving = *act == "disconnect";
        }
    }
}
