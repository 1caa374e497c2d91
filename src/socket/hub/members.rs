//! Sockets come and go: they ask, are let in or not, and leave.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::engine::{Sid, Time};

use super::super::unanswered::Unanswered;
use super::super::{AckError, AckId, DisconnectReason, Encoded, Kind, Namespace, Packet, encode};
use super::roster::{Place, Seat};
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
    /// It asked, and the application has not answered. What was emitted to it meanwhile follows the answer.
    Asking { auth: Value, early: Vec<Encoded> },
    /// The namespace's broadcasts reach it.
    Connected(Place),
}

impl Member {
    pub(super) fn is_connected(&self) -> bool {
        matches!(self.standing, Standing::Connected(_))
    }
}

impl Hub {
    /// A client asks for a namespace that exists, or may come to be.
    pub(super) fn ask(&mut self, connection: ConnectionId, namespace: Namespace, auth: Value) {
        let socket = Sid::generate(&*self.entropy, self.sids);
        // 2^32 sockets later, an id would need the same random bytes too to be given again.
        self.sids = self.sids.wrapping_add(1);
        let member = Member {
            namespace: namespace.clone(),
            connection,
            unanswered: Unanswered::default(),
            rooms: BTreeSet::from([RoomName::from(&socket)]),
            standing: Standing::Asking { auth: auth.clone(), early: Vec::new() },
        };
        let taken = self.members.insert(socket.clone(), member);
        assert!(taken.is_none(), "ids of one hub differ in their serial");
        if let Some(Connection::Open { sockets, .. }) = self.connections.get_mut(&connection) {
            sockets.insert(namespace.clone(), socket.clone());
        }
        let others_guarded = self.others_guarded && namespace != Namespace::MAIN;
        if others_guarded || self.namespaces.get(&namespace).is_some_and(|state| state.guarded) {
            self.event(HubEvent::Asked { socket, connection, namespace, auth });
        } else {
            self.admit(&socket);
        }
    }

    /// The answer goes first; what was emitted meanwhile follows it.
    pub(super) fn admit(&mut self, socket: &Sid) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let place = Place(self.places);
        let (auth, early) = match &mut member.standing {
            Standing::Asking { auth, early } => (auth.take(), std::mem::take(early)),
            Standing::Connected(_) => return,
        };
        self.places += 1;
        member.standing = Standing::Connected(place);
        let (connection, namespace) = (member.connection, member.namespace.clone());
        let passing = || NamespaceState { passing: true, ..NamespaceState::default() };
        let state = self.namespaces.entry(namespace.clone()).or_insert_with(passing);
        state.roster.enter(place, Seat { socket: socket.clone(), connection }, &member.rooms);
        if let Some(Connection::Open { until, .. }) = self.connections.get_mut(&connection)
            && let Some(until) = until.take()
        {
            self.deadlines.remove(&(until, connection));
        }
        let answer = Kind::Connect(Some(json!({ "sid": socket.as_str() })));
        self.transmit(connection, namespace.clone(), answer);
        self.outputs.extend(early.into_iter().map(|encoded| HubOutput::Transmit(connection, encoded)));
        self.event(HubEvent::Connected { socket: socket.clone(), connection, namespace, auth });
    }

    /// The connection stays, and may ask for something else.
    pub(super) fn refuse(&mut self, socket: &Sid, error: Value) {
        let Some(member) = self.members.get(socket).filter(|member| !member.is_connected()) else { return };
        let (connection, namespace) = (member.connection, member.namespace.clone());
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

    /// Forgets a socket and says so. The caller says how its connection stands now.
    pub(super) fn remove(&mut self, socket: &Sid, reason: DisconnectReason) {
        let member = self.members.remove(socket).expect("who is on a connection is a member");
        let socket = socket.clone();
        match member.standing {
            Standing::Asking { .. } => self.event(HubEvent::Abandoned { socket: socket.clone() }),
            Standing::Connected(place) => {
                let state =
                    self.namespaces.get_mut(&member.namespace).expect("who is in a namespace keeps it");
                state.roster.leave(place, &member.rooms);
                if state.passing && state.roster.is_empty() {
                    self.namespaces.remove(&member.namespace);
                }
                self.event(HubEvent::Disconnected { socket: socket.clone(), reason, rooms: member.rooms });
            }
        }
        for emit in self.waiters.settle_range((socket.clone(), AckId(0))..=(socket, AckId(u64::MAX))) {
            self.settle(emit, Err(AckError::Disconnected));
        }
    }

    /// Sends to a socket; to one that is not yet let in, once it is.
    pub(super) fn send(&mut self, socket: &Sid, kind: Kind) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let encoded = encode(&Packet { namespace: member.namespace.clone(), kind });
        match &mut member.standing {
            Standing::Asking { early, .. } => early.push(encoded),
            Standing::Connected(_) => {
                self.outputs.push_back(HubOutput::Transmit(member.connection, encoded));
            }
        }
    }

    /// Sends to a socket that can take it at once; one that is not yet let in cannot.
    pub(super) fn send_volatile(&mut self, socket: &Sid, kind: Kind) {
        let Some(member) = self.members.get(socket).filter(|member| member.is_connected()) else { return };
        let encoded = encode(&Packet { namespace: member.namespace.clone(), kind });
        self.outputs.push_back(HubOutput::TransmitVolatile(member.connection, encoded));
    }

    pub(super) fn transmit(&mut self, connection: ConnectionId, namespace: Namespace, kind: Kind) {
        self.outputs.push_back(HubOutput::Transmit(connection, encode(&Packet { namespace, kind })));
    }
}
