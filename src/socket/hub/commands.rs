//! What the application asks.

use std::time::Duration;

use bytestring::ByteString;

use crate::engine::{Sid, Time};
use crate::reached::reached;

use super::super::{AckError, AckId, Args, DisconnectReason, EmitId, Kind, Packet, encode};
use super::audiences::Question;
use super::members::{Member, offset_behind};
use super::roster::Place;
use super::{Audience, Connection, ConnectionId, Hub, HubCommand, HubOutput, RoomName};

impl Hub {
    pub(super) fn on_command(&mut self, command: HubCommand, now: Time) {
        match command {
            HubCommand::Create(namespace) => self.namespaces.entry(namespace).or_default().passing = false,
            HubCommand::Guard(namespace) => {
                let state = self.namespaces.entry(namespace).or_default();
                (state.guarded, state.passing) = (true, false);
            }
            HubCommand::GuardOthers => self.others_guarded = true,
            HubCommand::Admit(socket) => self.admit(&socket),
            HubCommand::Refuse { socket, error } => self.refuse(&socket, error),
            HubCommand::Emit { socket, name, args, ack, volatile } => {
                let waits = ack.is_some();
                let ack = ack.and_then(|(emit, timeout)| self.wait_for(&socket, emit, timeout, now));
                let kind = Kind::Event { name, args, ack };
                match volatile {
                    true => self.send_volatile(&socket, kind),
                    // Who waits for an answer of someone who is gone has been told so.
                    false if waits && ack.is_none() => {}
                    false => self.send(&socket, kind),
                }
            }
            HubCommand::EmitOn { connection, socket, name, args } => {
                if self.members.get(&socket).is_some_and(|member| member.connection == connection) {
                    self.send(&socket, Kind::Event { name, args, ack: None });
                }
            }
            HubCommand::Broadcast { audience, name, args, volatile } => {
                self.broadcast(audience, name, args, volatile);
            }
            HubCommand::BroadcastWithAck { audience, name, args, emit, timeout } => {
                self.broadcast_with_ack(audience, Question { name, args, emit, timeout }, now);
            }
            HubCommand::JoinAll { audience, rooms } => self.join_all(&audience, &rooms),
            HubCommand::LeaveAll { audience, rooms } => self.leave_all(&audience, &rooms),
            HubCommand::DisconnectAll { audience, close } => self.disconnect_all(&audience, close, now),
            HubCommand::Note { socket, data } => self.note(&socket, data),
            HubCommand::Ack { socket, id, args } => {
                if self.members.get_mut(&socket).is_some_and(|member| member.unanswered.answer(id)) {
                    self.send(&socket, Kind::Ack { id, args });
                } else {
                    reached!("hub.answer_unheard");
                }
            }
            HubCommand::Join { socket, room } => self.join_room(&socket, room),
            HubCommand::Leave { socket, room } => self.leave_room(&socket, &room),
            HubCommand::Disconnect { socket, close } => self.disconnect(&socket, close, now),
            HubCommand::Close(socket) => {
                if let Some(member) = self.members.get(&socket) {
                    self.close(member.connection, DisconnectReason::ForcedClose);
                }
            }
            HubCommand::Shutdown => self.shut_down(),
        }
    }

    /// Who is gone will not answer.
    fn wait_for(
        &mut self,
        socket: &Sid,
        emit: EmitId,
        timeout: Option<Duration>,
        now: Time,
    ) -> Option<AckId> {
        if self.members.get(socket).is_none_or(Member::is_away) {
            self.settle(emit, Err(AckError::Disconnected));
            return None;
        }
        let id = self.next_ack();
        self.waiters.wait((socket.clone(), id), emit, timeout.map(|timeout| now + timeout));
        Some(id)
    }

    /// Counted for all sockets together, so that one broadcast can have one id for all.
    pub(super) fn next_ack(&mut self) -> AckId {
        let id = AckId(self.acks);
        self.acks += 1;
        id
    }

    /// Encoded once, shared by all.
    fn broadcast(&mut self, audience: Audience, name: ByteString, args: Args, volatile: bool) {
        let Some(state) = self.namespaces.get(&audience.namespace) else { return };
        let seats = state.roster.audience(&audience);
        // A position is one of something that is kept.
        if seats.is_empty() {
            return;
        }
        let args = offset_behind(&mut self.sessions, args, volatile);
        let kind = Kind::Event { name, args, ack: None };
        let encoded = encode(&Packet { namespace: audience.namespace, kind });
        if let Some(sessions) = self.sessions.as_mut().filter(|_| !volatile) {
            let places: Vec<Place> = seats.iter().map(|seat| seat.place).collect();
            sessions.record(&places, &encoded);
        }
        let transmit = if volatile { HubOutput::TransmitVolatile } else { HubOutput::Transmit };
        let connections = seats.into_iter().filter_map(|seat| seat.connection);
        self.outputs.extend(connections.map(|connection| transmit(connection, encoded.clone())));
    }

    /// Before it is let in, a socket may join rooms; their broadcasts reach it once it is.
    pub(super) fn join_room(&mut self, socket: &Sid, room: RoomName) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let place = member.place();
        if !member.rooms.insert(room.clone()) {
            return;
        }
        if let (Some(place), Some(state)) = (place, self.namespaces.get_mut(&member.namespace)) {
            state.roster.join(place, &room);
            self.sessions.iter_mut().for_each(|sessions| sessions.join(place, &room));
        }
    }

    pub(super) fn leave_room(&mut self, socket: &Sid, room: &RoomName) {
        let Some(member) = self.members.get_mut(socket) else { return };
        let place = member.place();
        if !member.rooms.remove(room) {
            return;
        }
        if let (Some(place), Some(state)) = (place, self.namespaces.get_mut(&member.namespace)) {
            state.roster.leave_room(place, room);
            self.sessions.iter_mut().for_each(|sessions| sessions.leave(place, room));
        }
    }

    /// Who is not yet let in is for [`HubCommand::Refuse`]; but the connection under it can be closed.
    pub(super) fn disconnect(&mut self, socket: &Sid, close: bool, now: Time) {
        let Some(member) = self.members.get(socket) else { return };
        let connection = member.connection;
        if member.is_away() {
            self.forget_session(socket);
        } else if close {
            self.say_goodbye(connection);
            self.close(connection, DisconnectReason::ServerNamespaceDisconnect);
        } else if member.is_connected() {
            self.send(socket, Kind::Disconnect);
            self.leave(socket, DisconnectReason::ServerNamespaceDisconnect, now);
        }
    }

    /// DISCONNECT to each socket of a connection: a client that is told so does not reconnect.
    fn say_goodbye(&mut self, connection: ConnectionId) {
        let Some(Connection::Open { sockets, .. }) = self.connections.get(&connection) else { return };
        let connected = sockets.values().filter(|socket| self.members[*socket].is_connected());
        for socket in connected.cloned().collect::<Vec<Sid>>() {
            self.send(&socket, Kind::Disconnect);
        }
    }

    /// No DISCONNECT packet, as in the reference implementation: a client that was sent one would not reconnect, and a
    /// server that shuts down is expected to come back.
    fn shut_down(&mut self) {
        reached!("hub.shutdown");
        self.shutting_down = true;
        let mut connected: Vec<_> = self.namespaces.values().flat_map(|state| state.roster.iter()).collect();
        connected.sort_unstable();
        let all: Vec<ConnectionId> = self.connections.keys().copied().collect();
        for connection in connected.into_iter().filter_map(|(_, connection)| connection).chain(all) {
            self.close(connection, DisconnectReason::ServerShuttingDown);
        }
    }
}
