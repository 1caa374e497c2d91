//! When each client was connected, and whether a fault touched that connection.
//!
//! The world writes that a fault touched a connection at the next tick; by then its end may be recorded already. So a
//! connection still belongs to its client for [`LATE`] after its end.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

/// How much later than it happened the touch of a fault may be recorded: a tick, and what rounds it.
pub(super) const LATE: Duration = Duration::from_millis(20);

/// Every client's connections.
#[derive(Debug, Clone)]
pub(super) struct Presences {
    clients: BTreeMap<Name, Presence>,
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
    /// Whether its user wants to be disconnected.
    pub(super) leaving: bool,
    /// The fault that touched it since it was last connected.
    pub(super) touched: Option<Record>,
    ended: Option<Duration>,
}

impl Presence {
    /// Whether something that goes over the connection with this number can still be touched by what happens at `at`.
    pub(super) fn still_concerns(&self, connection: u64, at: Duration) -> bool {
        let just_ended = self.ended.is_some_and(|ended| at <= ended + LATE);
        if self.connected || just_ended {
            connection >= self.connections
        } else {
            connection > self.connections
        }
    }
}

impl Presences {
    pub(super) fn new(plan: &Plan) -> Self {
        let presence = |name: &Name| (name.clone(), Presence { process: 1, ..Presence::default() });
        Self { clients: plan.clients.keys().map(presence).collect() }
    }

    pub(super) fn of(&self, client: &str) -> Option<&Presence> {
        self.clients.get(client)
    }

    /// Takes the next record.
    pub(super) fn observe(&mut self, record: &Record) {
        if let Kind::Touched { processes, .. } = &record.kind {
            for name in processes {
                if let Some(presence) = self.clients.get_mut(name) {
                    presence.touched.get_or_insert_with(|| record.clone());
                }
            }
            return;
        }
        let Some(presence) = self.clients.get_mut(&record.host) else { return };
        if let Kind::Started = &record.kind {
            presence.process = record.process;
        } else if let Kind::Connected = &record.kind {
            presence.connections += 1;
            presence.connected = true;
            (presence.leaving, presence.touched, presence.ended) = (false, None, None);
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &record.kind {
            presence.connected = false;
            presence.ended.get_or_insert(record.at);
        } else if let Kind::Did { act } = &record.kind {
            presence.leaving = *act == "disconnect";
        }
    }
}
