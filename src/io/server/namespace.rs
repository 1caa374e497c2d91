//! A namespace of a server: its own handlers, middlewares, sockets and rooms, over connections that it shares with others.

use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use crate::socket::{Args, HubCommand, Namespace};

use super::Shared;
use super::broadcast::{AcksMissing, Broadcast, IntoRooms};
use super::handlers::ConnectHandler;
use super::hub_task::ToHub;
use super::middleware::{ConnectError, Middleware};
use super::socket::Socket;

/// A namespace of a server, from [`Server::of`](super::Server::of). A handle: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct ServerNamespace {
    shared: Arc<Shared>,
    name: Namespace,
}

impl fmt::Debug for ServerNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ServerNamespace({})", self.name)
    }
}

impl ServerNamespace {
    /// Lets clients in; those of the main namespace always are.
    pub(super) fn new(shared: &Arc<Shared>, name: Namespace) -> Self {
        if name != Namespace::MAIN {
            // First, so that whoever asks after the hub knows it finds it here.
            shared.registry().named(&name);
            shared.tell_hub(ToHub::Command(HubCommand::Create(name.clone())));
        }
        Self::existing(shared, name)
    }

    /// One that exists, or did.
    pub(super) fn existing(shared: &Arc<Shared>, name: Namespace) -> Self {
        Self { shared: shared.clone(), name }
    }

    /// Its name, with the leading `/`.
    pub fn name(&self) -> &str {
        self.name.as_str()
    }

    /// Asks for each socket whether it may connect, before the client is answered. Several registered functions are asked
    /// one after another, in order; the first error is the answer. A client that goes meanwhile is not waited for.
    ///
    /// The socket may join rooms and register handlers; what is emitted to it reaches the client after the answer.
    pub fn use_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware: Middleware = Arc::new(move |socket| Box::pin(middleware(socket)));
        self.shared.registry().named(&self.name).middlewares.push(middleware);
        self.shared.tell_hub(ToHub::Command(HubCommand::Guard(self.name.clone())));
    }

    /// Runs for each socket that connects, before any event of it: the place to register its handlers. Several
    /// registered functions run one after another, in order.
    pub fn on_connect<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: ConnectHandler = Arc::new(move |socket| Box::pin(handler(socket)));
        self.shared.registry().named(&self.name).on_connect.push(handler);
    }

    /// Sends an event to every socket of this namespace.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.everyone().emit(name, args);
    }

    /// As [`Broadcast::emit_with_ack`], to every socket of this namespace.
    ///
    /// # Errors
    /// When not everyone answered in time.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(&self, name: &str, args: impl Into<Args>) -> Result<Vec<Args>, AcksMissing> {
        self.everyone().emit_with_ack(name, args).await
    }

    /// To every socket in a room, or in any of several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everyone().to(rooms)
    }

    /// As [`ServerNamespace::to`].
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.to(rooms)
    }

    /// To every socket but those in a room, or in any of several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.everyone().except(rooms)
    }

    /// To every socket for which nothing waits to be written.
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    /// To every socket of this process; see [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.everyone().local()
    }

    /// To every socket, whose answers are waited for so long.
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.everyone().timeout(timeout)
    }

    /// Every socket that is connected, in the order in which they connected.
    pub async fn fetch_sockets(&self) -> Vec<Socket> {
        self.everyone().fetch_sockets().await
    }

    /// Puts every socket into a room, or into several.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        self.everyone().sockets_join(rooms);
    }

    /// Takes every socket out of a room, or out of several.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.everyone().sockets_leave(rooms);
    }

    /// Disconnects every socket; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        self.everyone().disconnect_sockets(close);
    }

    fn everyone(&self) -> Broadcast {
        Broadcast::new(&self.shared, &self.name)
    }
}
