//! Namespaces that come to be when a client asks for one whose name matches: what the official server calls dynamic.

use std::fmt;
use std::future::Future;
use std::sync::Arc;

use serde_json::Value;
use tokio::sync::oneshot;

use crate::socket::HubCommand;

use super::handlers::ConnectHandler;
use super::hub_task::ToHub;
use super::middleware::{ConnectError, Middleware};
use super::namespace::ServerNamespace;
use super::registry::ParentId;
use super::socket::Socket;
use super::{Server, Shared};

/// The namespaces that match, from [`Server::of_matching`]. A handle: cheap to clone, usable from any task.
#[derive(Clone)]
pub struct ParentNamespace {
    shared: Arc<Shared>,
    id: ParentId,
}

impl fmt::Debug for ParentNamespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ParentNamespace({:?})", self.id)
    }
}

impl Server {
    /// Lets clients into namespaces by their names, with their leading `/`, and by what the client sends along: the
    /// function is asked for each client, and after it the middlewares. Of several such functions the first that says
    /// yes decides. A client that goes meanwhile is not waited for.
    ///
    /// A namespace with handlers or middlewares of its own, by [`Server::of`], is not matched. One that came to be by
    /// matching is there while someone is in it; [`Socket::nsp`] and [`ParentNamespace::children`] give it. A client may
    /// be in a thousand namespaces at once: their names are its own invention.
    ///
    /// ```
    /// use squall::io::ServerOptions;
    /// use squall::{Env, Server, args};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = Server::new(&Env::tokio(), ServerOptions::default());
    /// let tenants = server.of_matching(|name, _auth| async move { name.starts_with("/tenant-") });
    /// tenants.on_connect(|socket| async move {
    ///     socket.nsp().emit("someone came", args![socket.id().as_str()]);
    /// });
    /// # }
    /// ```
    pub fn of_matching<F, Fut>(&self, matches: F) -> ParentNamespace
    where
        F: Fn(String, Value) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = bool> + Send + 'static,
    {
        let matcher = Arc::new(move |name, auth| Box::pin(matches(name, auth)) as _);
        let id = self.shared.registry().add_parent(matcher);
        self.shared.tell_hub(ToHub::Command(HubCommand::GuardOthers));
        ParentNamespace { shared: self.shared.clone(), id }
    }
}

impl ParentNamespace {
    /// As [`ServerNamespace::use_middleware`], for each namespace that matches.
    pub fn use_middleware<F, Fut>(&self, middleware: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = Result<(), ConnectError>> + Send + 'static,
    {
        let middleware: Middleware = Arc::new(move |socket| Box::pin(middleware(socket)));
        if let Some(registered) = self.shared.registry().parent(self.id) {
            registered.middlewares.push(middleware);
        }
    }

    /// As [`ServerNamespace::on_connect`], for each namespace that matches.
    pub fn on_connect<F, Fut>(&self, handler: F)
    where
        F: Fn(Socket) -> Fut + Send + Sync + 'static,
        Fut: Future<Output = ()> + Send + 'static,
    {
        let handler: ConnectHandler = Arc::new(move |socket| Box::pin(handler(socket)));
        if let Some(registered) = self.shared.registry().parent(self.id) {
            registered.on_connect.push(handler);
        }
    }

    /// The namespaces of it that someone is in, by name.
    pub async fn children(&self) -> Vec<ServerNamespace> {
        let (answer, names) = oneshot::channel();
        self.shared.tell_hub(ToHub::FetchChildren(self.id, answer));
        // Without a hub there are no sockets any more, and so no children.
        let names = names.await.unwrap_or_default();
        names.into_iter().map(|name| ServerNamespace::existing(&self.shared, name)).collect()
    }
}
