//! What one socket sees: its rooms, each from where the socket starts in it, history and live messages alike.
//!
//! Promise: each message once, in the order of the log within a room, without a seam between what was stored before the
//! socket came and what comes after. A slow socket waits for itself alone: its messages stay in the log meanwhile.

use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use tokio::sync::Notify;

use super::rooms::{Rooms, Turn};
use crate::chat::log::ChatLog;
use crate::chat::wire::{CHAT_MESSAGE, Meta};
use crate::io::{Env, Socket};
use crate::reached::reached;
use crate::socket::{Args, args};
use crate::store::{LogOffset, StoreError, Stored};

/// How long to wait before the log is read again after an error.
const READ_RETRY: Duration = Duration::from_secs(1);

/// How many bytes are sent before the socket is asked again whether it keeps up. As JSON they are up to six times as many,
/// which is still less than may wait for a socket.
const BURST_MAX: usize = 64 << 10;

/// What a message counts for besides its content: more than its room and its id have.
const MESSAGE_COST: usize = 256;

/// The rooms of one socket, for its handlers and its reader. Whoever holds them sends in one go what belongs together: no
/// message of a room comes before the answer to its join, none after the answer to its leave.
#[derive(Clone)]
pub(super) struct SharedRooms {
    rooms: Arc<Mutex<Rooms>>,
    joined: Arc<Notify>,
}

impl SharedRooms {
    pub(super) fn new(rooms: Rooms) -> Self {
        Self { rooms: Arc::new(Mutex::new(rooms)), joined: Arc::default() }
    }

    /// To look and to leave; after a join, say [`SharedRooms::wake_reader`].
    pub(super) fn lock(&self) -> MutexGuard<'_, Rooms> {
        self.rooms.lock().expect("no one panics while holding it")
    }

    /// There may be more to read.
    pub(super) fn wake_reader(&self) {
        self.joined.notify_one();
    }
}

/// The message that was sent last to anyone, as it is sent. Most who hear a message hear it at once, behind the same one
/// before it: what is the same for all of them is made once.
#[derive(Clone, Default)]
pub(super) struct LastSent(Arc<Mutex<Option<Sent>>>);

struct Sent {
    message: Arc<Stored>,
    prev: LogOffset,
    args: Args,
}

impl LastSent {
    /// The arguments with which a message is sent that comes behind `prev`.
    fn args(&self, message: &Arc<Stored>, prev: LogOffset) -> Args {
        let mut last = self.0.lock().expect("no one panics while holding it");
        if let Some(sent) = &*last
            && Arc::ptr_eq(&sent.message, message)
            && sent.prev == prev
        {
            return sent.args.clone();
        }
        let meta = Meta { room: message.room.clone(), id: message.id.clone(), prev };
        let args = args![message.content, message.offset, meta];
        *last = Some(Sent { message: message.clone(), prev, args: args.clone() });
        args
    }
}

/// Reads the log for one socket.
pub(super) struct Reader<L> {
    pub(super) env: Env,
    pub(super) log: L,
    pub(super) socket: Socket,
    pub(super) rooms: SharedRooms,
    pub(super) last_sent: LastSent,
    /// How many messages to read at once.
    pub(super) page: usize,
    /// How many bytes were sent since the socket was last asked whether it keeps up; none where it never was.
    pub(super) burst: Option<usize>,
}

impl<L: ChatLog> Reader<L> {
    /// Until the socket is gone, which drops this future, or the log is.
    pub(super) async fn run(mut self) {
        while let Ok(()) = self.advance().await {}
    }

    /// Sends a page, or waits for more to send.
    ///
    /// # Errors
    /// When the log is closed.
    async fn advance(&mut self) -> Result<(), StoreError> {
        // Taken before reading: what is committed behind it, in any room, ends the wait below.
        let head = self.log.head();
        let turn = self.rooms.lock().turn(head);
        let Some(turn) = turn else {
            return tokio::select! {
                biased;
                () = self.rooms.joined.notified() => Ok(()),
                committed = self.log.committed_beyond(head) => committed,
            };
        };
        match self.log.read(&turn.room, turn.after, self.page).await {
            Ok(page) => {
                self.send_page(&turn, &page).await;
                if page.len() < self.page {
                    self.rooms.lock().exhausted(&turn, head);
                }
                Ok(())
            }
            Err(StoreError::Closed) => Err(StoreError::Closed),
            Err(error) => {
                reached!("chat.read_again");
                tracing::warn!(%error, room = turn.room, "the log cannot be read; trying again");
                self.env.sleep(READ_RETRY).await;
                Ok(())
            }
        }
    }

    async fn send_page(&mut self, turn: &Turn, page: &[Arc<Stored>]) {
        for message in page {
            self.keep_pace(message.content.len() + MESSAGE_COST).await;
            let mut rooms = self.rooms.lock();
            let Some(prev) = rooms.send(turn, message.offset) else {
                reached!("chat.left_in_page");
                tracing::debug!(room = turn.room, "the room was left");
                return;
            };
            // Emitted under the lock: the answer to a leave comes behind it.
            self.send(message, prev);
        }
    }

    /// Waits for the socket where so many bytes more might be too many.
    async fn keep_pace(&mut self, bytes: usize) {
        let burst = self.burst.map_or(usize::MAX, |burst| burst + bytes);
        if burst > BURST_MAX {
            self.socket.writable().await;
            self.burst = Some(bytes);
        } else {
            self.burst = Some(burst);
        }
    }

    fn send(&self, message: &Arc<Stored>, prev: LogOffset) {
        // Not through a later connection of a socket that was recovered: that has a reader of its own.
        self.socket.emit_here(CHAT_MESSAGE, self.last_sent.args(message, prev));
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::store::MessageId;

    fn message(offset: u64, content: &str) -> Arc<Stored> {
        let id = Some(MessageId(format!("id of {content}").into()));
        let (offset, content) = (LogOffset(offset), content.to_owned());
        Arc::new(Stored { offset, room: "general".to_owned(), id, content })
    }

    #[test]
    fn each_socket_is_told_what_comes_before_the_message_for_it() {
        let last_sent = LastSent::default();
        let (first, second) = (message(7, "first"), message(8, "second"));

        for (message, prev) in
            [(&first, 5), (&first, 5), (&first, 3), (&second, 3), (&second, 7), (&first, 5)]
        {
            let args = last_sent.args(message, LogOffset(prev));

            let meta = json!({ "room": "general", "id": message.id, "prev": prev });
            assert_eq!(args.values(), [json!(message.content), json!(message.offset), meta]);
        }
    }
}
