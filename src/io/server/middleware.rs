//! Who may connect to a namespace: the application's checks, one after another, before CONNECT is answered.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Value, json};
use thiserror::Error;

use crate::engine::Sid;
use crate::io::env::BoxFuture;

use super::registry::{Entrance, Matcher, ParentId};
use super::socket::Socket;

/// Decides whether a socket may connect.
pub(super) type Middleware = Arc<dyn Fn(Socket) -> BoxFuture<Result<(), ConnectError>> + Send + Sync>;

/// Why a client may not connect, as it hears it.
#[derive(Debug, Clone, PartialEq, Error)]
#[error("{message}")]
pub struct ConnectError {
    /// For people.
    pub message: String,
    /// For programs.
    pub data: Option<Value>,
}

impl ConnectError {
    /// A refusal without data.
    pub fn new(message: impl Into<String>) -> Self {
        Self { message: message.into(), data: None }
    }
}

impl From<ConnectError> for Value {
    fn from(ConnectError { message, data }: ConnectError) -> Self {
        match data {
            Some(data) => json!({ "message": message, "data": data }),
            None => json!({ "message": message }),
        }
    }
}

/// Asks all of them, and tells the hub of who asked. Dropped where the client has gone meanwhile.
pub(super) async fn run(socket: Socket, asked: Sid, entrance: Entrance) {
    match AssertUnwindSafe(ask(&socket, entrance)).catch_unwind().await {
        Ok(decision) => socket.settle(asked, decision.map_err(Value::from)),
        Err(panic) => {
            socket.abort("a middleware panicked");
            resume_unwind(panic);
        }
    }
}

async fn ask(socket: &Socket, entrance: Entrance) -> Result<(), ConnectError> {
    let middlewares = match entrance {
        Entrance::Own(middlewares) => middlewares,
        Entrance::Matching { parents, exists } => match first_match(socket, parents).await {
            Some(parent) => socket.adopt(parent),
            None if exists => Vec::new(),
            // The hub's own words for a namespace that does not exist.
            None => return Err(ConnectError::new("Invalid namespace")),
        },
    };
    for middleware in middlewares {
        middleware(socket.clone()).await?;
    }
    Ok(())
}

async fn first_match(socket: &Socket, parents: Vec<(ParentId, Matcher)>) -> Option<ParentId> {
    for (parent, matches) in parents {
        if matches(socket.namespace().to_owned(), socket.auth().clone()).await {
            return Some(parent);
        }
    }
    None
}
