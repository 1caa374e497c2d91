//! The server's ends of the clients' connections: which are open, and whether anything but their heartbeat speaks for
//! their death.
//!
//! A fault touches a connection once for the history, be it while it is made; and a client makes a connection only when the
//! one before is over for it. So what touched a client since it was last disconnected speaks for the death of a session. So
//! does the end of the client's own side: who is gone answers no ping. A client has one connection: of the sessions that
//! are open for it when it is connected, all but the last are of attempts that it has given up, or of a life before; and
//! a user who disconnects before it knows of a session cannot say so to the server. Whose user connects again before the
//! disconnect is done may go on over the same connection.

use std::collections::BTreeMap;
use std::time::Duration;

use super::roll::{Entry, Host, Roll};
use super::table::Table;
use crate::history::Kind;
use crate::plan::{Name, Plan, SERVER};

/// One end of a connection, at the server: which life of the process, and which of its sessions.
pub(super) type SessionId = (u32, u32);

/// All that are open.
#[derive(Debug, Clone)]
pub(super) struct Sessions {
    open: BTreeMap<SessionId, Session>,
    clients: Table<Host, Client>,
}

/// What there is of a client whatever its sessions.
#[derive(Debug, Clone, Default)]
struct Client {
    /// When something touched it last.
    touched: Option<Duration>,
    /// When it was disconnected last; zero before it ever was.
    ended: Duration,
    /// Whether its user wants to be disconnected.
    leaving: bool,
}

/// One that is open.
#[derive(Debug, Clone)]
pub(super) struct Session {
    who: Host,
    /// Whose, by name.
    pub(super) client: Name,
    /// Whether it may die of its heartbeat.
    pub(super) excused: bool,
}

impl Sessions {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let clients = plan.clients.keys().map(|name| (roll.host(name), Client::default())).collect();
        Self { open: BTreeMap::new(), clients }
    }

    /// The sessions of a client.
    pub(super) fn of(&self, client: Host) -> impl Iterator<Item = SessionId> {
        self.open.iter().filter(move |(_, session)| session.who == client).map(|(id, _)| *id)
    }

    /// Takes the next record. Gives the session that it ends, if it ends one by itself.
    pub(super) fn observe(&mut self, entry: &Entry<'_>) -> Option<Session> {
        if let Kind::Touched { .. } = &entry.kind {
            entry.named.iter().for_each(|client| self.on_touched(*client, entry.at));
        } else if let Kind::Connected { peer: Some(client) } = &entry.kind {
            entry.named.iter().for_each(|who| self.on_connected(entry, *who, client));
        } else if let Kind::Did { act } = &entry.kind {
            self.on_user(entry.who, *act == "disconnect");
        } else if let Kind::Connected { peer: None } = &entry.kind {
            self.excuse_all_but_the_last(entry.who);
        } else if let Kind::Disconnected { .. } | Kind::Exited { .. } = &entry.kind {
            if *entry.host == *SERVER {
                return self.on_server_ended(entry);
            }
            self.excuse(entry.who);
            let client = self.clients.entry(entry.who);
            let goes_on = matches!(entry.kind, Kind::Disconnected { reason: "io client disconnect" });
            if !goes_on || client.leaving {
                client.ended = entry.at;
            }
        }
        None
    }

    fn on_connected(&mut self, entry: &Entry<'_>, who: Host, client: &Name) {
        // What was recorded at the same time may have come after it.
        let touched = |state: &Client| state.touched.is_some_and(|touched| touched >= state.ended);
        let excused = self.clients.get(who).is_some_and(|state| state.leaving || touched(state));
        self.open.insert((entry.process, entry.session), Session { who, client: client.clone(), excused });
    }

    fn on_user(&mut self, client: Host, leaves: bool) {
        self.clients.entry(client).leaving = leaves;
        if leaves {
            self.excuse(client);
        }
    }

    fn excuse_all_but_the_last(&mut self, client: Host) {
        let last = self.of(client).max();
        let given_up =
            |(id, session): &(&SessionId, &mut Session)| session.who == client && Some(**id) != last;
        self.open.iter_mut().filter(given_up).for_each(|(_, session)| session.excused = true);
    }

    fn on_server_ended(&mut self, entry: &Entry<'_>) -> Option<Session> {
        if let Kind::Exited { .. } = &entry.kind {
            self.open.retain(|(process, _), _| *process != entry.process);
            return None;
        }
        self.open.remove(&(entry.process, entry.session))
    }

    fn on_touched(&mut self, client: Host, at: Duration) {
        if let Some(state) = self.clients.get_mut(client) {
            state.touched = Some(at);
            self.excuse(client);
        }
    }

    fn excuse(&mut self, client: Host) {
        let of_client = self.open.values_mut().filter(|session| session.who == client);
        of_client.for_each(|session| session.excused = true);
    }
}
