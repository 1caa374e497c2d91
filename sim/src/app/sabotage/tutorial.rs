//! A chat server written as the official tutorial's: it takes ids as they come, acknowledges whatever the log did with a
//! message, and does not say what comes before one that it shows.
//!
//! How it shows messages is chosen, so that one bug can be looked at without the others.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use squall::chat::wire::{CHAT_MESSAGE, DEFAULT_ROOM};
use squall::io::Incoming;
use squall::store::{Draft, Log, LogOffset, MessageId, StoreError, Stored};
use squall::{Env, Server, Socket};

/// How a message comes to its readers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(in crate::app) enum Showing {
    /// From the log, by one cursor for each socket: as it should be.
    ByCursor,
    /// At connect from the log; live by a broadcast [`BEHIND`] the commit, to all who have been shown the log.
    Overlapping,
    /// Live at once; at connect also from the log, which takes [`SELECTING`].
    Beside,
}

/// How long after its commit a message is broadcast: the handler goes on when the database has answered.
const BEHIND: Duration = Duration::from_millis(50);

/// How long it takes to read the log for who connects.
const SELECTING: Duration = Duration::from_millis(300);

/// The sockets that have been shown the log.
const CAUGHT_UP: &str = "caught up";

/// The server.
#[derive(Clone)]
pub(in crate::app) struct Tutorial {
    env: Env,
    log: Log,
    showing: Showing,
}

impl Tutorial {
    pub(in crate::app) fn serve(env: &Env, server: &Server, log: &Log, showing: Showing) {
        let chat = Self { env: env.clone(), log: log.clone(), showing };
        if showing == Showing::Overlapping {
            let (broadcasting, to) = (chat.clone(), server.clone());
            env.spawn(async move { drop(broadcasting.broadcast(&to).await) });
        }
        server.on_connect(move |socket| {
            let taking = chat.clone();
            socket.on(CHAT_MESSAGE, move |_, incoming| taking.clone().take(incoming));
            let (shown, chat) = (socket.clone(), chat.clone());
            socket.spawn(async move { drop(chat.show(&shown).await) });
            std::future::ready(())
        });
    }

    async fn take(self, Incoming { args, ack, .. }: Incoming) {
        let (Ok(content), Ok(id)) = (args.get::<String>(0), args.get::<MessageId>(1)) else { return };
        let draft = Draft { room: DEFAULT_ROOM.to_owned(), id: Some(id), content, at: self.env.clock.wall() };
        // The tutorial takes every constraint that fails for a repeat.
        if self.log.append(draft).await.is_ok() {
            ack.send(vec![]);
        }
    }

    async fn show(&self, socket: &Socket) -> Result<(), StoreError> {
        let from = LogOffset(socket.auth()["serverOffset"].as_u64().unwrap_or_default());
        let head = self.log.head();
        match self.showing {
            Showing::ByCursor => self.follow(socket, from).await,
            Showing::Overlapping => {
                self.read(from).await?.iter().for_each(|message| emit(socket, message));
                socket.join(CAUGHT_UP);
                Ok(())
            }
            Showing::Beside => {
                let (chat, replayed) = (self.clone(), socket.clone());
                socket.spawn(async move { drop(chat.replay(&replayed, from, head).await) });
                self.follow(socket, head).await
            }
        }
    }

    /// Shows all that comes after `shown`, for ever.
    async fn follow(&self, socket: &Socket, mut shown: LogOffset) -> Result<(), StoreError> {
        loop {
            for message in self.read(shown).await? {
                emit(socket, &message);
                shown = message.offset;
            }
            self.log.committed_beyond(shown).await?;
        }
    }

    /// Shows what came after `from`, up to `head`.
    async fn replay(&self, socket: &Socket, from: LogOffset, head: LogOffset) -> Result<(), StoreError> {
        self.env.sleep(SELECTING).await;
        let messages = self.read(from).await?;
        messages.iter().filter(|message| message.offset <= head).for_each(|message| emit(socket, message));
        Ok(())
    }

    async fn broadcast(&self, server: &Server) -> Result<(), StoreError> {
        let mut done = self.log.head();
        loop {
            self.log.committed_beyond(done).await?;
            let committed = self.read(done).await?;
            self.env.sleep(BEHIND).await;
            for message in committed {
                server.to(CAUGHT_UP).emit(CHAT_MESSAGE, arguments(&message));
                done = message.offset;
            }
        }
    }

    async fn read(&self, after: LogOffset) -> Result<Vec<Arc<Stored>>, StoreError> {
        self.log.read(DEFAULT_ROOM, after, usize::MAX).await
    }
}

fn emit(socket: &Socket, message: &Stored) {
    socket.emit(CHAT_MESSAGE, arguments(message));
}

fn arguments(message: &Stored) -> Vec<serde_json::Value> {
    vec![json!(message.content), json!(message.offset)]
}
