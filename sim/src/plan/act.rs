//! What a user does, with everything that was drawn.
//!
//! A message's text and an event's text are unique within a plan: they say who, what, and the how-manieth of it.

use std::fmt;

use serde::{Deserialize, Serialize};
use squall::chat::wire::DEFAULT_ROOM;

use super::Name;

/// What a user can do.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Act {
    /// Connect, and from then on by itself.
    Connect,
    /// Disconnect, until the next connect.
    Disconnect,
    /// Ask to be let into a chat room.
    Join(Join),
    /// Leave a chat room.
    Leave(Name),
    /// Say something in a chat room.
    Say(Say),
    /// Emit an event that the server echoes.
    Emit(Emit),
    /// Emit an event that the server relays to others.
    Broadcast(Broadcast),
    /// Reload the page: the process is gone and another begins at once, with the same outbox. The world does it.
    Reload,
    /// Nothing.
    Wait,
}

impl fmt::Display for Act {
    /// `say alice 3`, `join lobby`, `reload`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Connect => f.write_str("connect"),
            Self::Disconnect => f.write_str("disconnect"),
            Self::Join(join) => write!(f, "join {}", join.room),
            Self::Leave(room) => write!(f, "leave {room}"),
            Self::Say(say) => write!(f, "say {}", say.content),
            Self::Emit(emit) => write!(f, "emit {}", emit.content),
            Self::Broadcast(broadcast) => write!(f, "broadcast {}", broadcast.content),
            Self::Reload => f.write_str("reload"),
            Self::Wait => f.write_str("wait"),
        }
    }
}

impl Act {
    /// Whether the user says something in a chat room.
    pub fn is_say(&self) -> bool {
        matches!(self, Self::Say(_))
    }

    /// The text of a message or an event, and how many bytes it brings along.
    pub fn text(&self) -> Option<(&str, u32)> {
        match self {
            Self::Say(say) => Some((&say.content, 0)),
            Self::Emit(emit) => Some((&emit.content, emit.binary.unwrap_or(0))),
            Self::Broadcast(broadcast) => Some((&broadcast.content, broadcast.binary.unwrap_or(0))),
            Self::Connect | Self::Disconnect | Self::Join(_) | Self::Leave(_) | Self::Reload | Self::Wait => {
                None
            }
        }
    }

    /// The same in few bytes: with the two words that say who and the how-manieth, and a byte attached where there were
    /// more. Where it has few already, none.
    pub fn in_short(&self) -> Option<Self> {
        let mut short = self.clone();
        let (text, binary) = match &mut short {
            Self::Say(say) => (&mut say.content, None),
            Self::Emit(emit) => (&mut emit.content, emit.binary.as_mut()),
            Self::Broadcast(broadcast) => (&mut broadcast.content, broadcast.binary.as_mut()),
            Self::Connect | Self::Disconnect | Self::Join(_) | Self::Leave(_) | Self::Reload | Self::Wait => {
                return None;
            }
        };
        if let Some((padding, _)) = text.match_indices(' ').nth(1)
            && matches!(self, Self::Say(_))
        {
            text.truncate(padding);
        }
        if let Some(bytes) = binary {
            *bytes = 1.min(*bytes);
        }
        (short != *self).then_some(short)
    }
}

/// Which room, and from where: `lobby`, or `{ room: lobby, since: 0 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "JoinText", into = "JoinText")]
pub struct Join {
    /// The chat room.
    pub room: Name,
    /// After which offset the client is shown it; `None` for what comes from now on.
    pub since: Option<u64>,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum JoinText {
    Room(Name),
    Since { room: Name, since: u64 },
}

impl From<JoinText> for Join {
    fn from(text: JoinText) -> Self {
        match text {
            JoinText::Room(room) => Self { room, since: None },
            JoinText::Since { room, since } => Self { room, since: Some(since) },
        }
    }
}

impl From<Join> for JoinText {
    fn from(Join { room, since }: Join) -> Self {
        match since {
            None => Self::Room(room),
            Some(since) => Self::Since { room, since },
        }
    }
}

/// What is said, and where: `bob 1` in the default room, or `{ room: lobby, content: bob 1 }`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(from = "SayText", into = "SayText")]
pub struct Say {
    /// The chat room.
    pub room: Name,
    /// The text.
    pub content: String,
}

#[derive(Serialize, Deserialize)]
#[serde(untagged, deny_unknown_fields)]
enum SayText {
    Content(String),
    Room { room: Name, content: String },
}

impl From<&str> for Say {
    /// In the default room.
    fn from(content: &str) -> Self {
        Self { room: DEFAULT_ROOM.into(), content: content.to_owned() }
    }
}

impl From<SayText> for Say {
    fn from(text: SayText) -> Self {
        match text {
            SayText::Content(content) => Self { room: DEFAULT_ROOM.into(), content },
            SayText::Room { room, content } => Self { room, content },
        }
    }
}

impl From<Say> for SayText {
    fn from(Say { room, content }: Say) -> Self {
        if &*room == DEFAULT_ROOM { Self::Content(content) } else { Self::Room { room, content } }
    }
}

/// An event that the server echoes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Emit {
    /// Its name.
    pub event: Name,
    /// Its first argument, and its id in a history.
    pub content: String,
    /// The length of its second argument, [`attachment`]; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<u32>,
    /// Whether it is dropped where it cannot be sent at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub volatile: bool,
    /// Whether the client asks for an acknowledgement.
    #[serde(default, skip_serializing_if = "is_false")]
    pub ack: bool,
    /// Whom the server echoes it to: everyone in the room; absent for its sender alone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Name>,
}

/// An event that the server relays to others than its sender.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Broadcast {
    /// Its first argument, and its id in a history.
    pub content: String,
    /// To whom: everyone else in the room; absent for everyone else.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub room: Option<Name>,
    /// But not to who is in one of these rooms.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub except: Vec<Name>,
    /// The length of its second argument, [`attachment`]; absent where it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub binary: Option<u32>,
    /// Whether it is dropped, on either way, where it cannot be sent at once.
    #[serde(default, skip_serializing_if = "is_false")]
    pub volatile: bool,
}

fn is_false(flag: &bool) -> bool {
    !flag
}

/// The binary argument of an event: as many bytes as the plan says, all values among them, different for each text.
pub fn attachment(content: &str, length: u32) -> Vec<u8> {
    let start = content.bytes().fold(0_u8, u8::wrapping_add);
    (0..length)
        .map(|place| start.wrapping_add(place.to_le_bytes().into_iter().fold(0, u8::wrapping_add)))
        .collect()
}
