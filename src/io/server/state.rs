//! What the application wants at hand in its handlers: one value a type and server.

use std::any::{Any, TypeId, type_name};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use super::Server;
use super::socket::Socket;

/// The values, by their types.
#[derive(Default)]
pub(super) struct States(Mutex<BTreeMap<TypeId, Arc<dyn Any + Send + Sync>>>);

impl States {
    fn set<T: Send + Sync + 'static>(&self, state: T) {
        self.0.lock().expect("no one panics while holding it").insert(TypeId::of::<T>(), Arc::new(state));
    }

    fn get<T: Send + Sync + 'static>(&self) -> Option<Arc<T>> {
        let state = self.0.lock().expect("no one panics while holding it").get(&TypeId::of::<T>()).cloned();
        state.and_then(|state| state.downcast().ok())
    }
}

impl Server {
    /// Keeps a value for its handlers, which find it by its type: [`Socket::state`]. A later value of the same type
    /// replaces the earlier one.
    ///
    /// A value that holds this server would keep it for ever; a handler has it from [`Socket::server`].
    ///
    /// ```
    /// use squall::io::ServerOptions;
    /// use squall::{Env, Server, args};
    /// use std::sync::atomic::{AtomicU64, Ordering};
    ///
    /// # #[tokio::main(flavor = "current_thread")]
    /// # async fn main() {
    /// let server = Server::new(&Env::tokio(), ServerOptions::default()).with_state(AtomicU64::new(0));
    /// server.on_connect(|socket| async move {
    ///     let visitors = socket.state::<AtomicU64>();
    ///     socket.emit("visitor", args![visitors.fetch_add(1, Ordering::Relaxed)]);
    /// });
    /// # }
    /// ```
    pub fn with_state<T: Send + Sync + 'static>(self, state: T) -> Self {
        self.shared.states.set(state);
        self
    }

    /// The value of that type.
    ///
    /// # Panics
    /// Where none was given to [`Server::with_state`].
    pub fn state<T: Send + Sync + 'static>(&self) -> Arc<T> {
        self.shared.states.get().unwrap_or_else(|| {
            panic!("no `{}` was given to `Server::with_state`", type_name::<T>());
        })
    }
}

impl Socket {
    /// What the application keeps at the server; see [`Server::with_state`].
    ///
    /// # Panics
    /// Where no value of that type was given.
    pub fn state<T: Send + Sync + 'static>(&self) -> Arc<T> {
        self.server().state()
    }
}
