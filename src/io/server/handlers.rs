//! The application's code for one socket, and the task in which it runs: in order, one at a time.
//!
//! Promise: first what was registered for the connect, then the events as they arrived, then what was registered for the
//! disconnect, even after a panic. An event passes who hears all of them, then the middlewares, then its own handlers.
//! A handler may take its time; no heartbeat and no other socket waits for it.

use std::collections::{BTreeMap, BTreeSet};
use std::error::Error;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use thiserror::Error;

use crate::io::env::BoxFuture;
use crate::socket::{Args, DisconnectReason, RoomName};

use super::incoming::{self, Disconnection};
use super::socket::{Incoming, Socket};

/// Runs for each socket that connects.
pub(super) type ConnectHandler = Arc<dyn Fn(Socket) -> BoxFuture<()> + Send + Sync>;
/// Runs for events.
pub(super) type EventHandler = Arc<dyn Fn(Socket, Incoming) -> BoxFuture<()> + Send + Sync>;
/// Runs for one event.
pub(super) type OnceHandler = Box<dyn FnOnce(Socket, Incoming) -> BoxFuture<()> + Send>;
/// Lets an event pass to its handlers, as it is or changed, or does not.
pub(super) type EventMiddleware =
    Arc<dyn Fn(Socket, Incoming) -> BoxFuture<Result<Incoming, Box<dyn Error + Send + Sync>>> + Send + Sync>;
/// Runs for events that did not reach their handlers.
pub(super) type ErrorHandler = Arc<dyn Fn(Socket, Arc<EventError>) -> BoxFuture<()> + Send + Sync>;
/// Runs once, when the socket is gone, with the rooms that it was in.
pub(super) type DisconnectingHandler =
    Box<dyn FnOnce(Socket, DisconnectReason, BTreeSet<RoomName>) -> BoxFuture<()> + Send>;
/// Runs once, when the socket is gone.
pub(super) type DisconnectHandler = Box<dyn FnOnce(Socket, DisconnectReason) -> BoxFuture<()> + Send>;

/// Hears what is sent.
pub(super) type OutgoingListener = Arc<dyn Fn(&str, &Args) + Send + Sync>;

/// Why an event did not reach its handlers.
#[derive(Debug, Error)]
#[error("event {event:?} is refused: {source}")]
pub struct EventError {
    /// Its name.
    pub event: String,
    /// What a middleware said, or that its arguments do not fit.
    pub source: Box<dyn Error + Send + Sync>,
}

/// A handler of one name.
pub(super) enum Handler {
    Always(EventHandler),
    Once(OnceHandler),
}

/// What is registered at one socket; all of it runs in the order of registration.
#[derive(Default)]
pub(super) struct Handlers {
    events: BTreeMap<String, Vec<Handler>>,
    pub(super) any: Vec<EventHandler>,
    pub(super) any_outgoing: Vec<OutgoingListener>,
    pub(super) middlewares: Vec<EventMiddleware>,
    pub(super) error: Vec<ErrorHandler>,
    pub(super) disconnecting: Vec<DisconnectingHandler>,
    pub(super) disconnect: Vec<DisconnectHandler>,
}

impl Handlers {
    /// Registers for events of a name, after what was.
    pub(super) fn on(&mut self, name: &str, handler: Handler) {
        self.events.entry(name.to_owned()).or_default().push(handler);
    }

    /// Gives away what was registered for events of a name.
    pub(super) fn off(&mut self, name: &str) -> Option<Vec<Handler>> {
        self.events.remove(name)
    }

    /// What runs for an event of that name. Who runs once is forgotten here.
    fn take(&mut self, name: &str) -> Vec<Handler> {
        let Some(handlers) = self.events.remove(name) else { return Vec::new() };
        let staying = handlers.iter().filter_map(|handler| match handler {
            Handler::Always(handler) => Some(Handler::Always(handler.clone())),
            Handler::Once(_) => None,
        });
        let staying: Vec<Handler> = staying.collect();
        if !staying.is_empty() {
            self.events.insert(name.to_owned(), staying);
        }
        handlers
    }
}

/// Runs the handlers of one socket until it is gone and they have ended.
pub(super) async fn run(socket: Socket, on_connect: Vec<ConnectHandler>, mut inbox: incoming::Receiver) {
    let dispatched = AssertUnwindSafe(dispatch_all(&socket, on_connect, &mut inbox)).catch_unwind().await;
    let (disconnection, panic) = match dispatched {
        Ok(disconnection) => (disconnection, None),
        Err(panic) => {
            socket.abort("a handler panicked");
            (inbox.disconnected().await, Some(panic))
        }
    };
    let handlers = socket.take_handlers();
    if let Some(Disconnection { reason, rooms }) = disconnection {
        for handler in handlers.disconnecting {
            handler(socket.clone(), reason, rooms.clone()).await;
        }
        for handler in handlers.disconnect {
            handler(socket.clone(), reason).await;
        }
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Runs what is registered for the connect, then for each event. Gives the disconnect; `None` where the hub is no more.
async fn dispatch_all(
    socket: &Socket,
    on_connect: Vec<ConnectHandler>,
    inbox: &mut incoming::Receiver,
) -> Option<Disconnection> {
    for handler in on_connect {
        handler(socket.clone()).await;
    }
    loop {
        match inbox.next().await? {
            Ok(event) => dispatch(socket, socket.incoming(event)).await,
            Err(disconnection) => return Some(disconnection),
        }
    }
}

async fn dispatch(socket: &Socket, mut event: Incoming) {
    let any = socket.handlers(|handlers| handlers.any.clone()).unwrap_or_default();
    for handler in any {
        handler(socket.clone(), event.clone()).await;
    }
    let middlewares = socket.handlers(|handlers| handlers.middlewares.clone()).unwrap_or_default();
    for middleware in middlewares {
        let name = event.name.clone();
        event = match middleware(socket.clone(), event).await {
            Ok(event) => event,
            Err(source) => return refuse(socket, EventError { event: name, source }).await,
        };
    }
    let mut handlers = socket.handlers(|handlers| handlers.take(&event.name)).unwrap_or_default();
    let Some(last) = handlers.pop() else {
        return tracing::debug!(?socket, event = %event.name, "no one handles this event");
    };
    for handler in handlers {
        handle(socket, handler, event.clone()).await;
    }
    handle(socket, last, event).await;
}

async fn handle(socket: &Socket, handler: Handler, event: Incoming) {
    match handler {
        Handler::Always(handler) => handler(socket.clone(), event).await,
        Handler::Once(handler) => handler(socket.clone(), event).await,
    }
}

/// Tells who wants to know that an event does not reach its handlers.
pub(super) async fn refuse(socket: &Socket, error: EventError) {
    tracing::debug!(?socket, %error, "an event did not reach its handlers");
    let handlers = socket.handlers(|handlers| handlers.error.clone()).unwrap_or_default();
    let error = Arc::new(error);
    for handler in handlers {
        handler(socket.clone(), error.clone()).await;
    }
}
