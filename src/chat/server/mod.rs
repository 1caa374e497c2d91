//! The chat server: a message is durable before it is acknowledged or shown; each socket reads one log through one cursor a
//! room.
//!
//! Handlers only append to the log, and change which rooms their socket is in. What sockets see comes from their
//! [`reader::Reader`], which reads it in the log.

mod reader;
mod recovery;
pub(super) mod request;
pub(super) mod rooms;

use std::sync::Arc;

use serde_json::{Value, json};

use super::log::ChatLog;
use super::wire::{CHAT_ERROR, CHAT_MESSAGE, ChatError, ErrorCode, JOIN, JOINED, LEAVE};
use crate::io::{Env, Incoming, Server, Socket};
use crate::reached::reached;
use crate::socket::Args;
use crate::store::{Appended, Draft, LogOffset};
use reader::{LastSent, Reader, SharedRooms};
use recovery::Replayed;
use request::{Start, Submission, read_join, read_leave, read_start, read_submission};
use rooms::Rooms;

/// The limits of a chat.
#[derive(Debug, Clone)]
pub struct ChatConfig {
    /// The longest content it takes, in bytes; 65,536.
    pub max_content_bytes: usize,
    /// How many rooms one socket may be in at once; 100.
    pub max_rooms: usize,
    /// How many messages of a room are read at once while a socket catches up; 100.
    pub page: usize,
}

impl Default for ChatConfig {
    fn default() -> Self {
        Self { max_content_bytes: 64 << 10, max_rooms: 100, page: 100 }
    }
}

/// Puts the chat on a server.
pub fn serve(env: &Env, server: &Server, log: &impl ChatLog, config: ChatConfig) {
    let last_sent = LastSent::default();
    let chat = Arc::new(Chat { env: env.clone(), log: log.clone(), config, last_sent });
    server.on_connect(move |socket| {
        chat.welcome(&socket);
        std::future::ready(())
    });
}

struct Chat<L> {
    env: Env,
    log: L,
    config: ChatConfig,
    last_sent: LastSent,
}

impl<L: ChatLog> Chat<L> {
    fn welcome(self: &Arc<Self>, socket: &Socket) {
        let rooms = match self.start(socket) {
            Ok(rooms) => SharedRooms::new(rooms),
            Err(error) => {
                tracing::warn!(socket = %socket.id(), reason = error.message, "a client cannot be served");
                socket.emit(CHAT_ERROR, vec![Value::from(&error)]);
                socket.disconnect(false);
                return;
            }
        };
        let chat = Arc::clone(self);
        socket.on(CHAT_MESSAGE, move |_, incoming| Arc::clone(&chat).on_message(incoming));
        let (chat, joinable) = (Arc::clone(self), rooms.clone());
        socket.on(JOIN, move |_, incoming| {
            chat.on_join(&joinable, incoming);
            std::future::ready(())
        });
        let (chat, leavable) = (Arc::clone(self), rooms.clone());
        socket.on(LEAVE, move |_, incoming| {
            chat.on_leave(&leavable, incoming);
            std::future::ready(())
        });
        let reader = Reader {
            env: self.env.clone(),
            log: self.log.clone(),
            socket: socket.clone(),
            rooms,
            last_sent: self.last_sent.clone(),
            page: self.config.page,
            burst: None,
        };
        socket.spawn(reader.run());
    }

    /// The rooms with which a socket connects.
    fn start(&self, socket: &Socket) -> Result<Rooms, ChatError> {
        let Start { rooms: starts, named } = read_start(socket.auth())?;
        let head = self.log.head();
        let mut rooms = Rooms::new(self.config.max_rooms);
        let replayed = Replayed::new(socket.replayed());
        for (room, since) in starts {
            let since = replayed.behind(&room, since);
            rooms.join(&room, since, head)?;
            if let Some(cursor) = since.filter(|since| *since < head) {
                reached!("chat.catch_up");
                tracing::debug!(room, %cursor, %head, "a socket is behind the log");
            }
        }
        if named {
            socket.emit(JOINED, vec![json!(rooms.joined())]);
        }
        Ok(rooms)
    }

    fn on_join(&self, rooms: &SharedRooms, incoming: Incoming) {
        let mut joining = rooms.lock();
        let joined =
            read_join(&incoming.args).and_then(|(room, since)| joining.join(&room, since, self.log.head()));
        // Under the lock: the answer comes before the room's first message.
        answer(incoming, joined.map(|joined| json!(joined)));
        drop(joining);
        rooms.wake_reader();
    }

    fn on_leave(&self, rooms: &SharedRooms, incoming: Incoming) {
        let mut leaving = rooms.lock();
        let left =
            read_leave(&incoming.args).map(|room| leaving.leave(&room).unwrap_or_else(|| self.log.head()));
        answer(incoming, left.map(at));
    }

    async fn on_message(self: Arc<Self>, incoming: Incoming) {
        let submitted = self.submit(&incoming.args).await;
        answer(incoming, submitted.map(at));
    }

    async fn submit(&self, args: &Args) -> Result<LogOffset, ChatError> {
        let Submission { content, id, room } = read_submission(args, self.config.max_content_bytes)?;
        let draft = Draft { room, id, content, at: self.env.clock.wall() };
        match self.log.append(draft).await {
            Ok(Appended::New(offset)) => Ok(offset),
            Ok(Appended::Repeat(offset)) => {
                reached!("chat.repeat");
                tracing::debug!(%offset, "a message was sent again");
                Ok(offset)
            }
            Ok(Appended::Conflict) => {
                let message = "another message has this clientOffset: each message needs an id of its own";
                Err(ChatError::new(ErrorCode::Conflict, message))
            }
            Err(error) => {
                // What failed is not for the client: it may tell of the server's files.
                tracing::debug!(%error, "a message was not stored");
                Err(ChatError::new(ErrorCode::Unavailable, "the message cannot be stored now; try again"))
            }
        }
    }
}

fn at(offset: LogOffset) -> Value {
    json!({ "offset": offset })
}

fn answer(incoming: Incoming, result: Result<Value, ChatError>) {
    let answer = match result {
        Ok(answer) => answer,
        Err(error) => {
            reached!("chat.refused");
            let (event, code) = (&incoming.name, error.code);
            tracing::debug!(event, ?code, reason = error.message, "a client was refused what it asked");
            json!({ "error": Value::from(&error) })
        }
    };
    incoming.ack.send(vec![answer]);
}
