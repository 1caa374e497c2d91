//! Connection state recovery: what is sent to each socket is also kept for a while, so that a client whose connection
//! broke can take up its socket where it was, and miss nothing.
//!
//! A *position* counts the recorded events of the hub. It travels as an *offset*, the last argument of
//! each event, and says: all that was for you up to here, you have. A *session* is what outlives a connection: the
//! socket's id, its secret `pid`, its place and its rooms, and the queue of what was sent to it.
//!
//! Sessions can be *stored*, so that they outlive the hub: `durability` holds back what is said until it is kept.
//!
//! Promise: what is replayed is what was sent after the offset, all of it and in order, or the session is not recovered.

mod durability;
mod session;
mod sessions;
pub mod stored;
mod storing;

use std::time::Duration;

use bytestring::ByteString;
use serde_json::json;

use crate::engine::Sid;
use crate::reached::reached;

use super::super::unanswered::Unanswered;
use super::super::{Args, Decoder, DisconnectReason, Encoded, Kind};
use super::members::{Member, Standing};
use super::roster::Place;
use super::{Connection, Hub, HubEvent, HubOutput, Recovered};

pub(super) use durability::Durability;
pub(super) use sessions::{Claim, Newcomer, Sessions};

/// How connection state is recovered. Where it is, CONNECT is answered with a `pid` beside the `sid`, and each event
/// that needs no acknowledgement ends with an offset.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recovery {
    /// How long a session outlives its connection; 2 min.
    pub max_disconnection_duration: Duration,
    /// Whether who comes back is let in without the middlewares; `false`. (The official server's default is `true`: who was
    /// banned meanwhile is let in again.)
    pub skip_middlewares: bool,
    /// How many bytes of events are kept for one session; 1 MiB. Each event counts 64 bytes more than it has. Who has
    /// missed more is not recovered. A server keeps no more than its `max_outgoing_bytes`, which a replay has to fit.
    /// Not in the official server, which keeps everything for `max_disconnection_duration`.
    pub max_bytes: usize,
}

impl Default for Recovery {
    fn default() -> Self {
        Self {
            max_disconnection_duration: Duration::from_secs(120),
            skip_middlewares: false,
            max_bytes: 1 << 20,
        }
    }
}

/// Whether a socket's session outlives its connection (the reference implementation's list).
fn is_recoverable(reason: DisconnectReason) -> bool {
    match reason {
        DisconnectReason::TransportClose
        | DisconnectReason::TransportError
        | DisconnectReason::PingTimeout
        | DisconnectReason::ForcedClose
        | DisconnectReason::ServerShuttingDown => true,
        DisconnectReason::ParseError
        | DisconnectReason::ClientNamespaceDisconnect
        | DisconnectReason::ServerNamespaceDisconnect
        | DisconnectReason::IoServerDisconnect
        | DisconnectReason::IoClientDisconnect => false,
    }
}

impl Hub {
    /// Gives who asked the session that it asked for, in one step: what was connected so far is not any more, the answer goes
    /// first, what was missed follows, and then whatever comes.
    pub(super) fn take_over(&mut self, asked: &Sid) {
        let Some(Member { connection, standing: Standing::Asking(asking), .. }) = self.members.get_mut(asked)
        else {
            return;
        };
        let Some(claim) = asking.claim.clone() else { return };
        let (connection, auth) = (*connection, asking.auth.take());
        let Some(missed) = self.sessions.as_ref().and_then(|sessions| sessions.missed(&claim)) else {
            // The session has ended while the application thought about it. Whom it let in would have had that one: so it is
            // asked about a socket of its own. The connection has others, and they are well.
            reached!("recovery.ended_meanwhile");
            let namespace = self.members[asked].namespace.clone();
            self.remove(asked, DisconnectReason::TransportClose);
            return self.ask(connection, namespace, auth);
        };
        self.part(&claim);
        self.members.remove(asked);
        let Claim { place, socket, .. } = claim;
        let sessions = self.sessions.as_mut().expect("who has a claim has it of them");
        let pid = sessions.resume(place).expect("what is missed is known of sessions that there are");
        let member = self.members.get_mut(&socket).expect("who has a session is a member");
        member.connection = connection;
        member.standing = Standing::Connected(place);
        let namespace = member.namespace.clone();
        let state = self.namespaces.get_mut(&namespace).expect("who is in a namespace keeps it");
        state.roster.sit(place, Some(connection));
        if let Some(Connection::Open { sockets, .. }) = self.connections.get_mut(&connection) {
            sockets.insert(namespace.clone(), socket.clone());
        }
        self.has_joined(connection);
        reached!("recovery.granted");
        if !missed.is_empty() {
            reached!("recovery.replayed");
        }
        tracing::debug!(%socket, missed = missed.len(), "a session is recovered");
        let answer = Kind::Connect(Some(json!({ "sid": socket.as_str(), "pid": pid })));
        self.transmit(connection, namespace.clone(), answer);
        let replayed = missed.iter().filter_map(decode).collect();
        self.outputs.extend(missed.into_iter().map(|encoded| HubOutput::Transmit(connection, encoded)));
        let recovered = Some(Recovered { asked: asked.clone(), replayed });
        self.event(HubEvent::Connected { socket, connection, namespace, auth, recovered });
    }

    /// Parts a session from the connection that it still has: a client knows sooner than a server that a connection is
    /// dead, and one secret has one live socket.
    fn part(&mut self, claim: &Claim) {
        let member = &self.members[&claim.socket];
        if member.is_connected() {
            reached!("recovery.taken_over");
            tracing::debug!(socket = %claim.socket, "a session is taken from a connection that it still has");
            self.close(member.connection, DisconnectReason::TransportClose);
        }
    }

    /// A socket has lost its connection: its session waits for another, or ends.
    pub(super) fn await_or_end(
        &mut self,
        place: Place,
        socket: &Sid,
        member: Member,
        reason: DisconnectReason,
    ) {
        match &mut self.sessions {
            Some(sessions) if is_recoverable(reason) => {
                let state =
                    self.namespaces.get_mut(&member.namespace).expect("who is in a namespace keeps it");
                state.roster.sit(place, None);
                sessions.wait(place);
                let unanswered = Unanswered::default();
                let away = Member { standing: Standing::Away(place), unanswered, ..member };
                self.members.insert(socket.clone(), away);
            }
            Some(sessions) => {
                sessions.end(place);
                self.vacate(place, &member);
                self.event(HubEvent::Forgotten { socket: socket.clone() });
            }
            None => self.vacate(place, &member),
        }
    }

    /// A socket that is away will not come back.
    pub(super) fn forget_session(&mut self, socket: &Sid) {
        let Some(place) = self.members.get(socket).filter(|member| member.is_away()).and_then(Member::place)
        else {
            return;
        };
        let member = self.members.remove(socket).expect("it was found");
        self.vacate(place, &member);
        if let Some(sessions) = &mut self.sessions {
            sessions.end(place);
        }
        self.event(HubEvent::Forgotten { socket: socket.clone() });
    }
}

/// The name and arguments of an event that was sent, without the offset.
fn decode(encoded: &Encoded) -> Option<(ByteString, Args)> {
    let mut decoder = Decoder::default();
    let packet = encoded.iter().find_map(|message| decoder.receive(message.clone()).ok().flatten())?;
    match packet.kind {
        Kind::Event { name, args, ack: None } => Some((name, args.without_last())),
        Kind::Event { ack: Some(_), .. }
        | Kind::Ack { .. }
        | Kind::Connect(_)
        | Kind::Disconnect
        | Kind::ConnectError(_) => None,
    }
}
