//! What a scenario file says of clients and of what they do.

use std::fmt;

use serde::de::value::MapAccessDeserializer;
use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::TimeText;
use crate::scenario::client::{Receive, Send, Transport, WhileDead};
use crate::scenario::yaml::Spanned;

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct ClientText {
    pub(in crate::scenario) send: Option<Spanned<Send>>,
    pub(in crate::scenario) receive: Option<Spanned<Receive>>,
    pub(in crate::scenario) transports: Option<Spanned<Vec<Transport>>>,
    pub(in crate::scenario) reconnection: Option<bool>,
    pub(in crate::scenario) reconnection_attempts: Option<Spanned<u32>>,
    pub(in crate::scenario) reconnection_delay: Option<TimeText>,
    pub(in crate::scenario) reconnection_delay_max: Option<TimeText>,
    pub(in crate::scenario) retries: Option<Spanned<u32>>,
    pub(in crate::scenario) ack_timeout: Option<TimeText>,
    pub(in crate::scenario) rooms: Option<Vec<Spanned<String>>>,
    pub(in crate::scenario) while_dead: WhileDead,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct StepText {
    pub(in crate::scenario) at: TimeText,
    pub(in crate::scenario) who: Spanned<Who>,
    #[serde(rename = "do")]
    pub(in crate::scenario) act: Spanned<StepActText>,
}

#[derive(serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub(in crate::scenario) enum StepActText {
    Connect,
    Disconnect,
    Join(Spanned<JoinText>),
    Leave(Spanned<String>),
    Say(Box<SayText>),
    Emit(Box<EmitText>),
    Broadcast(Box<BroadcastText>),
    Reload,
    Wait,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct SayText {
    pub(in crate::scenario) count: Spanned<u32>,
    #[serde(default)]
    pub(in crate::scenario) every: Option<TimeText>,
    #[serde(default)]
    pub(in crate::scenario) bytes: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::scenario) room: Option<Spanned<String>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct EmitText {
    pub(in crate::scenario) count: Spanned<u32>,
    #[serde(default)]
    pub(in crate::scenario) every: Option<TimeText>,
    #[serde(default)]
    pub(in crate::scenario) event: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::scenario) binary: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::scenario) volatile: bool,
    #[serde(default)]
    pub(in crate::scenario) ack: bool,
    #[serde(default)]
    pub(in crate::scenario) room: Option<Spanned<String>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct BroadcastText {
    pub(in crate::scenario) count: Spanned<u32>,
    #[serde(default)]
    pub(in crate::scenario) every: Option<TimeText>,
    #[serde(default)]
    pub(in crate::scenario) room: Option<Spanned<String>>,
    #[serde(default)]
    pub(in crate::scenario) except: Vec<Spanned<String>>,
    #[serde(default)]
    pub(in crate::scenario) binary: Option<Spanned<u32>>,
    #[serde(default)]
    pub(in crate::scenario) volatile: bool,
}

/// Who does it: a name, or a list of names.
pub(in crate::scenario) enum Who {
    One(String),
    Many(Vec<Spanned<String>>),
}

impl<'de> Deserialize<'de> for Who {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct NameOrNames;

        impl<'de> Visitor<'de> for NameOrNames {
            type Value = Who;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a client, or a list of names")
            }

            fn visit_str<E>(self, name: &str) -> Result<Who, E> {
                Ok(Who::One(name.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Who, A::Error> {
                let mut names = Vec::new();
                while let Some(name) = list.next_element()? {
                    names.push(name);
                }
                Ok(Who::Many(names))
            }
        }

        deserializer.deserialize_any(NameOrNames)
    }
}

/// Which room: its name, or its name and from where.
pub(in crate::scenario) enum JoinText {
    Room(String),
    Since(JoinSinceText),
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(in crate::scenario) struct JoinSinceText {
    pub(in crate::scenario) room: Spanned<String>,
    pub(in crate::scenario) since: u64,
}

impl<'de> Deserialize<'de> for JoinText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct RoomOrMore;

        impl<'de> Visitor<'de> for RoomOrMore {
            type Value = JoinText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a room, or `{ room, since }`")
            }

            fn visit_str<E>(self, room: &str) -> Result<JoinText, E> {
                Ok(JoinText::Room(room.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, mapping: A) -> Result<JoinText, A::Error> {
                JoinSinceText::deserialize(MapAccessDeserializer::new(mapping)).map(JoinText::Since)
            }
        }

        deserializer.deserialize_any(RoomOrMore)
    }
}
