//! What a server offers for its main namespace, without a word about namespaces: as [`ServerNamespace`] has it.

use std::future::Future;
use std::time::Duration;

use crate::socket::{Args, Namespace};

use super::Server;
use super::broadcast::{AcksMissing, Broadcast, IntoRooms};
use super::middleware::ConnectError;
use super::namespace::ServerNamespace;
use super::socket::Socket;

impl Server {
    fn main(&self) -> ServerNamespace {
        ServerNamespace::new(&self.shared, Namespace::MAIN)
    }

    /// As [`ServerNamespace::use_middleware`].
    pub fn use_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        self.main().use_middleware(middleware);
    }

    /// Runs for each socket that connects, before any event of it: the place to register its handlers. Several
    /// registered functions run one after another, in order.
    pub fn on_connect<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        self.main().on_connect(handler);
    }

    /// Sends an event to every socket.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.main().emit(name, args);
    }

    /// As [`Broadcast::emit_with_ack`], to every socket.
    ///
    /// # Errors
    /// When not everyone answered in time.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(&self, name: &str, args: impl Into<Args>) -> Result<Vec<Args>, AcksMissing> {
        self.main().emit_with_ack(name, args).await
    }

    /// To every socket in a room, or in any of several.
    pub fn to(&self, rooms: impl IntoRooms) -> Broadcast {
        self.main().to(rooms)
    }

    /// As [`Server::to`].
    pub fn r#in(&self, rooms: impl IntoRooms) -> Broadcast {
        self.main().to(rooms)
    }

    /// To every socket but those in a room, or in any of several.
    pub fn except(&self, rooms: impl IntoRooms) -> Broadcast {
        self.main().except(rooms)
    }

    /// To every socket for which nothing waits to be written.
    pub fn volatile(&self) -> Broadcast {
        self.main().volatile()
    }

    /// To every socket of this process; see [`Broadcast::local`].
    pub fn local(&self) -> Broadcast {
        self.main().local()
    }

    /// To every socket, whose answers are waited for so long.
    pub fn timeout(&self, timeout: Duration) -> Broadcast {
        self.main().timeout(timeout)
    }

    /// Every socket that is connected, in the order in which they connected.
    pub async fn fetch_sockets(&self) -> Vec<Socket> {
        self.main().fetch_sockets().await
    }

    /// Puts every socket into a room, or into several.
    pub fn sockets_join(&self, rooms: impl IntoRooms) {
        self.main().sockets_join(rooms);
    }

    /// Takes every socket out of a room, or out of several.
    pub fn sockets_leave(&self, rooms: impl IntoRooms) {
        self.main().sockets_leave(rooms);
    }

    /// Disconnects every socket; with `close`, their connections too.
    pub fn disconnect_sockets(&self, close: bool) {
        self.main().disconnect_sockets(close);
    }
}
