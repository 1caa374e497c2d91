//! A namespace of a server: its own handlers, middlewares, sockets and rooms, over connections that it shares with others.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use crate::socket::{Args, HubCommand, Namespace, RoomName};

use super::Shared;
use super::broadcast::Broadcast;
use super::handlers::ConnectHandler;
use super::hub_task::ToHub;
use super::middleware::{ConnectError, Middleware};
use super::socket::Socket;

/// What the application registered for a namespace.
#[derive(Default)]
pub(super) struct Registered {
    pub(super) middlewares: Vec<Middleware>,
    pub(super) on_connect: Vec<ConnectHandler>,
}

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
            shared.tell_hub(ToHub::Command(HubCommand::Create(name.clone())));
        }
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
        self.shared.registered(&self.name, |registered| registered.middlewares.push(middleware));
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
        self.shared.registered(&self.name, |registered| registered.on_connect.push(handler));
    }

    /// Sends an event to every socket of this namespace.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.everyone().emit(name, args);
    }

    /// To every socket in a room.
    pub fn to(&self, room: impl Into<RoomName>) -> Broadcast {
        self.everyone().to(room)
    }

    /// To every socket but those in a room.
    pub fn except(&self, room: impl Into<RoomName>) -> Broadcast {
        self.everyone().except(room)
    }

    /// To every socket for which nothing waits to be written.
    pub fn volatile(&self) -> Broadcast {
        self.everyone().volatile()
    }

    fn everyone(&self) -> Broadcast {
        Broadcast::new(&self.shared, &self.name)
    }
}
