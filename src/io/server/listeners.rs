//! What an application registers at a [`Socket`]: handlers of its events, and of its end. What is registered after it
//! never runs, and is dropped.

use std::collections::BTreeSet;
use std::error::Error;
use std::future::Future;
use std::sync::Arc;

use serde_json::json;

use crate::socket::{Args, DisconnectReason, FromArgs, RoomName};

use super::handlers::{self, EventError, Handler};
use super::socket::{Ack, Incoming, Socket};

impl Socket {
    /// Runs for each event of that name, in this socket's own task: one handler at a time, in the order in which the
    /// events arrived, and none after a disconnect that arrived before it. What arrived before a disconnect is still
    /// dispatched. Several handlers of one name run one after another, in the order of registration. An event without a
    /// handler is ignored. A handler that panics loses its socket the connection; no other socket is touched.
    pub fn on<F, Fut>(&self, name: &str, handler: F)
    where
        F: Fn(Self, Incoming) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, event| Box::pin(handler(socket, event)) as _);
        self.handlers(|handlers| handlers.on(name, Handler::Always(handler)));
    }

    /// As [`Socket::on`], for the next event of that name only.
    pub fn once<F, Fut>(&self, name: &str, handler: F)
    where
        F: FnOnce(Self, Incoming) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Box::new(move |socket, event| Box::pin(handler(socket, event)) as _);
        self.handlers(|handlers| handlers.on(name, Handler::Once(handler)));
    }

    /// As [`Socket::on`], for events whose arguments are `T`: a tuple, with an element for each argument.
    ///
    /// An event that does not fit is not handled: those of [`Socket::on_error`] hear why, and a client that asked for an
    /// answer gets `{ "error": … }`, so that it neither waits for ever nor sends it again.
    ///
    /// ```
    /// # fn registered(socket: squall::Socket) {
    /// use serde::Deserialize;
    /// use squall::args;
    ///
    /// #[derive(Deserialize)]
    /// struct Move {
    ///     x: i32,
    ///     y: i32,
    /// }
    ///
    /// socket.on_typed("move", |socket, (piece, to): (String, Move), ack| async move {
    ///     socket.broadcast().emit("moved", args![piece, to.x, to.y]);
    ///     ack.send(args!["ok"]);
    /// });
    /// # }
    /// ```
    pub fn on_typed<T, F, Fut>(&self, name: &str, handler: F)
    where
        T: FromArgs + Send + 'static,
        F: Fn(Self, T, Ack) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(handler);
        self.on(name, move |socket, event| {
            let handler = handler.clone();
            async move {
                match T::from_args(&event.args) {
                    Ok(payload) => handler(socket, payload, event.ack).await,
                    Err(error) => {
                        event.ack.send(vec![json!({ "error": error.to_string() })]);
                        let error = EventError { event: event.name, source: error.into() };
                        handlers::refuse(&socket, error).await;
                    }
                }
            }
        });
    }

    /// Forgets all handlers of events of that name. One that runs goes on.
    pub fn off(&self, name: &str) {
        drop(self.handlers(|handlers| handlers.off(name)));
    }

    /// Runs for each event, whatever its name, before its middlewares and its handlers.
    pub fn on_any<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, Incoming) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, event| Box::pin(handler(socket, event)) as _);
        self.handlers(|handlers| handlers.any.push(handler));
    }

    /// Forgets what [`Socket::on_any`] registered.
    pub fn off_any(&self) {
        drop(self.handlers(|handlers| std::mem::take(&mut handlers.any)));
    }

    /// Calls a function for each event that is sent by this handle or its clones, at once and in the same task; also where
    /// it is volatile, and dropped. (The official server calls it for what a broadcast sends to the socket, too; here that
    /// is not heard.)
    pub fn on_any_outgoing(&self, listener: impl Fn(&str, &Args) + Send + Sync + 'static) {
        self.handlers(|handlers| handlers.any_outgoing.push(Arc::new(listener)));
    }

    /// Forgets what [`Socket::on_any_outgoing`] registered.
    pub fn off_any_outgoing(&self) {
        drop(self.handlers(|handlers| std::mem::take(&mut handlers.any_outgoing)));
    }

    /// Tells who listens to what is sent.
    pub(super) fn heed_outgoing(&self, name: &str, args: &Args) {
        let listeners = self.handlers(|handlers| handlers.any_outgoing.clone()).unwrap_or_default();
        listeners.iter().for_each(|listener| listener(name, args));
    }

    /// Decides for each event whether it goes on to its handlers, and in what form. Several middlewares run one after
    /// another, in the order of registration. After an error the event goes no further: those of [`Socket::on_error`]
    /// hear it, and the client gets no answer but what the middleware itself sent.
    ///
    /// ```
    /// # fn registered(socket: squall::Socket) {
    /// socket.use_middleware(|_socket, event| async move {
    ///     if event.name.starts_with("admin ") { Err("for admins only".into()) } else { Ok(event) }
    /// });
    /// # }
    /// ```
    pub fn use_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Self, Incoming) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<Incoming, Box<dyn Error + Send + Sync>>> + Send + 'static,
    {
        let middleware = Arc::new(move |socket, event| Box::pin(middleware(socket, event)) as _);
        self.handlers(|handlers| handlers.middlewares.push(middleware));
    }

    /// Runs for each event that did not reach its handlers: refused by a middleware, or with arguments that do not fit
    /// [`Socket::on_typed`]. Without such a handler, it is only in the log.
    pub fn on_error<F, Fut>(&self, handler: F)
    where
        F: Fn(Self, Arc<EventError>) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Arc::new(move |socket, error| Box::pin(handler(socket, error)) as _);
        self.handlers(|handlers| handlers.error.push(handler));
    }

    /// Runs when the socket is gone, after the last event was handled and before [`Socket::on_disconnect`], with the
    /// rooms that it was in, the one that is named as its id among them. Several registered functions run one after
    /// another.
    pub fn on_disconnecting<F, Fut>(&self, handler: F)
    where
        F: FnOnce(Self, DisconnectReason, BTreeSet<RoomName>) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Box::new(move |socket, reason, rooms| Box::pin(handler(socket, reason, rooms)) as _);
        self.handlers(|handlers| handlers.disconnecting.push(handler));
    }

    /// Runs when the socket is gone, after the last event was handled. Several registered functions run one after another.
    pub fn on_disconnect<F, Fut>(&self, handler: F)
    where
        F: FnOnce(Self, DisconnectReason) -> Fut + Send + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler = Box::new(move |socket, reason| Box::pin(handler(socket, reason)) as _);
        self.handlers(|handlers| handlers.disconnect.push(handler));
    }
}
