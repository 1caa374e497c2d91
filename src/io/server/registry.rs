//! What the application registered for which namespace, and which of it is for a socket that asks.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::Value;

use crate::io::env::BoxFuture;
use crate::socket::Namespace;

use super::handlers::ConnectHandler;
use super::middleware::Middleware;

/// Decides whether clients may ask for a namespace of that name, by what they send along.
pub(super) type Matcher = Arc<dyn Fn(String, Value) -> BoxFuture<bool> + Send + Sync>;

/// The namespaces that one function matches, numbered in the order of registration.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct ParentId(usize);

/// What runs for the sockets of one namespace, or of all that one function matches.
#[derive(Default)]
pub(super) struct Registered {
    pub(super) middlewares: Vec<Middleware>,
    pub(super) on_connect: Vec<ConnectHandler>,
}

/// All that is registered.
#[derive(Default)]
pub(super) struct Registry {
    named: BTreeMap<Namespace, Registered>,
    parents: Vec<(Matcher, Registered)>,
}

/// How it is decided whether a socket may connect.
pub(super) enum Entrance {
    /// By these alone.
    Own(Vec<Middleware>),
    /// By the first that matches. Where none does, the namespace may be there all the same.
    Matching { parents: Vec<(ParentId, Matcher)>, exists: bool },
}

impl Registry {
    /// What is registered for a namespace, which exists from now on.
    pub(super) fn named(&mut self, namespace: &Namespace) -> &mut Registered {
        self.named.entry(namespace.clone()).or_default()
    }

    /// One more function that matches namespaces.
    pub(super) fn add_parent(&mut self, matcher: Matcher) -> ParentId {
        self.parents.push((matcher, Registered::default()));
        ParentId(self.parents.len() - 1)
    }

    /// What is registered for the namespaces that it matches; `None` where all is forgotten.
    pub(super) fn parent(&mut self, id: ParentId) -> Option<&mut Registered> {
        self.parents.get_mut(id.0).map(|(_, registered)| registered)
    }

    /// A namespace with handlers or middlewares of its own is its own; one that was only named may be matched.
    pub(super) fn entrance(&self, namespace: &Namespace) -> Entrance {
        let named = self.named.get(namespace);
        let owned = |named: &&Registered| !named.middlewares.is_empty() || !named.on_connect.is_empty();
        match named.filter(owned) {
            Some(own) => Entrance::Own(own.middlewares.clone()),
            None if *namespace == Namespace::MAIN => Entrance::Own(Vec::new()),
            None => {
                let parents = self.parents.iter().enumerate();
                let parents =
                    parents.map(|(index, (matcher, _))| (ParentId(index), matcher.clone())).collect();
                Entrance::Matching { parents, exists: named.is_some() }
            }
        }
    }

    /// What runs for a socket that has connected.
    pub(super) fn on_connect(&self, namespace: &Namespace, parent: Option<ParentId>) -> Vec<ConnectHandler> {
        let registered = match parent {
            Some(ParentId(index)) => self.parents.get(index).map(|(_, registered)| registered),
            None => self.named.get(namespace),
        };
        registered.map(|registered| registered.on_connect.clone()).unwrap_or_default()
    }
}
