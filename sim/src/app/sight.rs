//! What a simulated user sees: what the chat shows and what its events bring, written down as it comes.
//!
//! Apart from what the user does, so that nothing waits to be written down while the user waits, for its disk for example: two
//! things that came over two connections would then be told apart no more.

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard};

use squall::chat::ChatEvent;
use squall::io::Event;
use squall::store::LogOffset;
use tokio::sync::mpsc;

use super::Machine;
use super::events;
use super::recording::content_hash;
use crate::history::Kind;
use crate::plan::{Name, Send};

/// What one life of a user sees.
pub(super) struct Sight {
    machine: Machine,
    send: Send,
    known: Mutex<Known>,
}

/// What tells one sighting from another.
#[derive(Default)]
struct Known {
    /// How often it was connected.
    session: u32,
    /// From where each room was asked for.
    since: BTreeMap<Name, Option<LogOffset>>,
}

impl Sight {
    pub(super) fn new(machine: &Machine, send: Send) -> Self {
        Self { machine: machine.clone(), send, known: Mutex::default() }
    }

    /// The connection that there is, or was last, counted from one.
    pub(super) fn session(&self) -> u32 {
        self.known().session
    }

    /// From where a room is asked for from now on.
    pub(super) fn ask_since(&self, room: Name, since: Option<LogOffset>) {
        self.known().since.insert(room, since);
    }

    pub(super) fn record(&self, kind: Kind) {
        self.machine.record(self.session(), kind);
    }

    /// Writes down what comes, until the chat shows no more.
    pub(super) async fn watch(
        &self,
        mut shown: mpsc::UnboundedReceiver<ChatEvent>,
        mut heard: Option<mpsc::UnboundedReceiver<Event>>,
    ) {
        loop {
            tokio::select! {
                biased;
                event = shown.recv() => match event {
                    Some(event) => self.see(event),
                    None => break,
                },
                event = next(&mut heard) => events::hear(&self.machine, self.session(), event),
            }
        }
    }

    fn see(&self, event: ChatEvent) {
        let kind = match event {
            ChatEvent::Connected => {
                self.known().session += 1;
                Kind::Connected { peer: None }
            }
            ChatEvent::Disconnected(reason) => Kind::Disconnected { reason: reason.as_str() },
            ChatEvent::Message(shown) => Kind::Delivered {
                id: shown.id,
                room: shown.room.as_str().into(),
                offset: shown.offset,
                content: content_hash(&shown.content),
            },
            ChatEvent::Joined { room, offset } => {
                let since = self.known().since.get(room.as_str()).copied().flatten();
                Kind::Joined { room: room.into(), offset, since }
            }
            ChatEvent::Left { room, offset } => Kind::Left { room: room.into(), offset },
            ChatEvent::Acknowledged { id, offset } => Kind::Acknowledged { id, offset },
            ChatEvent::Failed { id, reason } => match self.send {
                Send::Outbox => Kind::Failed { id, reason },
                // Given up on; the server may have it.
                Send::Plain | Send::Retry | Send::Manual => Kind::SendFailed { id, reason },
            },
            ChatEvent::NotJoined { room, reason } => {
                Kind::Trouble { what: format!("not let into {room}: {reason}") }
            }
            ChatEvent::Refused(why) => Kind::Trouble { what: format!("refused: {why}") },
            ChatEvent::GaveUp => Kind::Trouble { what: "gave up reconnecting".to_owned() },
            ChatEvent::OutboxBroken(error) => Kind::Trouble { what: format!("outbox: {error}") },
        };
        self.record(kind);
    }

    fn known(&self) -> MutexGuard<'_, Known> {
        self.known.lock().expect("no one panics while holding it")
    }
}

/// Never ends where there is nothing to hear.
async fn next(heard: &mut Option<mpsc::UnboundedReceiver<Event>>) -> Event {
    if let Some(heard) = heard
        && let Some(event) = heard.recv().await
    {
        return event;
    }
    std::future::pending().await
}
