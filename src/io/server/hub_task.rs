//! The one task that owns the hub: what connections and the application say becomes one order of inputs.
//!
//! Takes [`ToHub`] from everyone, gives messages to connections and events to sockets. It waits for no one.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Weak};
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::{mpsc, oneshot};

use crate::engine::{CloseReason, Sid};
use crate::io::alarm::Alarm;
use crate::reached::reached;
use crate::socket::stored::{BatchId, SessionBatch};
use crate::socket::{
    AckError, Args, Audience, ConnectionId, EmitId, Encoded, Hub, HubCommand, HubEvent, HubInput, HubOutput,
    Namespace, Packet, Recovered, Recovery, RoomName,
};

use super::broadcast::AcksMissing;
use super::endpoint::Host;
use super::handshake::{Handshake, Notes};
use super::registry::ParentId;
use super::request::RequestInfo;
use super::session_store::Keeper;
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
    /// Send an event to many sockets, and give back their answers.
    BroadcastWithAck {
        audience: Audience,
        name: ByteString,
        args: Args,
        timeout: Option<Duration>,
        answer: oneshot::Sender<Result<Vec<Args>, AcksMissing>>,
    },
    /// Who is meant?
    FetchSockets(Audience, oneshot::Sender<Vec<Socket>>),
    /// In which of these namespaces is someone?
    FetchChildren(ParentId, oneshot::Sender<BTreeSet<Namespace>>),
    /// In which rooms is it?
    FetchRooms(Sid, oneshot::Sender<BTreeSet<RoomName>>),
    /// To be answered when all that was said before is done.
    Barrier(oneshot::Sender<()>),
    /// The store has kept a batch.
    Persisted(BatchId),
    /// The store has failed.
    PersistFailed,
    /// End a connection at once, and say why in the log.
    Abort(ConnectionId, &'static str),
    /// End all of them at once.
    AbortAll,
}

/// A connection that is not over.
struct Open {
    outgoing: outgoing::Sender,
    request: Arc<RequestInfo>,
}

/// A socket that is connected.
struct Member {
    socket: Socket,
    events: incoming::Sender,
}

/// A socket that asks, or has just connected.
struct Newcomer {
    id: Sid,
    connection: ConnectionId,
    namespace: Namespace,
    auth: Value,
    /// Whether it is one that was there before.
    recovers: bool,
}

/// The hub and all it speaks to.
pub(super) struct HubTask {
    hub: Hub,
    inputs: mpsc::UnboundedReceiver<ToHub>,
    connections: BTreeMap<ConnectionId, Open>,
    /// Sockets that asked for a guarded namespace and are not yet let in.
    asking: BTreeMap<Sid, Socket>,
    members: BTreeMap<Sid, Member>,
    /// What is noted about those who may be taken up again.
    notes: BTreeMap<Sid, Notes>,
    answers: BTreeMap<EmitId, oneshot::Sender<Result<Args, AckError>>>,
    surveys: BTreeMap<EmitId, oneshot::Sender<Result<Vec<Args>, AcksMissing>>>,
    emits: u64,
    /// Where sessions are stored.
    batches: Option<mpsc::UnboundedSender<SessionBatch>>,
    /// Who waits until all that was said before has gone.
    barriers: Vec<(BatchId, oneshot::Sender<()>)>,
    alarm: Alarm,
    /// Weak, so that the task ends with the last who can say something to it.
    shared: Weak<Shared>,
}

impl Drop for HubTask {
    /// Without it the server is over, be it that it was never shut down. What the application registered may hold the
    /// server, and would keep it, and all that it holds itself, for ever.
    fn drop(&mut self) {
        self.shared.upgrade().into_iter().for_each(|shared| shared.forget());
    }
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
            notes: BTreeMap::new(),
            answers: BTreeMap::new(),
            surveys: BTreeMap::new(),
            emits: 0,
            batches: None,
            barriers: Vec::new(),
            alarm: Alarm::new(shared.env.clock.clone()),
            shared: Arc::downgrade(shared),
        }
    }

    /// Runs until no one is left who could say something. What a store has is there before anything is heard.
    pub(super) async fn run(mut self, store: Option<Keeper>) {
        if let Some(keeper) = store
            && let Some((stored, batches)) = keeper.open().await
        {
            self.batches = Some(batches);
            let sessions = stored.iter().flat_map(|stored| &stored.sessions);
            let noted = sessions.map(|stored| (stored.socket.clone(), Notes::new(stored.data.clone())));
            self.notes.extend(noted);
            self.hand_in(HubInput::Loaded(stored));
        }
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
                self.connections.insert(connection, Open { outgoing, request });
                self.hand_in(HubInput::Opened(connection));
            }
            ToHub::Received(connection, packet) => self.hand_in(HubInput::Received(connection, packet)),
            ToHub::Closed(connection, reason) => {
                self.connections.remove(&connection);
                self.hand_in(HubInput::Closed(connection, reason));
            }
            ToHub::Command(command) => self.hand_in(HubInput::Command(command)),
            ToHub::EmitWithAck { socket, name, args, timeout, answer } => {
                let emit = self.next_emit();
                self.answers.insert(emit, answer);
                let ack = Some((emit, timeout));
                let command = HubCommand::Emit { socket, name, args, ack, volatile: false };
                self.hand_in(HubInput::Command(command));
            }
            ToHub::BroadcastWithAck { audience, name, args, timeout, answer } => {
                let emit = self.next_emit();
                self.surveys.insert(emit, answer);
                let command = HubCommand::BroadcastWithAck { audience, name, args, emit, timeout };
                self.hand_in(HubInput::Command(command));
            }
            // Who asked may have stopped waiting.
            ToHub::FetchSockets(audience, answer) => drop(answer.send(self.sockets(&audience))),
            ToHub::FetchChildren(parent, answer) => drop(answer.send(self.children(parent))),
            ToHub::FetchRooms(socket, answer) => drop(answer.send(self.hub.rooms(&socket))),
            ToHub::Barrier(done) => match self.hub.awaited_batch() {
                Some(batch) => self.barriers.push((batch, done)),
                None => drop(done.send(())),
            },
            ToHub::Persisted(batch) => {
                self.hand_in(HubInput::Persisted(batch));
                self.lift_barriers(batch);
            }
            ToHub::PersistFailed => {
                self.hand_in(HubInput::PersistFailed);
                self.barriers.drain(..).for_each(|(_, done)| done.send(()).unwrap_or_default());
            }
            ToHub::Abort(connection, why) => self.abort(connection, why),
            ToHub::AbortAll => {
                for open in std::mem::take(&mut self.connections).into_values() {
                    open.outgoing.abort();
                }
            }
        }
    }

    /// What waited for batches up to this one has gone.
    fn lift_barriers(&mut self, kept: BatchId) {
        let lifted = self.barriers.extract_if(.., |(batch, _)| *batch <= kept);
        // Who asked may have stopped waiting.
        lifted.for_each(|(_, done)| done.send(()).unwrap_or_default());
    }

    fn next_emit(&mut self) -> EmitId {
        let emit = EmitId(self.emits);
        self.emits += 1;
        emit
    }

    fn sockets(&self, audience: &Audience) -> Vec<Socket> {
        let ids = self.hub.audience(audience);
        ids.iter().filter_map(|id| self.members.get(id)).map(|member| member.socket.clone()).collect()
    }

    fn children(&self, parent: ParentId) -> BTreeSet<Namespace> {
        let sockets = self.members.values().map(|member| &member.socket);
        sockets
            .filter(|socket| socket.parent() == Some(parent))
            .map(|socket| Namespace::new(socket.namespace()))
            .collect()
    }

    fn hand_in(&mut self, input: HubInput) {
        let Some(shared) = self.shared.upgrade() else { return };
        self.hub.handle(input, shared.env.clock.monotonic());
        loop {
            match self.hub.poll_output() {
                HubOutput::Transmit(connection, messages) => self.transmit(connection, messages),
                HubOutput::TransmitVolatile(connection, messages) => {
                    if let Some(Open { outgoing, .. }) = self.connections.get(&connection) {
                        outgoing.send_volatile(messages);
                    }
                }
                HubOutput::Close(connection) => {
                    if let Some(Open { outgoing, .. }) = self.connections.get(&connection) {
                        outgoing.close();
                    }
                }
                HubOutput::Event(event) => self.on_event(event, &shared),
                HubOutput::Persist(batch) => {
                    let store = self.batches.as_ref().expect("who is given batches has loaded");
                    // The store's task is gone only with the process.
                    drop(store.send(batch));
                }
                HubOutput::Wait { until } => return self.alarm.set(until),
            }
        }
    }

    fn transmit(&mut self, connection: ConnectionId, messages: Encoded) {
        let Some(Open { outgoing, .. }) = self.connections.get(&connection) else { return };
        if outgoing.send(messages).is_err() {
            reached!("hub.slow_reader");
            self.abort(connection, "its reader is slow: more than max_outgoing_bytes wait for it");
        }
    }

    /// The connection's task tells the hub that it is over, as it does of every end.
    fn abort(&mut self, connection: ConnectionId, why: &'static str) {
        if let Some(Open { outgoing, .. }) = self.connections.remove(&connection) {
            tracing::warn!(connection = connection.0, why, "connection is closed");
            outgoing.abort();
        }
    }

    fn on_event(&mut self, event: HubEvent, shared: &Arc<Shared>) {
        match event {
            HubEvent::Asked { socket, connection, namespace, auth, recovers } => {
                let id = recovers.as_ref().unwrap_or(&socket).clone();
                let newcomer = Newcomer { id, connection, namespace, auth, recovers: recovers.is_some() };
                self.on_asked(socket, newcomer, shared);
            }
            HubEvent::Abandoned { socket } => {
                if let Some(socket) = self.asking.remove(&socket) {
                    socket.abandon();
                }
            }
            HubEvent::Connected { socket, connection, namespace, auth, recovered } => {
                let recovers = recovered.is_some();
                let newcomer = Newcomer { id: socket, connection, namespace, auth, recovers };
                self.on_connected(newcomer, recovered, shared);
            }
            HubEvent::Received { socket, name, args, ack } => {
                let Some(member) = self.members.get_mut(&socket) else { return };
                if member.events.send(incoming::Event { name, args, ack }).is_err() {
                    reached!("hub.slow_handler");
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
            HubEvent::AllAcked { emit, answers, missing } => {
                if let Some(answer) = self.surveys.remove(&emit) {
                    let result =
                        if missing == 0 { Ok(answers) } else { Err(AcksMissing { answers, missing }) };
                    drop(answer.send(result));
                }
            }
            HubEvent::Disconnected { socket, reason, rooms } => {
                let Some(member) = self.members.remove(&socket) else { return };
                tracing::debug!(%socket, %reason, "socket is disconnected");
                member.socket.set_gone();
                member.events.disconnected(incoming::Disconnection { reason, rooms });
            }
            HubEvent::Forgotten { socket } => drop(self.notes.remove(&socket)),
        }
    }

    fn on_asked(&mut self, asked: Sid, newcomer: Newcomer, shared: &Arc<Shared>) {
        // Without its connection it is about to be abandoned.
        let Some(open) = self.connections.get(&newcomer.connection) else { return };
        let entrance = shared.registry().entrance(&newcomer.namespace);
        let notes = self.notes.get(&newcomer.id).cloned().unwrap_or_default();
        let socket = open.socket(shared, newcomer, notes);
        socket.spawn(middleware::run(socket.clone(), asked.clone(), entrance));
        self.asking.insert(asked, socket);
    }

    fn on_connected(&mut self, newcomer: Newcomer, recovered: Option<Recovered>, shared: &Arc<Shared>) {
        let (asked, replayed) = match recovered {
            Some(Recovered { asked, replayed }) => (asked, replayed),
            None => (newcomer.id.clone(), Vec::new()),
        };
        let asked = self.asking.remove(&asked);
        // Without its connection it is about to be disconnected, and no one has heard of it.
        let Some(open) = self.connections.get(&newcomer.connection) else { return };
        let Newcomer { id, connection, namespace, .. } = &newcomer;
        tracing::debug!(socket = %id, connection = connection.0, %namespace, "socket is connected");
        let (events, inbox) = incoming::channel(shared.options.max_incoming_bytes);
        let parent = asked.as_ref().and_then(Socket::parent);
        let on_connect = shared.registry().on_connect(namespace, parent);
        let id = id.clone();
        let notes = self.notes.get(&id).cloned().unwrap_or_default();
        let socket = asked.unwrap_or_else(|| open.socket(shared, newcomer, notes));
        if shared.options.recovery.is_some() {
            self.notes.insert(id.clone(), socket.notes().clone());
        }
        socket.set_replayed(replayed);
        socket.start(on_connect, inbox);
        self.members.insert(id, Member { socket, events });
    }
}

impl Open {
    fn socket(&self, shared: &Arc<Shared>, newcomer: Newcomer, notes: Notes) -> Socket {
        let Newcomer { id, connection, namespace, auth, recovers } = newcomer;
        let handshake = Handshake { auth, request: self.request.clone() };
        let birth = Birth { id, connection, namespace, handshake, recovers, notes };
        Socket::new(shared.clone(), birth, self.outgoing.meter())
    }
}
