//! In which states of the protocol the connections were that faults touched: records and steps in, pairs out.
//!
//! A connection is in the states in which its *client* has the session that it belongs to: who dialled, was answered, asked
//! for its old socket, said something and has no answer. A connection of a session that is over is closing. It may be in
//! several states at once, as while a message waits for its acknowledgement and the session upgrades.
//!
//! Whoever touches a client's process touches its session; whoever touches the server's, the sessions of all clients.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use squall::store::{LogOffset, MessageId};

use super::trail::{Move, Step, What, Whom};
use crate::history::{Kind, Record};
use crate::plan::{ClientPlan, FaultKind, Name, Plan, Receive, SERVER, Send, Transport};

/// A state of the protocol.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// From the first SYN until a namespace has answered CONNECT, unless the client asked for its old socket.
    Handshake,
    /// A WebSocket is about to take over from polling.
    Upgrade,
    /// Connected, and none of the others.
    Idle,
    /// A chat message of the client is sent and has no answer.
    AckInFlight,
    /// The client has not been shown what was said before it connected, or joined.
    CatchingUp,
    /// The client asked for its old socket and has no answer.
    Recovering,
    /// The client has closed the session, or given it up.
    Closing,
}

impl State {
    /// All of them, in order.
    pub const ALL: [Self; 7] = [
        Self::Handshake,
        Self::Upgrade,
        Self::Idle,
        Self::AckInFlight,
        Self::CatchingUp,
        Self::Recovering,
        Self::Closing,
    ];

    /// In words.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Handshake => "handshake",
            Self::Upgrade => "upgrade",
            Self::Idle => "idle",
            Self::AckInFlight => "ack in flight",
            Self::CatchingUp => "catching up",
            Self::Recovering => "recovering",
            Self::Closing => "closing",
        }
    }
}

impl State {
    /// Whether a fault of this kind can touch a connection in it, in a run of this plan.
    pub fn is_possible(self, kind: FaultKind, plan: &Plan) -> bool {
        let upgrades = |client: &ClientPlan| {
            matches!(client.transports[..], [Transport::Polling, ..])
                && client.transports.contains(&Transport::Websocket)
        };
        match self {
            Self::Handshake | Self::Idle | Self::AckInFlight => true,
            Self::Upgrade => plan.clients.values().any(upgrades),
            Self::CatchingUp => plan.clients.values().any(|client| client.receive == Receive::Resume),
            Self::Recovering => plan.server.recovery.is_some(),
            Self::Closing => !touches_processes_alone(kind),
        }
    }

    /// Why some kinds of faults cannot touch a connection in it, where that is so.
    pub fn why_not(self) -> Option<&'static str> {
        match self {
            Self::Handshake | Self::Idle | Self::AckInFlight => None,
            Self::Upgrade => Some("no plan has them and a client that begins by polling and upgrades"),
            Self::CatchingUp => Some("no plan has them and a client that resumes"),
            Self::Recovering => Some("no plan has them and a server that takes sockets up again"),
            Self::Closing => {
                Some("they touch processes, and a process is done with a session as it closes it")
            }
        }
    }
}

/// Disks and clocks are those of a process, whatever its connections.
fn touches_processes_alone(kind: FaultKind) -> bool {
    match kind {
        FaultKind::DiskFull
        | FaultKind::DiskError
        | FaultKind::DiskSlow
        | FaultKind::ClockSkew
        | FaultKind::ClockJump => true,
        FaultKind::Delay
        | FaultKind::Loss
        | FaultKind::Slow
        | FaultKind::Stall
        | FaultKind::Partition
        | FaultKind::HalfOpen
        | FaultKind::Reset
        | FaultKind::Cut
        | FaultKind::Kill
        | FaultKind::Shutdown
        | FaultKind::RollingRestart
        | FaultKind::Reload
        | FaultKind::Pause
        | FaultKind::PowerOff => false,
    }
}

/// Which kinds of faults touched a connection in which states.
pub fn struck(plan: &Plan, records: &[Record], steps: &[Step]) -> BTreeSet<(FaultKind, State)> {
    let mut followed = Followed::new(plan);
    let mut struck = BTreeSet::new();
    let mut records = records.iter().peekable();
    for step in steps {
        while let Some(record) = records.next_if(|record| record.step < step.before) {
            followed.observe(record);
        }
        match &step.what {
            What::Moved(client, life, movement) => followed.move_on(client, *life, *movement),
            What::Dialled(client, number) => followed.dialled(client, *number),
            What::Touched(fault, whom) => {
                let kind = plan.faults.get(*fault).map(|fault| fault.what.kind());
                let states = followed.states(whom, step.at);
                struck
                    .extend(kind.into_iter().flat_map(|kind| states.iter().map(move |state| (kind, *state))));
            }
        }
    }
    struck
}

/// Every client, as far as records and steps tell.
struct Followed {
    clients: BTreeMap<Name, Client>,
    /// The last offset of each room.
    heads: BTreeMap<Arc<str>, LogOffset>,
}

struct Client {
    options: ClientPlan,
    /// The number of its last connection.
    dialled: u32,
    session: Option<Session>,
    /// When its process died, until the next life has a session.
    died: Option<Duration>,
    /// What it said and has no answer to, each with the life that said it.
    waiting: BTreeMap<MessageId, u32>,
    rooms: BTreeMap<Arc<str>, Reading>,
}

/// How far a client has read a room, and how far it was written when the client began to.
#[derive(Default)]
struct Reading {
    position: LogOffset,
    target: LogOffset,
}

#[derive(Default)]
struct Session {
    /// The number of its first connection.
    first: u32,
    is_connected: bool,
    is_upgrading: bool,
    is_closing: bool,
    /// In how many namespaces it waits for its old socket.
    recovering: u32,
}

impl Followed {
    fn new(plan: &Plan) -> Self {
        let client = |options: &ClientPlan| Client {
            options: options.clone(),
            dialled: 0,
            session: None,
            died: None,
            waiting: BTreeMap::new(),
            rooms: rooms_from_the_start(options),
        };
        let clients = plan.clients.iter().map(|(name, options)| (name.clone(), client(options)));
        Self { clients: clients.collect(), heads: BTreeMap::new() }
    }

    fn observe(&mut self, record: &Record) {
        if let Kind::Committed { room, offset, .. } = &record.kind {
            self.heads.insert(room.clone(), *offset);
        } else if let Some(client) = self.clients.get_mut(&record.host) {
            client.observe(record, &self.heads);
        }
    }

    fn dialled(&mut self, client: &Name, number: u32) {
        self.clients.entry(client.clone()).and_modify(|client| client.dialled = number);
    }

    fn move_on(&mut self, client: &Name, life: u32, movement: Move) {
        let Some(client) = self.clients.get_mut(client) else { return };
        if movement == Move::Began {
            return client.begin(life);
        }
        let Some(session) = &mut client.session else { return };
        match movement {
            Move::Began | Move::Closed => client.session = None,
            Move::AskedRecovery => session.recovering += 1,
            Move::AnsweredRecovery => session.recovering = session.recovering.saturating_sub(1),
            Move::UpgradeBegan => session.is_upgrading = true,
            Move::UpgradeEnded => session.is_upgrading = false,
            Move::Closing => session.is_closing = true,
            Move::Connected if session.is_connected => {}
            Move::Connected => {
                session.is_connected = true;
                for (room, reading) in &mut client.rooms {
                    reading.target = self.heads.get(room).copied().unwrap_or(LogOffset::START);
                }
            }
        }
    }

    fn states(&self, whom: &Whom, at: Duration) -> Vec<State> {
        match whom {
            Whom::Connection(client, number) => self.clients.get(client).map_or(vec![], |client| {
                let session = client.living(at).filter(|session| *number >= session.first);
                session.map_or(vec![State::Closing], |session| client.states(session))
            }),
            Whom::Process(name) => {
                let is_meant = |client: &Name| **name == *SERVER || client == name;
                let clients = self.clients.iter().filter(|(client, _)| is_meant(client));
                let sessions = clients.filter_map(|(_, client)| Some((client, client.living(at)?)));
                sessions.flat_map(|(client, session)| client.states(session)).collect()
            }
        }
    }
}

impl Client {
    fn observe(&mut self, record: &Record, heads: &BTreeMap<Arc<str>, LogOffset>) {
        if let Kind::Sent { id, .. } = &record.kind {
            self.waiting.insert(id.clone(), record.process);
        } else if let Kind::Acknowledged { id, .. } | Kind::Failed { id, .. } | Kind::SendFailed { id, .. } =
            &record.kind
        {
            self.waiting.remove(id);
        } else if let Kind::Delivered { room, offset, .. } = &record.kind {
            let reading = self.rooms.entry(room.clone()).or_default();
            reading.position = reading.position.max(*offset);
        } else if let Kind::Joined { room, offset, since } = &record.kind {
            let target = heads.get(room).copied().unwrap_or(LogOffset::START);
            self.rooms.insert(room.clone(), Reading { position: since.unwrap_or(*offset), target });
        } else if let Kind::Left { room, .. } = &record.kind {
            self.rooms.remove(room);
        } else if let Kind::Exited { .. } = &record.kind {
            self.died = Some(record.at);
        }
    }

    /// A session begins. The first of a life remembers nothing of the life before but its outbox.
    fn begin(&mut self, life: u32) {
        if self.died.take().is_some() {
            self.rooms = rooms_from_the_start(&self.options);
            if self.options.send != Send::Outbox {
                self.waiting.retain(|_, said_by| *said_by == life);
            }
        }
        self.session = Some(Session { first: self.dialled + 1, ..Session::default() });
    }

    /// Its session, unless its process died before this moment. What kills it touches the session that it had.
    fn living(&self, at: Duration) -> Option<&Session> {
        self.session.as_ref().filter(|_| self.died.is_none_or(|died| died == at))
    }

    fn states(&self, session: &Session) -> Vec<State> {
        if session.is_closing {
            return vec![State::Closing];
        }
        let is_behind = self.rooms.values().any(|reading| reading.position < reading.target);
        let resumes = self.options.receive == Receive::Resume;
        let connected = session.is_connected;
        let all = [
            (State::Handshake, !connected && session.recovering == 0),
            (State::Upgrade, session.is_upgrading),
            (State::AckInFlight, connected && !self.waiting.is_empty()),
            (State::CatchingUp, connected && resumes && is_behind),
            (State::Recovering, session.recovering > 0),
        ];
        let states: Vec<State> =
            all.into_iter().filter(|(_, is_in_it)| *is_in_it).map(|(state, _)| state).collect();
        if states.is_empty() { vec![State::Idle] } else { states }
    }
}

fn rooms_from_the_start(options: &ClientPlan) -> BTreeMap<Arc<str>, Reading> {
    options.rooms.iter().map(|room| (Arc::clone(room), Reading::default())).collect()
}

#[cfg(test)]
mod tests;
