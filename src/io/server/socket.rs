//! What handlers hold: [`Socket`], and the events it gets.

use std::collections::BTreeSet;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, OnceLock};
use std::time::Duration;

use bytestring::ByteString;
use serde_json::Value;
use tokio::sync::{oneshot, watch};

use crate::engine::Sid;
use crate::io::flags::{Timeout, Volatile};
use crate::socket::{AckError, AckId, Args, ConnectionId, HubCommand, Namespace, RoomName};

use super::broadcast::{Broadcast, IntoRooms};
use super::handlers::{self, ConnectHandler, Handlers};
use super::handshake::{Handshake, Notes};
use super::hub_task::ToHub;
use super::incoming;
use super::middleware::Middleware;
use super::namespace::ServerNamespace;
use super::outgoing::Meter;
use super::registry::ParentId;
use super::{Server, Shared};

/// An event as a handler receives it.
#[derive(Debug, Clone)]
pub struct Incoming {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    /// To answer it with; does nothing where the client asked for no answer.
    pub ack: Ack,
}

/// The answer to an event. Only the first one reaches the client, whichever handler gives it; where all are dropped
/// unused, the client gets none.
#[derive(Debug, Clone)]
pub struct Ack(Option<(Socket, AckId)>);

impl Ack {
    /// Whether the client asked for an answer.
    pub fn is_wanted(&self) -> bool {
        self.0.is_some()
    }

    /// Answers.
    pub fn send(self, args: impl Into<Args>) {
        if let Some((socket, id)) = self.0 {
            socket.tell_hub(|socket| HubCommand::Ack { socket, id, args: args.into() });
        }
    }
}

/// A client's connection to a namespace, on the server. A handle: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct Socket(Arc<Inner>);

/// What a socket is from its first moment on.
pub(super) struct Birth {
    pub(super) id: Sid,
    pub(super) connection: ConnectionId,
    pub(super) namespace: Namespace,
    pub(super) handshake: Handshake,
    /// Whether it is one that was there before.
    pub(super) recovers: bool,
    pub(super) notes: Notes,
}

struct Inner {
    shared: Arc<Shared>,
    birth: Birth,
    /// Whose namespaces it is in one of, once that is found.
    parent: OnceLock<ParentId>,
    replayed: OnceLock<Vec<(String, Args)>>,
    outgoing: Arc<Meter>,
    gone: watch::Sender<bool>,
    /// `None` once they have run for the last time.
    handlers: Mutex<Option<Handlers>>,
}

impl fmt::Debug for Socket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Socket({})", self.0.birth.id)
    }
}

impl Socket {
    /// A socket that has just connected, or asks whether it may.
    pub(super) fn new(shared: Arc<Shared>, birth: Birth, outgoing: Arc<Meter>) -> Self {
        Self(Arc::new(Inner {
            shared,
            birth,
            parent: OnceLock::new(),
            replayed: OnceLock::new(),
            outgoing,
            gone: watch::Sender::new(false),
            handlers: Mutex::new(Some(Handlers::default())),
        }))
    }

    /// Says what its client had missed. Once, before its handlers run.
    pub(super) fn set_replayed(&self, events: Vec<(ByteString, Args)>) {
        let events = events.into_iter().map(|(name, args)| (name.into(), args)).collect();
        drop(self.0.replayed.set(events));
    }

    /// Spawns the task of its handlers.
    pub(super) fn start(&self, on_connect: Vec<ConnectHandler>, inbox: incoming::Receiver) {
        self.spawn_counted(handlers::run(self.clone(), on_connect, inbox));
    }

    pub(super) fn connection(&self) -> ConnectionId {
        self.0.birth.connection
    }

    /// Looks at, or adds to, what is registered here; not any more once it has run for the last time. What `look` gives
    /// back is dropped by the caller, whose code may come here again.
    pub(super) fn handlers<T>(&self, look: impl FnOnce(&mut Handlers) -> T) -> Option<T> {
        let mut handlers = self.0.handlers.lock().expect("no one panics while holding it");
        let handlers = handlers.as_mut()?;
        Some(look(handlers))
    }

    /// What is registered, for the last time: handlers that hold their socket would keep it, and themselves, for ever.
    pub(super) fn take_handlers(&self) -> Handlers {
        self.0.handlers.lock().expect("no one panics while holding it").take().unwrap_or_default()
    }

    pub(super) fn parent(&self) -> Option<ParentId> {
        self.0.parent.get().copied()
    }

    /// Says whose it is; the middlewares that are to be asked for it.
    pub(super) fn adopt(&self, parent: ParentId) -> Vec<Middleware> {
        let parent = *self.0.parent.get_or_init(|| parent);
        self.0.shared.registry().parent(parent).map(|parent| parent.middlewares.clone()).unwrap_or_default()
    }

    pub(super) fn notes(&self) -> &Notes {
        &self.0.birth.notes
    }

    pub(super) fn incoming(&self, event: incoming::Event) -> Incoming {
        let ack = Ack(event.ack.map(|id| (self.clone(), id)));
        Incoming { name: event.name.into(), args: event.args, ack }
    }

    /// Tells the store what is noted, if there is one.
    pub(super) fn note(&self, data: &Value) {
        if self.0.shared.stores_sessions {
            self.tell_hub(|socket| HubCommand::Note { socket, data: data.clone() });
        }
    }

    /// Says that nothing can be sent to it any more.
    pub(super) fn set_gone(&self) {
        self.0.gone.send_replace(true);
    }

    /// Says that it will never connect.
    pub(super) fn abandon(&self) {
        drop(self.take_handlers());
        self.set_gone();
    }

    /// Lets it in, or not.
    pub(super) fn settle(&self, asked: Sid, decision: Result<(), Value>) {
        let command = match decision {
            Ok(()) => HubCommand::Admit(asked),
            Err(error) => HubCommand::Refuse { socket: asked, error },
        };
        self.0.shared.tell_hub(ToHub::Command(command));
    }

    async fn gone(&self) {
        // The sender lives as long as `self`.
        drop(self.0.gone.subscribe().wait_for(|gone| *gone).await);
    }

    /// Drops its connection, and says why in the log. The client may come back.
    pub(super) fn abort(&self, why: &'static str) {
        self.0.shared.tell_hub(ToHub::Abort(self.connection(), why));
    }

    fn tell_hub(&self, command: impl FnOnce(Sid) -> HubCommand) {
        self.0.shared.tell_hub(ToHub::Command(command(self.0.birth.id.clone())));
    }

    fn spawn_counted(&self, future: impl Future<Output = ()> + Send + 'static) {
        let task = self.0.shared.tasks.start();
        self.0.shared.env.spawn(async move {
            future.await;
            drop(task);
        });
    }

    /// Its id, new for each connection; but a socket that [`recovered`](Self::recovered) keeps its own. What is asked for
    /// by a handle concerns the socket that now has the id.
    pub fn id(&self) -> &Sid {
        &self.0.birth.id
    }

    /// The server it is connected to.
    pub fn server(&self) -> Server {
        Server { shared: self.0.shared.clone() }
    }

    /// The name of its namespace, `/` for the main one.
    pub fn namespace(&self) -> &str {
        self.0.birth.namespace.as_str()
    }

    /// Its namespace.
    pub fn nsp(&self) -> ServerNamespace {
        ServerNamespace::existing(&self.0.shared, self.0.birth.namespace.clone())
    }

    /// Whether this is a socket that was there before its connection broke, with its id and its rooms. Its handlers are to
    /// be registered as for a new one. See [`ServerOptions::recovery`](super::ServerOptions::recovery).
    pub fn recovered(&self) -> bool {
        self.0.birth.recovers
    }

    /// The events that its client had missed and that were sent to it, names and arguments, in order. Empty unless it
    /// [`recovered`](Self::recovered), and as long as middlewares run.
    pub fn replayed(&self) -> &[(String, Args)] {
        self.0.replayed.get().map_or(&[], Vec::as_slice)
    }

    /// How its client came.
    pub fn handshake(&self) -> &Handshake {
        &self.0.birth.handshake
    }

    /// Sends an event. Does nothing where the socket is gone.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.send(name, args.into(), false);
    }

    /// As [`Socket::emit`], but does nothing where the socket was taken up by another connection meanwhile: for what each
    /// connection sends for itself, such as what a client that connects is shown first. Until then, what is emitted is kept
    /// for the client that comes back.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit_here(&self, name: &str, args: impl Into<Args>) {
        crate::io::assert_not_reserved(name);
        let (connection, args) = (self.connection(), args.into());
        self.heed_outgoing(name, &args);
        self.tell_hub(|socket| HubCommand::EmitOn { connection, socket, name: name.into(), args });
    }

    /// What is emitted so is dropped where it could not leave at once: where something waits to be written for this
    /// client, or the socket is not connected.
    pub fn volatile(&self) -> Volatile<'_, Self> {
        Volatile(self)
    }

    pub(in crate::io) fn send(&self, name: &str, args: Args, volatile: bool) {
        crate::io::assert_not_reserved(name);
        self.heed_outgoing(name, &args);
        self.tell_hub(|socket| HubCommand::Emit { socket, name: name.into(), args, ack: None, volatile });
    }

    /// Sends an event and waits for the client's answer, for ever where there is no timeout. A handler may wait for it:
    /// answers do not queue up behind events.
    ///
    /// # Errors
    /// When no answer came in time, or the socket is gone. Either way the event may have arrived.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(
        &self,
        name: &str,
        args: impl Into<Args>,
        timeout: Option<Duration>,
    ) -> Result<Args, AckError> {
        crate::io::assert_not_reserved(name);
        let (answer, result) = oneshot::channel();
        let args = args.into();
        self.heed_outgoing(name, &args);
        let (socket, name) = (self.0.birth.id.clone(), name.into());
        self.0.shared.tell_hub(ToHub::EmitWithAck { socket, name, args, timeout, answer });
        // Without a hub there is no socket any more.
        result.await.unwrap_or(Err(AckError::Disconnected))
    }

    /// As [`Socket::emit_with_ack`], with the timeout said first.
    pub fn timeout(&self, timeout: Duration) -> Timeout<'_, Self> {
        Timeout { on: self, timeout }
    }

    /// Puts it into a room, or into several. It leaves all its rooms when it is gone; then this does nothing.
    pub fn join(&self, rooms: impl IntoRooms) {
        for room in rooms.into_rooms() {
            self.tell_hub(|socket| HubCommand::Join { socket, room });
        }
    }

    /// Takes it out of a room, or out of several.
    pub fn leave(&self, rooms: impl IntoRooms) {
        for room in rooms.into_rooms() {
            self.tell_hub(|socket| HubCommand::Leave { socket, room });
        }
    }

    /// The rooms it is in after all that was asked for before, the one that is named as its id among them; none once it
    /// is gone.
    pub async fn rooms(&self) -> BTreeSet<RoomName> {
        let (answer, rooms) = oneshot::channel();
        self.0.shared.tell_hub(ToHub::FetchRooms(self.0.birth.id.clone(), answer));
        // Without a hub there is no socket any more.
        rooms.await.unwrap_or_default()
    }

    /// To every socket of this namespace but this one.
    pub fn broadcast(&self) -> Broadcast {
        Broadcast::new(&self.0.shared, &self.0.birth.namespace).except(&self.0.birth.id)
    }

    /// To every socket in a room, or in any of several, but this one.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().to(rooms)
    }

    /// As [`Socket::to`].
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// To every socket of this namespace but this one and those in a room, or in any of several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.broadcast().except(rooms)
    }

    /// To every socket of this namespace and process but this one; see [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.broadcast().local()
    }

    /// Runs a future beside the handlers, in a task of its own that ends when the socket is gone.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let socket = self.clone();
        self.spawn_counted(async move {
            tokio::select! {
                biased;
                () = socket.gone() => {}
                () = future => {}
            }
        });
    }

    /// Ends when less than a quarter of [`max_outgoing_bytes`] waits to be written, all that was emitted before
    /// counted: who sends much awaits it in between. Ends at once where the socket is gone.
    ///
    /// [`max_outgoing_bytes`]: super::ServerOptions::max_outgoing_bytes
    pub async fn writable(&self) {
        let (done, barrier) = oneshot::channel();
        self.0.shared.tell_hub(ToHub::Barrier(done));
        // Fails where the hub is no more, and with it the socket.
        if barrier.await.is_err() {
            return;
        }
        tokio::select! {
            biased;
            () = self.gone() => {}
            () = self.0.outgoing.room() => {}
        }
    }

    /// Disconnects the socket, after what was sent before; with `close`, its connection too.
    pub fn disconnect(&self, close: bool) {
        self.tell_hub(|socket| HubCommand::Disconnect { socket, close });
    }

    /// Closes the connection under it, after what was sent before, and with it what other sockets it has: their reason is
    /// "forced close". Other than after [`Socket::disconnect`], a client that may reconnect does.
    pub fn close_connection(&self) {
        self.tell_hub(HubCommand::Close);
    }
}
