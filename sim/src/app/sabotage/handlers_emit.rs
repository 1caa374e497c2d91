//! What the official tutorial's handlers do: each broadcasts for itself.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use serde_json::json;
use squall::chat::wire::{CHAT_MESSAGE, DEFAULT_ROOM};
use squall::store::{Appended, Draft, Log, LogOffset, MessageId};
use squall::{Env, Server, Socket};

use crate::draw::{Stream, draw_duration};

/// A chat server written as the official tutorial is: the log is read once at connect, and each handler broadcasts for
/// itself after its own commit.
#[derive(Clone)]
pub(in crate::app) struct HandlersEmit {
    env: Env,
    server: Server,
    log: Log,
    seed: u64,
    /// The highest offset that was broadcast.
    broadcast: Arc<Mutex<LogOffset>>,
}

impl HandlersEmit {
    pub(in crate::app) fn serve(env: &Env, server: &Server, log: &Log, seed: u64) {
        let (env, server, log) = (env.clone(), server.clone(), log.clone());
        let broadcast = Arc::new(Mutex::new(log.head()));
        let chat = Self { env, server: server.clone(), log, seed, broadcast };
        server.on_connect(move |socket| {
            let chat = chat.clone();
            async move {
                chat.replay(&socket).await;
                socket.on(CHAT_MESSAGE, move |_, incoming| {
                    let chat = chat.clone();
                    async move { chat.take(incoming).await }
                });
            }
        });
    }

    async fn replay(&self, socket: &Socket) {
        let from = socket.auth()["serverOffset"].as_u64().unwrap_or_default();
        let mut shown = LogOffset(from);
        for message in self.log.read(DEFAULT_ROOM, shown, usize::MAX).await.unwrap_or_default() {
            let meta = json!({ "room": message.room, "id": message.id, "prev": shown });
            socket.emit(CHAT_MESSAGE, vec![json!(message.content), json!(message.offset), meta]);
            shown = message.offset;
        }
    }

    async fn take(&self, incoming: squall::io::Incoming) {
        let (Ok(content), Ok(id)) = (incoming.args.get::<String>(0), incoming.args.get::<MessageId>(1))
        else {
            return;
        };
        let draft = Draft {
            room: DEFAULT_ROOM.to_owned(),
            id: Some(id.clone()),
            content: content.clone(),
            at: self.env.clock.wall(),
        };
        let Ok(appended) = self.log.append(draft).await else { return };
        if let Appended::New(offset) = appended {
            // What a slower continuation does: later commits overtake this one.
            let overtaken = draw_duration(
                Duration::ZERO..=Duration::from_millis(100),
                self.seed,
                Stream::Sabotage,
                "overtake",
                offset.0,
            );
            self.env.sleep(overtaken).await;
            self.broadcast(&content, &id, offset);
        }
        if let Some(offset) = appended.offset() {
            incoming.ack.send(vec![json!({ "offset": offset })]);
        }
    }

    fn broadcast(&self, content: &str, id: &MessageId, offset: LogOffset) {
        let mut broadcast = self.broadcast.lock().expect("no one panics while holding it");
        let meta = json!({ "room": DEFAULT_ROOM, "id": id, "prev": *broadcast });
        self.server.emit(CHAT_MESSAGE, vec![json!(content), json!(offset), meta]);
        *broadcast = offset.max(*broadcast);
    }
}
