//! The one task that owns the hub: what connections and the application say becomes one order of inputs.
//!
//! Takes [`ToHub`] from everyone, gives messages to connections and events to sockets. It waits for no one.

use std::collections::BTreeMap;
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytestring::ByteString;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{CloseReason, Sid};
use crate::io::alarm::Alarm;
use crate::socket::{
    AckError, Args, ConnectionId, EmitId, Encoded, Hub, HubCommand, HubEvent, HubInput, HubOutput, Packet,
    Recovered, Recovery,
};

use super::request::RequestInfo;
use super::socket::{Birth, Socket};
use super::{Shared, incoming, middleware, outgoing};

/// What the hub's task is told.
pub(super) enum ToHub {
    /// An engine session was opened by this request; what the hub has for it goes there.
    Opened(ConnectionId, outgoing::Sender, Arc<RequestInfo>),
    /// A packet arrived on it.
    Received(ConnectionId, Packet),
    /// It is over.
    Closed(ConnectionId, CloseReason),
    /// The application asks for something.
    Command(HubCommand),
    /// Send an event to a socket, and give back its answer.
    EmitWithAck {
        socket: Sid,
        name: ByteString,
        args: Args,
        timeout: Option<Duration>,
        answer: oneshot::Sender<Result<Args, AckError>>,
    },
    /// To be answered when all that was said before is done.
    Barrier(oneshot::Sender<()>),
    /// End a connection at once, and say why in the log.
    Abort(ConnectionId, &'static str),
    /// End all of them at once.
    AbortAll,
}

/// A socket that is connected.
struct Member {
    socket: Socket,
    events: incoming::Sender,
}

/// The hub and all it speaks to.
pub(super) struct HubTask {
    hub: Hub,
    inputs: mpsc::UnboundedReceiver<ToHub>,
    connections: BTreeMap<ConnectionId, outgoing::Sender>,
    /// Sockets that asked for a guarded namespace and are not yet let in.
    asking: BTreeMap<Sid, Socket>,
    members: BTreeMap<Sid, Member>,
    answers: BTreeMap<EmitId, oneshot::Sender<Result<Args, AckError>>>,
    emits: u64,
    alarm: Alarm,
    /// Weak, so that the task ends with the last who can say something to it.
    shared: Weak<Shared>,
}

impl HubTask {
    /// A hub without connections, for the server that `shared` is of.
    pub(super) fn new(shared: &Arc<Shared>, inputs: mpsc::UnboundedReceiver<ToHub>) -> Self {
        let mut hub = Hub::new(shared.env.entropy.clone(), shared.options.connect_timeout);
        if let Some(recovery) = &shared.options.recovery {
            // What is replayed waits for its reader all at once.
            let max_bytes = recovery.max_bytes.min(shared.options.max_outgoing_bytes);
            hub.recover(Recovery { max_bytes, ..recovery.clone() });
        }
        Self {
            hub,
            inputs,
            connections: BTreeMap::new(),
            asking: BTreeMap::new(),
            members: BTreeMap::new(),
            answers: BTreeMap::new(),
            emits: 0,
            alarm: Alarm::new(shared.env.clock.clone()),
            shared: Arc::downgrade(shared),
        }
    }

    /// Runs until no one is left who could say something.
    pub(super) async fn run(mut self) {
        loop {
            tokio::select! {
                biased;
                input = self.inputs.recv() => match input {
                    Some(input) => self.on_input(input),
                    None => return,
                },
                () = self.alarm.expired() => self.hand_in(HubInput::TimedOut),
            }
        }
    }

    fn on_input(&mut self, input: ToHub) {
        match input {
            ToHub::Opened(connection, outgoing, request) => {
                tracing::debug!(connection = connection.0, peer = ?request.peer, "connection is open");
                self.connections.insert(connection, outgoing);
                self.hand_in(HubInput::Opened(connection));
            }
            ToHub::Received(connection, packet) => self.hand_in(HubInput::Received(connection, packet)),
            ToHub::Closed(connection, reason) => {
                self.connections.remove(&connection);
                self.hand_in(HubInput::Closed(connection, reason));
            }
            ToHub::Command(command) => self.hand_in(HubInput::Command(command)),
            ToHub::EmitWithAck { socket, name, args, timeout, answer } => {
                let emit = EmitId(self.emits);
                self.emits += 1;
                self.answers.insert(emit, answer);
                let ack = Some((emit, timeout));
                let command = HubCommand::Emit { socket, name, args, ack, volatile: false };
                self.hand_in(HubInput::Command(command));
            }
            // Who asked may have stopped waiting.
            ToHub::Barrier(done) => drop(done.send(())),
            ToHub::Abort(connection, why) => self.abort(connection, why),
            ToHub::AbortAll => {
                for outgoing in std::mem::take(&mut self.connections).into_values() {
                    outgoing.abort();
                }
            }
        }
    }

    fn hand_in(&mut self, input: HubInput) {
        let Some(shared) = self.shared.upgrade() else { return };
        self.hub.handle(input, shared.env.clock.monotonic());
        loop {
            match self.hub.poll_output() {
                HubOutput::Transmit(connection, messages) => self.transmit(connection, messages),
                HubOutput::TransmitVolatile(connection, messages) => {
                    if let Some(outgoing) = self.connections.get(&connection) {
                        outgoing.send_volatile(messages);
                    }
                }
                HubOutput::Close(connection) => {
                    if let Some(outgoing) = self.connections.get(&connection) {
                        outgoing.close();
                    }
                }
                HubOutput::Event(event) => self.on_event(event, &shared),
                HubOutput::Wait { until } => return self.alarm.set(until),
            }
        }
    }

    fn transmit(&mut self, connection: ConnectionId, messages: Encoded) {
        let Some(outgoing) = self.connections.get(&connection) else { return };
        if outgoing.send(messages).is_err() {
            tracing::debug!(reached = "hub.slow_reader", connection = connection.0);
            self.abort(connection, "its reader is slow: more than max_outgoing_bytes wait for it");
        }
    }

    /// The connection's task tells the hub that it is over, as it does of every end.
    fn abort(&mut self, connection: ConnectionId, why: &'static str) {
        if let Some(outgoing) = self.connections.remove(&connection) {
            tracing::warn!(connection = connection.0, why, "connection is closed");
            outgoing.abort();
        }
    }

    fn on_event(&mut self, event: HubEvent, shared: &Arc<Shared>) {
        match event {
            HubEvent::Asked { socket, connection, namespace, auth, recovers } => {
                let id = recovers.as_ref().unwrap_or(&socket).clone();
                let birth = Birth { id, connection, namespace, auth, recovers: recovers.is_some() };
                self.on_asked(socket, birth, shared);
            }
            HubEvent::Abandoned { socket } => {
                if let Some(socket) = self.asking.remove(&socket) {
                    socket.abandon();
                }
            }
            HubEvent::Connected { socket, connection, namespace, auth, recovered } => {
                let recovers = recovered.is_some();
                let birth = Birth { id: socket, connection, namespace, auth, recovers };
                self.on_connected(birth, recovered, shared);
            }
            HubEvent::Received { socket, name, args, ack } => {
                let Some(member) = self.members.get_mut(&socket) else { return };
                if member.events.send(incoming::Event { name, args, ack }).is_err() {
                    let connection = member.socket.connection();
                    self.abort(
                        connection,
                        "its handlers are slow: more than max_incoming_bytes wait for them",
                    );
                }
            }
            HubEvent::Acked { emit, result } => {
                if let Some(answer) = self.answers.remove(&emit) {
                    // Who asked may have stopped waiting.
                    drop(answer.send(result));
                }
            }
            HubEvent::Disconnected { socket, reason } => {
                let Some(member) = self.members.remove(&socket) else { return };
                tracing::debug!(%socket, %reason, "socket is disconnected");
                member.socket.set_gone();
                member.events.disconnected(reason);
            }
        }
    }

    fn on_asked(&mut self, asked: Sid, birth: Birth, shared: &Arc<Shared>) {
        // Without its connection it is about to be abandoned.
        let Some(outgoing) = self.connections.get(&birth.connection) else { return };
        let middlewares = shared.registered(&birth.namespace, |registered| registered.middlewares.clone());
        let socket = Socket::new(shared.clone(), birth, outgoing.meter());
        socket.spawn(middleware::run(socket.clone(), asked.clone(), middlewares));
        self.asking.insert(asked, socket);
    }

    fn on_connected(&mut self, birth: Birth, recovered: Option<Recovered>, shared: &Arc<Shared>) {
        let (asked, replayed) = match recovered {
            Some(Recovered { asked, replayed }) => (asked, replayed),
            None => (birth.id.clone(), Vec::new()),
        };
        let asked = self.asking.remove(&asked);
        let Birth { id, connection, namespace, .. } = &birth;
        // Without its connection it is about to be disconnected, and no one has heard of it.
        let Some(outgoing) = self.connections.get(connection) else { return };
        tracing::debug!(socket = %id, connection = connection.0, %namespace, "socket is connected");
        let (events, inbox) = incoming::channel(shared.options.max_incoming_bytes);
        let on_connect = shared.registered(namespace, |registered| registered.on_connect.clone());
        let id = id.clone();
        let socket = asked.unwrap_or_else(|| Socket::new(shared.clone(), birth, outgoing.meter()));
        socket.set_replayed(replayed);
        socket.start(on_connect, inbox);
        self.members.insert(id, Member { socket, events });
    }
}
