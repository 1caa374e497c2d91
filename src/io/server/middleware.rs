//! Who may connect to a namespace: the application's checks, one after another, before CONNECT is answered.

use std::panic::{AssertUnwindSafe, resume_unwind};
use std::sync::Arc;

use futures_util::FutureExt;
use serde_json::{Value, json};
use thiserror::Error;

use crate::engine::Sid;
use crate::io::env::BoxFuture;

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
pub(super) async fn run(socket: Socket, asked: Sid, middlewares: Vec<Middleware>) {
    match AssertUnwindSafe(ask(&socket, middlewares)).catch_unwind().await {
        Ok(decision) => socket.settle(asked, decision.map_err(Value::from)),
        Err(panic) => {
            socket.abort("a middleware panicked");
            resume_unwind(panic);
        }
    }
}

async fn ask(socket: &Socket, middlewares: Vec<Middleware>) -> Result<(), ConnectError> {
    for middleware in middlewares {
        middleware(socket.clone()).await?;
    }
    Ok(())
}
