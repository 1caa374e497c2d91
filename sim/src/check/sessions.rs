//! The server's ends of the clients' connections: which are open, and whether anything but their heartbeat speaks for
//! their death.
//!
//! A fault touches a connection once for the history, be it while it is made; and a client makes a connection only when the
//! one before is over for it. So what touched a client since it was last disconnected speaks for the death of a session. So
//! does the end of the client's own side: who is gone answers no ping. A client has one connection: of the sessions that
//! are open for it when it is connected, all but the last are of attempts that it has given up, or of a life before.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::history::{Kind, Record};
use crate::plan::{Name, Plan, SERVER};

/// One end of a connection, at the server: which life of the process, and which of its sessions.
pub(super) type SessionId = (u32, u32);

/// All that are open.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    clients: BTreeMap<Name, Client>,
}

/// What there is of a client whatever its sessions.
#[derive(Debug, Clone, Default)]
struct Client {
    /// When something touched it last.
    touched: Option<Duration>,
    /// When it was disconnected last; zero before it ever was.
    ended: Duration,
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
        let clients = plan.clients.keys().map(|name| (name.clone(), Client::default())).collect();
        Self { open: BTreeMap::new(), clients }
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
            processes.iter().for_each(|client| self.on_touched(client, record.at));
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &record.kind {
            self.excuse(&record.host);
            self.clients.entry(record.host.clone()).or_default().ended = record.at;
        } else if let Kind::Connected { .. } = &record.kind {
            let last = self.of(&record.host).max();
            let given_up = |(id, session): &(&SessionId, &mut Session)| {
                session.client == record.host && Some(**id) != last
            };
            self.open.iter_mut().filter(given_up).for_each(|(_, session)| session.excused = true);
        }
        None
    }

    fn on_server(&mut self, record: &Record) -> Option<Session> {
        let id = (record.process, record.session);
        if let Kind::Connected { peer: Some(client) } = &record.kind {
            // What was recorded at the same time may have come after it.
            let touched = |state: &Client| state.touched.is_some_and(|touched| touched >= state.ended);
            let excused = self.clients.get(client).is_some_and(touched);
            let session = Session { client: client.clone(), excused };
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

    fn on_touched(&mut self, client: &Name, at: Duration) {
        if let Some(state) = self.clients.get_mut(client) {
            state.touched = Some(at);
            self.excuse(client);
        }
    }

    fn excuse(&mut self, client: &Name) {
        let of_client = self.open.values_mut().filter(|session| session.client == *client);
        of_client.for_each(|session| session.excused = true);
    }
}
