//! The application's code for one socket, and the task in which it runs: in order, one at a time.
//!
//! Promise: first what was registered for the connect, then the events as they arrived, then what was registered for the
//! disconnect, even after a panic. A handler may take its time; no heartbeat and no other socket waits for it.

use std::collections::BTreeMap;
use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;

use crate::io::env::BoxFuture;
use crate::socket::DisconnectReason;

use super::incoming::{self, Disconnection};
use super::socket::{Incoming, Socket};

/// Runs for each socket that connects.
pub(super) type ConnectHandler = Arc<dyn Fn(Socket) -> BoxFuture<()> + Send + Sync>;
/// Runs for each event of a name.
pub(super) type EventHandler = Arc<dyn Fn(Socket, Incoming) -> BoxFuture<()> + Send + Sync>;
/// Runs once, when the socket is gone.
pub(super) type DisconnectHandler = Box<dyn FnOnce(Socket, DisconnectReason) -> BoxFuture<()> + Send>;

/// What is registered at one socket.
#[derive(Default)]
pub(super) struct Handlers {
    events: BTreeMap<String, EventHandler>,
    disconnect: Vec<DisconnectHandler>,
}

impl Handlers {
    /// Registers for events of a name, in place of what was.
    pub(super) fn on(&mut self, name: &str, handler: EventHandler) {
        self.events.insert(name.to_owned(), handler);
    }

    /// Registers for the disconnect, after what was.
    pub(super) fn on_disconnect(&mut self, handler: DisconnectHandler) {
        self.disconnect.push(handler);
    }
}

/// Runs the handlers of one socket until it is gone and they have ended.
pub(super) async fn run(socket: Socket, on_connect: Vec<ConnectHandler>, mut inbox: incoming::Receiver) {
    let dispatched = AssertUnwindSafe(dispatch(&socket, on_connect, &mut inbox)).catch_unwind().await;
    let (disconnection, panic) = match dispatched {
        Ok(disconnection) => (disconnection, None),
        Err(panic) => {
            socket.abort("a handler panicked");
            (inbox.disconnected().await, Some(panic))
        }
    };
    // Handlers that hold their socket would keep it, and themselves, for ever.
    let handlers = std::mem::take(&mut *socket.handlers());
    if let Some(Disconnection { reason, .. }) = disconnection {
        for handler in handlers.disconnect {
            handler(socket.clone(), reason).await;
        }
    }
    if let Some(panic) = panic {
        resume_unwind(panic);
    }
}

/// Runs what is registered for the connect, then a handler for each event. Gives the reason of the disconnect; `None` where
/// the hub is no more.
async fn dispatch(
    socket: &Socket,
    on_connect: Vec<ConnectHandler>,
    inbox: &mut incoming::Receiver,
) -> Option<Disconnection> {
    for handler in on_connect {
        handler(socket.clone()).await;
    }
    loop {
        let event = match inbox.next().await? {
            Ok(event) => event,
            Err(disconnection) => return Some(disconnection),
        };
        let handler = socket.handlers().events.get(&*event.name).cloned();
        match handler {
            Some(handler) => handler(socket.clone(), socket.incoming(event)).await,
            None => tracing::debug!(?socket, event = %event.name, "no one handles this event"),
        }
    }
}
