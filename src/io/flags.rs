//! What is said of an emit before it is made, as the official library's flags: `socket.volatile().emit(…)`,
//! `socket.timeout(…).emit_with_ack(…)`. The same words on both sides.

use std::time::Duration;

use crate::socket::{AckError, Args};

use super::{Client, Socket};

/// Emits that are dropped where they could not leave at once.
#[derive(Debug)]
#[must_use = "nothing is sent before `emit`"]
pub struct Volatile<'a, S>(pub(super) &'a S);

impl Volatile<'_, Socket> {
    /// Sends an event, or drops it.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.0.send(name, args.into(), true);
    }
}

impl Volatile<'_, Client> {
    /// Sends an event, or drops it.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub fn emit(&self, name: &str, args: impl Into<Args>) {
        self.0.send(name, args.into(), true);
    }

    /// As [`Client::emit_with_ack`]; what is dropped has no answer either.
    ///
    /// # Errors
    /// At once where the client is not connected; else when no answer came in time, or the connection broke.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(
        &self,
        name: &str,
        args: impl Into<Args>,
        timeout: Option<Duration>,
    ) -> Result<Args, AckError> {
        self.0.ask(name, args.into(), timeout, true).await
    }
}

/// Emits that wait for their answer for so long.
#[derive(Debug)]
#[must_use = "nothing is sent before `emit_with_ack`"]
pub struct Timeout<'a, S> {
    pub(super) on: &'a S,
    pub(super) timeout: Duration,
}

impl Timeout<'_, Socket> {
    /// As [`Socket::emit_with_ack`].
    ///
    /// # Errors
    /// When no answer came in time, or the socket is gone. Either way the event may have arrived.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(&self, name: &str, args: impl Into<Args>) -> Result<Args, AckError> {
        self.on.emit_with_ack(name, args, Some(self.timeout)).await
    }
}

impl Timeout<'_, Client> {
    /// As [`Client::emit_with_ack`].
    ///
    /// # Errors
    /// When no answer came in time, or the connection broke after the event was sent. Either way the event may have
    /// arrived.
    ///
    /// # Panics
    /// When the name is reserved by Socket.IO, such as `connect`.
    pub async fn emit_with_ack(&self, name: &str, args: impl Into<Args>) -> Result<Args, AckError> {
        self.on.emit_with_ack(name, args, Some(self.timeout)).await
    }
}
