//! What can happen, and who writes it down at which seam.
//!
//! | who | where | what |
//! |---|---|---|
//! | client | at the outbox's storage, or just before an emit | `Sent`, `Emitted` |
//! | client | where a user would see an event | `Acknowledged`, `Failed`, `SendFailed`, `Delivered`, `Heard`, `Answered`, `Joined`, `Left`, `Connected`, `Resumed`, `Disconnected`, `Trouble` |
//! | client | where the plan's acts come in | `Did`, `Asked` |
//! | server | at the log's storage | `Committed`, `Suppressed` |
//! | server | at the sessions' storage | `Persisted` |
//! | server | in the handlers of the app under test | `Arrived`, `Relayed`, `Disconnected` |
//! | server | where its bytes go to its kernel | `Connected`, `Early` |
//! | world | itself | `Started`, `Exited`, `Skipped`, `FaultBegan`, `FaultEnded`, `FaultDisarmed`, `Touched` |
//!
//! A *message* is what users say in chat rooms; an *event* is any other one, and its id is its text in the plan.

use std::sync::Arc;

use serde::{Deserialize, Serialize};
use squall::store::{LogOffset, MessageId};
use xxhash_rust::xxh3::{Xxh3, xxh3_64};

use crate::plan::Name;

use super::{Word, log};

/// What can happen.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "kind", rename_all = "snake_case")]
pub enum Kind {
    /// Client: the user said something. With an outbox, the outbox has it; else it is about to be emitted.
    Sent {
        /// The message. A client that sends without ids gives it one all the same, which nobody else sees.
        id: MessageId,
        /// The chat room.
        room: Arc<str>,
        /// Its number among what this life of the client said, counted from one.
        n: u64,
        /// [`content_digest`] of it.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Client: the server has it.
    Acknowledged {
        /// The message.
        id: MessageId,
        /// Its place.
        offset: LogOffset,
    },
    /// Client: the server will never take it.
    Failed {
        /// The message.
        id: MessageId,
        /// Why.
        reason: String,
    },
    /// Client: it has given up on sending this message or event, and told its user. The server may have it all the same.
    SendFailed {
        /// The message or event.
        id: MessageId,
        /// Why.
        reason: String,
    },
    /// Client: it was shown to the user.
    Delivered {
        /// The message; none where its sender gave it no id.
        id: Option<MessageId>,
        /// The chat room.
        room: Arc<str>,
        /// Its place.
        offset: LogOffset,
        /// [`content_digest`] of it.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: it was committed at a new place.
    Committed {
        /// The message; none where its sender gave it no id.
        id: Option<MessageId>,
        /// The chat room.
        room: Arc<str>,
        /// Its place.
        offset: LogOffset,
        /// [`content_digest`] of it.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: a repeat was recognised and not stored again.
    Suppressed {
        /// The message.
        id: MessageId,
        /// Where it is already.
        offset: LogOffset,
    },
    /// Client: the user asked to be let into a room, or to leave it.
    Asked {
        /// `join` or `leave`.
        #[serde(deserialize_with = "log::room_act")]
        act: Word,
        /// The chat room.
        room: Arc<str>,
    },
    /// Client: it was told that it is in a room. Nothing at or before the offset will be shown, unless `since` is given.
    /// The rooms that the plan gives a client from the start are joined without a record.
    Joined {
        /// The chat room.
        room: Arc<str>,
        /// The head of the log when the server let it in.
        offset: LogOffset,
        /// After which offset it asked to be shown the room.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        since: Option<LogOffset>,
    },
    /// Client: it was told that it has left a room. Nothing after the offset will be shown.
    Left {
        /// The chat room.
        room: Arc<str>,
        /// The last offset to which it was entitled.
        offset: LogOffset,
    },
    /// Client: the user emitted an event. Written just before the client is asked to.
    Emitted {
        /// The event.
        id: MessageId,
        /// Whether it is to be dropped where it cannot be sent at once.
        volatile: bool,
        /// [`content_digest`] of its arguments.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: an event arrived at its handler.
    Arrived {
        /// The event.
        id: MessageId,
        /// [`content_digest`] of its arguments.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Server: an event was handed to the sockets that are to have it. Written just before. Who is in a room is what the
    /// app's own `join` and `leave` handlers did, not what the server under test believes.
    Relayed {
        /// The event.
        id: MessageId,
        /// The sockets that are connected, or about to be, or away and can be taken up again, and are to have it.
        audience: Vec<Listener>,
        /// The clients that must not have it: its sender, and who is in a room that it excepts.
        excluded: Vec<Name>,
        /// Whether it is to be dropped where it cannot be sent at once.
        volatile: bool,
    },
    /// Server: an event that it relayed is on its disk, and outlives it. Written where sessions are stored.
    Persisted {
        /// The event.
        id: MessageId,
    },
    /// Client: its socket of events is connected.
    Resumed {
        /// Whether the server took up the socket that was there before, and so promises that nothing is missed.
        recovered: bool,
        /// The socket's id.
        socket: Arc<str>,
    },
    /// Client: an event was handed to the user.
    Heard {
        /// The event.
        id: MessageId,
        /// [`content_digest`] of its arguments.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Client: an event was acknowledged, with its own arguments.
    Answered {
        /// The event.
        id: MessageId,
        /// [`content_digest`] of what came back.
        #[serde(with = "log::hexadecimal")]
        content: u64,
    },
    /// Client or server: a socket is connected. The server's end is, when its process has handed the answer to CONNECT to
    /// its kernel.
    Connected {
        /// The client whose socket it is, where the server records it.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        peer: Option<Name>,
    },
    /// Server: its process has handed to its kernel an event of a namespace in which CONNECT is not answered on that connection.
    Early {
        /// The client.
        peer: Name,
        /// The namespace.
        namespace: String,
    },
    /// Client or server: a socket is disconnected.
    Disconnected {
        /// Why, in Socket.IO's words.
        #[serde(deserialize_with = "log::disconnect_reason")]
        reason: Word,
    },
    /// Client: the user did what the plan says.
    Did {
        /// `connect` or `disconnect`.
        #[serde(deserialize_with = "log::user_act")]
        act: Word,
    },
    /// Client: the user was told of a trouble that is no message's: refused by the server, an outbox that cannot be kept.
    Trouble {
        /// In words.
        what: String,
    },
    /// World: the user did this while the client did not run, and the plan says that it is never done then.
    Skipped {
        /// In words: `say alice 3`.
        what: String,
    },
    /// The process runs.
    Started,
    /// The process is gone.
    Exited {
        /// How: `killed`, `shut down`, or what it failed with.
        how: String,
    },
    /// A fault of the plan began.
    FaultBegan {
        /// Its place in the plan.
        fault: usize,
        /// What it is: `stall alice -> server`.
        #[serde(default)]
        what: String,
    },
    /// A fault of the plan ended.
    FaultEnded {
        /// Its place in the plan.
        fault: usize,
    },
    /// The world heals, and a fault of the plan still waited for something: it never begins.
    FaultDisarmed {
        /// Its place in the plan.
        fault: usize,
        /// What it would have been.
        what: String,
    },
    /// World: a fault held, damaged or closed a connection, or an attempt at one. Written at least once for each fault
    /// and connection, at the first time.
    Touched {
        /// Its place in the plan.
        fault: usize,
        /// Whose connection: the client, and the server.
        processes: Vec<Name>,
    },
}

/// A socket of events, and whose it is.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Listener {
    /// The client that asked for it.
    pub client: Name,
    /// Its id. A client never hears of a socket whose answer was lost on the way.
    pub socket: Arc<str>,
}

/// A hash of what a message or an event says, so that a history can tell whether it changed on the way.
pub fn content_digest(text: &str, attachment: Option<&[u8]>) -> u64 {
    let Some(attachment) = attachment else { return xxh3_64(text.as_bytes()) };
    let mut digest = Xxh3::new();
    digest.update(text.as_bytes());
    // No text holds this byte, so that nothing moves from the one to the other unseen.
    digest.update(&[0xff]);
    digest.update(attachment);
    digest.digest()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_attachment_is_part_of_the_content() {
        let digests = [
            content_digest("note", None),
            content_digest("note", Some(&[])),
            content_digest("note", Some(b"1")),
            content_digest("note1", Some(&[])),
        ];
        let distinct: std::collections::BTreeSet<u64> = digests.into();
        assert_eq!(distinct.len(), digests.len());
    }
}
