//! What one socket sees: the log from where the socket starts, through one cursor, history and live messages alike.
//!
//! Promise: each message once, in the order of the log, without a seam between what was stored before the socket came
//! and what comes after. A slow socket waits for itself alone: its messages stay in the log meanwhile.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::chat::log::ChatLog;
use crate::chat::wire::{CHAT_MESSAGE, DEFAULT_ROOM, Meta};
use crate::io::{Env, Socket};
use crate::store::{LogOffset, StoreError, Stored};

/// How long to wait before the log is read again after an error.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How many bytes of content are sent before the socket is asked again whether it keeps up. As JSON they are up to six times
/// as many, which is still less than may wait for a socket.
const BURST_MAX: usize = 64 << 10;

/// One socket's cursor.
pub(super) struct Reader<L> {
    pub(super) env: Env,
    pub(super) log: L,
    pub(super) socket: Socket,
    /// The last offset this socket was sent, or where it starts.
    pub(super) cursor: LogOffset,
    /// How many messages to read at once.
    pub(super) page: usize,
}

impl<L: ChatLog> Reader<L> {
    /// Until the socket is gone, which drops this future, or the log is.
    pub(super) async fn run(mut self) {
        let head = self.log.head();
        if self.cursor < head {
            tracing::debug!(reached = "chat.catch_up", cursor = %self.cursor, %head, "a socket is behind the log");
        }
        while let Ok(()) = self.advance().await {}
    }

    /// Sends a page, or waits for the log to grow.
    ///
    /// # Errors
    /// When the log is closed.
    async fn advance(&mut self) -> Result<(), StoreError> {
        // Taken before reading: what is committed behind it, in any room, ends the wait below.
        let head = self.log.head();
        match self.log.read(DEFAULT_ROOM, self.cursor, self.page).await {
            Ok(page) if page.is_empty() => self.log.committed_beyond(head).await,
            Ok(page) => {
                self.send_page(&page).await;
                Ok(())
            }
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                tracing::warn!(%error, cursor = %self.cursor, "the log cannot be read; trying again");
                self.env.sleep(READ_RETRY).await;
                Ok(())
            }
        }
    }

    async fn send_page(&mut self, page: &[Arc<Stored>]) {
        self.socket.writable().await;
        let mut burst = 0;
        for message in page {
            burst += message.content.len();
            if burst > BURST_MAX {
                self.socket.writable().await;
                burst = message.content.len();
            }
            self.send(message);
        }
    }

    fn send(&mut self, message: &Stored) {
        let meta = Meta {
            room: message.room.clone(),
            id: message.id.as_ref().map(|id| id.0.clone()),
            prev: self.cursor,
        };
        let args: Vec<Value> = vec![json!(message.content), json!(message.offset), json!(meta)];
        self.socket.emit(CHAT_MESSAGE, args);
        self.cursor = message.offset;
    }
}
