//! Handlers beside the stream of events: `client.on("event", handler)`, as users of the official client know it.
//!
//! Takes the events of one namespace, gives each to the handlers that were registered for it: in order, one at a time, in a
//! task of their own, so that a handler may wait for an answer while heartbeats and other clients go on. Handlers belong to
//! the handle that [`Client::new`] or [`Client::of`] gave, and to its clones. The task holds no handle while it waits, so
//! that dropping the last one still disconnects; a handler that captures a handle keeps it, and so itself, for ever: it
//! gets one as an argument.

use std::collections::BTreeMap;
use std::fmt;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard};

use serde_json::{Value, json};
use tokio::sync::mpsc;

use crate::io::Env;
use crate::io::env::BoxFuture;
use crate::socket::{AckId, Args, DisconnectReason, Namespace};

use super::task::Request;
use super::{Board, Client, Event};

/// An event of the server, as a handler gets it.
#[derive(Debug)]
pub struct Received {
    /// Its name.
    pub name: String,
    /// Its arguments.
    pub args: Args,
    /// The way back, where the server asks for an answer.
    pub answer: Answer,
}

/// The answer to an event. Where several handlers answer one event, the first answer counts.
#[derive(Debug)]
pub struct Answer(Option<(Client, AckId)>);

impl Answer {
    /// Answers. Where the server did not ask, or the connection it asked on is lost, nothing happens.
    pub fn send(self, args: impl Into<Args>) {
        if let Some((client, id)) = self.0 {
            client.ack(id, args);
        }
    }
}

type EventHandler = Arc<dyn Fn(Client, Received) -> BoxFuture<()> + Send + Sync>;
/// Gives nothing to wait for where it is for something else.
type LifeHandler = Arc<dyn Fn(Client, Event) -> Option<BoxFuture<()>> + Send + Sync>;
type OutgoingListener = Arc<dyn Fn(&str, &Args) + Send + Sync>;

/// What is registered at one handle.
#[derive(Default)]
pub(super) struct Handlers {
    /// Whether the task that runs them was started.
    running: bool,
    any: Vec<EventHandler>,
    events: BTreeMap<String, Vec<Registered>>,
    life: Vec<LifeHandler>,
    outgoing: Vec<OutgoingListener>,
}

struct Registered {
    handler: EventHandler,
    once: bool,
}

impl fmt::Debug for Handlers {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Handlers").field("events", &self.events.keys()).finish_non_exhaustive()
    }
}

impl Handlers {
    /// Who hears an event: those for all events, then those for its name, each in the order of registration.
    fn of_event(&mut self, name: &str) -> Vec<EventHandler> {
        let mut heard = self.any.clone();
        if let Some(registered) = self.events.get_mut(name) {
            heard.extend(registered.iter().map(|registered| registered.handler.clone()));
            registered.retain(|registered| !registered.once);
        }
        heard
    }
}

impl Client {
    /// Runs a handler for each event of a name, after those that are registered for it already.
    ///
    /// ```
    /// # use squall::{args, notes::stage::Stage};
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() -> Result<(), Box<dyn std::error::Error>> {
    /// # let (stage, io) = Stage::new();
    /// # let console = stage.console;
    /// # io.on_connect(|socket| async move { socket.emit("hello", args!["world"]) });
    /// let (client, _) = stage.client(Default::default())?;
    /// client.on("hello", move |_client, event| async move {
    ///     console.log(&event.args.values()[0]);
    /// });
    /// client.connect();
    ///
    /// assert_eq!(console.next().await, "\"world\"");
    /// # Ok(())
    /// # }
    /// ```
    pub fn on<F, Fut>(&self, name: &str, handler: F)
    where
        F: Fn(Self, Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.register(name, handler, false);
    }

    /// As [`Client::on`], for the next event of that name alone.
    pub fn once<F, Fut>(&self, name: &str, handler: F)
    where
        F: Fn(Self, Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.register(name, handler, true);
    }

    fn register<F, Fut>(&self, name: &str, handler: F, once: bool)
    where
        F: Fn(Self, Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: EventHandler = Arc::new(move |client, event| Box::pin(handler(client, event)));
        self.handlers().events.entry(name.to_owned()).or_default().push(Registered { handler, once });
        self.run_handlers();
    }

    /// Forgets the handlers of a name. One that is running comes to its end.
    pub fn off(&self, name: &str) {
        self.handlers().events.remove(name);
    }

    /// Runs a handler for every event of the server, before those of its name.
    pub fn on_any<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, Received) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: EventHandler = Arc::new(move |client, event| Box::pin(handler(client, event)));
        self.handlers().any.push(handler);
        self.run_handlers();
    }

    /// Forgets the handlers of [`Client::on_any`].
    pub fn off_any(&self) {
        self.handlers().any.clear();
    }

    /// Calls a function for each event that is emitted by this handle or its clones, at once and in the same task. (The
    /// official client calls it when the event leaves; here it hears what waits in the send buffer or is dropped, too.)
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &Args) + Send + Sync + 'static) {
        self.handlers().outgoing.push(Arc::new(listener));
    }

    /// Forgets the functions of [`Client::on_any_outgoing`].
    pub fn off_any_outgoing(&self) {
        self.handlers().outgoing.clear();
    }

    /// Runs a handler at each connection, before what is received on it is handled. What was emitted before the
    /// connection is sent without waiting for the handler.
    pub fn on_connect<F, Fut>(&self, handler: F)
    where
        F: Fn(Self) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_life(move |client, event| {
            let Event::Connected { .. } = event else { return None };
            Some(Box::pin(handler(client)))
        });
    }

    /// Runs a handler at each disconnect, after the handlers of what was received before.
    pub fn on_disconnect<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, DisconnectReason) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_life(move |client, event| {
            let Event::Disconnected(reason) = event else { return None };
            Some(Box::pin(handler(client, reason)))
        });
    }

    /// Runs a handler where the namespace refuses, with what the server says, `{ message, data }`; and at each attempt to
    /// connect that fails, with a `message` that says why ([`Event::ConnectFailed`]). After a refusal the client is not [`Client::active`] any more.
    pub fn on_connect_error<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_life(move |client, event| {
            let error = if let Event::ConnectError(error) = event {
                error
            } else if let Event::ConnectFailed(why) = event {
                json!({ "message": why.to_string() })
            } else {
                return None;
            };
            Some(Box::pin(handler(client, error)))
        });
    }

    /// Runs a handler for all that is heard but the events of the server: connections, attempts, disconnects.
    pub fn on_change<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, Event) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.on_life(move |client, event| Some(Box::pin(handler(client, event))));
    }

    fn on_life(&self, handler: impl Fn(Self, Event) -> Option<BoxFuture<()>> + Send + Sync + 'static) {
        self.handlers().life.push(Arc::new(handler));
        self.run_handlers();
    }

    /// Tells who listens to what is emitted.
    pub(super) fn heed_outgoing(&self, name: &str, args: &Args) {
        let listeners = self.handlers().outgoing.clone();
        listeners.iter().for_each(|listener| listener(name, args));
    }

    /// Starts the task of the handlers, with the first of them.
    fn run_handlers(&self) {
        if !std::mem::replace(&mut self.handlers().running, true) {
            self.env.spawn(run(self.listen(), WeakClient::new(self)));
        }
    }

    fn handlers(&self) -> MutexGuard<'_, Handlers> {
        self.handlers.lock().expect("no one panics while holding it")
    }

    async fn handle(self, event: Event) {
        let Event::Received { name, args, ack } = event else {
            let handlers = self.handlers().life.clone();
            for handler in handlers {
                if let Some(handled) = handler(self.clone(), event.clone()) {
                    handled.await;
                }
            }
            return;
        };
        let handlers = self.handlers().of_event(&name);
        for handler in handlers {
            let answer = Answer(ack.map(|id| (self.clone(), id)));
            handler(self.clone(), Received { name: name.clone(), args: args.clone(), answer }).await;
        }
    }
}

/// A handle that does not keep its client connected.
struct WeakClient {
    env: Env,
    requests: mpsc::WeakUnboundedSender<(Namespace, Request)>,
    namespace: Namespace,
    board: Arc<Mutex<Board>>,
    handlers: Arc<Mutex<Handlers>>,
}

impl WeakClient {
    fn new(client: &Client) -> Self {
        Self {
            env: client.env.clone(),
            requests: client.requests.downgrade(),
            namespace: client.namespace.clone(),
            board: client.board.clone(),
            handlers: client.handlers.clone(),
        }
    }

    fn upgrade(&self) -> Option<Client> {
        Some(Client {
            env: self.env.clone(),
            requests: self.requests.upgrade()?,
            namespace: self.namespace.clone(),
            board: self.board.clone(),
            handlers: self.handlers.clone(),
        })
    }
}

/// Runs the handlers of one handle until no one is left who holds it.
async fn run(mut events: mpsc::UnboundedReceiver<Event>, client: WeakClient) {
    while let Some(event) = events.recv().await {
        let Some(client) = client.upgrade() else { return };
        client.handle(event).await;
    }
}
