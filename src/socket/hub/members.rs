//! Sockets come and go: they ask, are let in or not, and leave.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::{Sid, Time};
use crate::reached::reached;

use super::super::unanswered::Unanswered;
use super::super::{AckError, AckId, Args, DisconnectReason, Kind, Namespace, Packet, encode};
use super::recovery::{Claim, Newcomer, Sessions};
use super::roster::Place;
use super::{Connection, ConnectionId, Hub, HubEvent, HubOutput, NamespaceState, RoomName};

/// A socket.
#[derive(Debug)]
pub(super) struct Member {
    pub(super) namespace: Namespace,
    pub(super) connection: ConnectionId,
    pub(super) unanswered: Unanswered,
    pub(super) rooms: BTreeSet<RoomName>,
    pub(super) standing: Standing,
}

/// How a socket stands.
#[derive(Debug)]
pub(super) enum Standing {
    /// It asked, and the application has not answered.
    Asking(Box<Asking>),
    /// The namespace's broadcasts reach it.
    Connected(Place),
    /// Its connection is gone, and its session waits for another. What is sent to it is kept there.
    Away(Place),
}

/// What is known of a socket until it is let in.
#[derive(Debug)]
pub(super) struct Asking {
    pub(super) auth: Value,
    /// What was emitted to it meanwhile follows the answer.
    pub(super) early: Vec<Kind>,
    /// What the application noted about it meanwhile.
    pub(super) noted: Value,
    /// The session that it asks for.
    pub(super) claim: Option<Claim>,
}

impl Member {
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.standing, Standing::Connected(_))
    }

    pub(super) fn is_asking(&self) -> bool {
        matches!(self.standing, Standing::Asking { .. })
    }

    pub(super) fn is_away(&self) -> bool {
        matches!(self.standing, Standing::Away(_))
    }

    /// Its place among those who hear broadcasts.
    pub(super) fn place(&self) -> Option<Place> {
        match self.standing {
            Standing::Asking(_) => None,
            Standing::Connected(place) | Standing::Away(place) => Some(place),
        }
    }
}

impl Hub {
    /// A client asks for a namespace that exists, or may come to be.
    pub(super) fn ask(&mut self, connection: ConnectionId, namespace: Namespace, auth: Value) {
        let socket = self.next_sid();
        let claim = self.sessions.as_ref().and_then(|sessions| sessions.claim(&namespace, &auth));
        let recovers = claim.as_ref().map(|claim| claim.socket.clone());
        let skips =
            self.sessions.as_ref().is_some_and(|sessions| sessions.skips_middlewares() && claim.is_some());
        let asking = Asking { auth: auth.clone(), early: Vec::new(), noted: json!({}), claim };
        let member = Member {
            namespace: namespace.clone(),
            connection,
            unanswered: Unanswered::default(),
            rooms: BTreeSet::from([RoomName::from(&socket)]),
            standing: Standing::Asking(Box::new(asking)),
        };
        let taken = self.members.insert(socket.clone(), member);
        assert!(taken.is_none(), "an id is given to one");
        if let Some(Connection::Open { sockets, .. }) = self.connections.get_mut(&connection) {
            sockets.insert(namespace.clone(), socket.clone());
        }
        // Whose namespace it is must be found out, even where its middlewares are not asked.
        let others_guarded = self.others_guarded && namespace != Namespace::MAIN;
        let guarded = self.namespaces.get(&namespace).is_some_and(|state| state.guarded);
        if others_guarded || guarded && !skips {
            self.event(HubEvent::Asked { socket, connection, namespace, auth, recovers });
        } else {
            self.admit(&socket);
        }
    }

    fn next_sid(&mut self) -> Sid {
        loop {
            let socket = Sid::generate(&*self.entropy, self.sids);
            self.sids = self.sids.wrapping_add(1);
            // Another server, or this one 2^32 sockets ago, may have had the same serial, and then the same random bytes.
            if !self.members.contains_key(&socket) {
                return socket;
            }
        }
    }

    /// The answer goes first; what was emitted meanwhile follows it.
    pub(super) fn admit(&mut self, socket: &Sid) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let place = Place(self.places);
        let (auth, early, noted) = match &mut member.standing {
            Standing::Asking(asking) if asking.claim.is_some() => return self.take_over(socket),
            Standing::Asking(asking) => {
                (asking.auth.take(), std::mem::take(&mut asking.early), asking.noted.take())
            }
            Standing::Connected(_) | Standing::Away(_) => return,
        };
        self.places += 1;
        member.standing = Standing::Connected(place);
        let (connection, namespace) = (member.connection, member.namespace.clone());
        let passing = || NamespaceState { passing: true, ..NamespaceState::default() };
        let state = self.namespaces.entry(namespace.clone()).or_insert_with(passing);
        state.roster.enter(place, socket.clone(), Some(connection), &member.rooms);
        let newcomer = Newcomer { socket, namespace: &namespace, rooms: &member.rooms, data: noted };
        let pid = self.sessions.as_mut().map(|sessions| sessions.begin(place, newcomer));
        self.has_joined(connection);
        let answer = Kind::Connect(Some(match pid {
            Some(pid) => json!({ "sid": socket.as_str(), "pid": pid }),
            None => json!({ "sid": socket.as_str() }),
        }));
        self.transmit(connection, namespace.clone(), answer);
        early.into_iter().for_each(|kind| self.send(socket, kind));
        self.event(HubEvent::Connected {
            socket: socket.clone(),
            connection,
            namespace,
            auth,
            recovered: None,
        });
    }

    /// A connection is not closed while one of its sockets is connected.
    pub(super) fn has_joined(&mut self, connection: ConnectionId) {
        if let Some(Connection::Open { until, .. }) = self.connections.get_mut(&connection)
            && let Some(until) = until.take()
        {
            self.deadlines.remove(&(until, connection));
        }
    }

    /// The connection stays, and may ask for something else.
    pub(super) fn refuse(&mut self, socket: &Sid, error: Value) {
        let Some(member) = self.members.get(socket).filter(|member| member.is_asking()) else { return };
        let (connection, namespace) = (member.connection, member.namespace.clone());
        reached!("hub.refused");
        self.transmit(connection, namespace.clone(), Kind::ConnectError(error));
        if let Some(Connection::Open { sockets, .. }) = self.connections.get_mut(&connection) {
            sockets.remove(&namespace);
        }
        // The reason is nobody's: who never connected is not disconnected.
        self.remove(socket, DisconnectReason::ServerNamespaceDisconnect);
    }

    /// Takes a socket out of its namespace; its connection stays.
    pub(super) fn leave(&mut self, socket: &Sid, reason: DisconnectReason, now: Time) {
        let Some(Member { connection, namespace, .. }) = self.members.get(socket) else { return };
        let (connection, namespace) = (*connection, namespace.clone());
        self.remove(socket, reason);
        let Some(Connection::Open { sockets, .. }) = self.connections.get_mut(&connection) else { return };
        sockets.remove(&namespace);
        if !sockets.values().any(|socket| self.members[socket].is_connected()) {
            self.await_join(connection, now);
        }
    }

    /// Says that a socket is gone, and forgets it unless it can be recovered. The caller says how its connection stands now.
    pub(super) fn remove(&mut self, socket: &Sid, reason: DisconnectReason) {
        let member = self.members.remove(socket).expect("who is on a connection is a member");
        let socket = socket.clone();
        match member.standing {
            Standing::Asking(_) => self.event(HubEvent::Abandoned { socket: socket.clone() }),
            Standing::Connected(place) | Standing::Away(place) => {
                let rooms = member.rooms.clone();
                self.event(HubEvent::Disconnected { socket: socket.clone(), reason, rooms });
                self.await_or_end(place, &socket, member, reason);
            }
        }
        for emit in self.waiters.settle_range((socket.clone(), AckId(0))..=(socket, AckId(u64::MAX))) {
            reached!("hub.ack_lost");
            self.settle(emit, Err(AckError::Disconnected));
        }
    }

    /// Gives a place free, and with the last of a namespace that only passes the namespace.
    pub(super) fn vacate(&mut self, place: Place, member: &Member) {
        let state = self.namespaces.get_mut(&member.namespace).expect("who is in a namespace keeps it");
        state.roster.leave(place, &member.rooms);
        if state.passing && state.roster.is_empty() {
            self.namespaces.remove(&member.namespace);
        }
    }

    /// Sends to a socket; to one that is not yet let in, once it is; to one that is away, if it comes back and what is sent is
    /// an event that waits for no answer.
    pub(super) fn send(&mut self, socket: &Sid, kind: Kind) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let place = match &mut member.standing {
            Standing::Asking(asking) => return asking.early.push(kind),
            Standing::Connected(place) | Standing::Away(place) => *place,
        };
        let (kind, recorded) = match kind {
            Kind::Event { name, args, ack: None } => {
                let args = offset_behind(&mut self.sessions, args, false);
                (Kind::Event { name, args, ack: None }, true)
            }
            Kind::Event { ack: Some(_), .. }
            | Kind::Ack { .. }
            | Kind::Connect(_)
            | Kind::Disconnect
            | Kind::ConnectError(_) => (kind, false),
        };
        let encoded = encode(&Packet { namespace: member.namespace.clone(), kind });
        if let Some(sessions) = self.sessions.as_mut().filter(|_| recorded) {
            sessions.record(&[place], &encoded);
        }
        if member.is_connected() {
            self.outputs.push_back(HubOutput::Transmit(member.connection, encoded));
        }
    }

    /// Sends to a socket that can take it at once; one that is not yet let in cannot.
    pub(super) fn send_volatile(&mut self, socket: &Sid, kind: Kind) {
        let Some(member) = self.members.get(socket).filter(|member| member.is_connected()) else { return };
        let kind = match kind {
            Kind::Event { name, args, ack: None } => {
                Kind::Event { name, args: offset_behind(&mut self.sessions, args, true), ack: None }
            }
            Kind::Event { ack: Some(_), .. }
            | Kind::Ack { .. }
            | Kind::Connect(_)
            | Kind::Disconnect
            | Kind::ConnectError(_) => kind,
        };
        let encoded = encode(&Packet { namespace: member.namespace.clone(), kind });
        self.outputs.push_back(HubOutput::TransmitVolatile(member.connection, encoded));
    }

    pub(super) fn transmit(&mut self, connection: ConnectionId, namespace: Namespace, kind: Kind) {
        self.outputs.push_back(HubOutput::Transmit(connection, encode(&Packet { namespace, kind })));
    }
}

/// An event's arguments as they are sent, the offset of its position behind them where connections are recovered. A
/// volatile event has no position: its offset is that of what was sent before, so that having heard it means no more.
pub(super) fn offset_behind(sessions: &mut Option<Sessions>, args: Args, volatile: bool) -> Args {
    let Some(sessions) = sessions else { return args };
    if !volatile {
        sessions.advance();
    }
    sessions.with_offset(args)
}
