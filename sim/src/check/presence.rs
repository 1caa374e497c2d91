//! When each client was connected, and whether a fault touched that connection.
//!
//! A fault touches each connection once for the history, be it while it is made. So what touches a client that is not
//! connected belongs to the connection that it gets next; an attempt that failed in between is taken for that one.

use std::collections::BTreeMap;

use crate::history::{Kind, Record};
use crate::plan::{Name, Plan};

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
    /// The first fault that touched the connection that it has, or had last.
    pub(super) touched: Option<Record>,
    /// The first fault that touched the connection that it will have next.
    touched_next: Option<Record>,
}

impl Presence {
    /// The first fault that touched the connection over which goes what is sent now: the one that it has, or the next.
    pub(super) fn touch_of_the_bearer(&self) -> Option<&Record> {
        if self.connected { self.touched.as_ref() } else { self.touched_next.as_ref() }
    }

    /// Whether what touches the client now touches the connection with this number, among all that it has had and will.
    pub(super) fn concerns(&self, connection: u64) -> bool {
        if self.connected { connection >= self.connections } else { connection > self.connections }
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
                    let touched =
                        if presence.connected { &mut presence.touched } else { &mut presence.touched_next };
                    touched.get_or_insert_with(|| record.clone());
                }
            }
            return;
        }
        let Some(presence) = self.clients.get_mut(&record.host) else { return };
        if let Kind::Started = &record.kind {
            presence.process = record.process;
        } else if let Kind::Connected { .. } = &record.kind {
            presence.connections += 1;
            presence.connected = true;
            presence.leaving = false;
            presence.touched = presence.touched_next.take();
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &record.kind {
            presence.connected = false;
        } else if let Kind::Did { act } = &record.kind {
            presence.leaving = *act == "disconnect";
        }
    }
}
