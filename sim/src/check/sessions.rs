//! The server's ends of the clients' connections: which are open, and whether anything but their heartbeat speaks for
//! their death.
//!
//! A fault touches a connection once for the history, be it while it is made. So what touched a client since the session
//! before it began speaks for the death of a session; it may have touched the connection on which that one was. So does the
//! end of the client's own side: who is gone answers no ping.

use std::collections::BTreeMap;

use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, SERVER};

/// One end of a connection, at the server: which life of the process, and which of its sessions.
pub(super) type SessionId = (u32, u32);

/// All that are open.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    /// Whether something touched each client since its latest session began.
    touched: BTreeMap<Name, bool>,
}

/// One that is open.
#[derive(Debug, Clone)]
pub(super) struct Session {
    /// Whose.
    pub(super) client: Name,
    /// Whether it may die of its heartbeat.
    pub(super) excused: bool,
}

impl Sessions {
    pub(super) fn new(plan: &Plan) -> Self {
        let touched = plan.clients.keys().map(|name| (name.clone(), false)).collect();
        Self { open: BTreeMap::new(), touched }
    }

    /// The sessions of a client.
    pub(super) fn of<'a>(&'a self, client: &'a Name) -> impl Iterator<Item = SessionId> + 'a {
        self.open.iter().filter(move |(_, session)| session.client == *client).map(|(id, _)| *id)
    }

    /// Takes the next record. Gives the session that it ends, if it ends one by itself.
    pub(super) fn observe(&mut self, record: &Record) -> Option<Session> {
        if *record.host == *SERVER {
            return self.on_server(record);
        }
        if let Kind::Touched { processes, .. } = &record.kind {
            processes.iter().for_each(|client| self.on_touched(client));
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &record.kind {
            self.excuse(&record.host);
        }
        None
    }

    fn on_server(&mut self, record: &Record) -> Option<Session> {
        let id = (record.process, record.session);
        if let Kind::Connected { peer: Some(client) } = &record.kind {
            let touched = self.touched.insert(client.clone(), false);
            let session = Session { client: client.clone(), excused: touched.unwrap_or(false) };
            self.open.insert(id, session);
            None
        } else if let Kind::Disconnected { .. } = &record.kind {
            self.open.remove(&id)
        } else {
            if let Kind::Exited { .. } = &record.kind {
                self.open.retain(|(process, _), _| *process != record.process);
            }
            None
        }
    }

    fn on_touched(&mut self, client: &Name) {
        if let Some(touched) = self.touched.get_mut(client) {
            *touched = true;
            self.excuse(client);
        }
    }

    fn excuse(&mut self, client: &Name) {
        let of_client = self.open.values_mut().filter(|session| session.client == *client);
        of_client.for_each(|session| session.excused = true);
    }
}
