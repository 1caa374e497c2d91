//! What makes two sightings, by whomever, sightings of one message.

use std::fmt;

use squall::store::{LogOffset, MessageId};

/// A message: its id, or, where its sender gave it none, its place.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Message {
    Id(MessageId),
    At(LogOffset),
}

impl Message {
    pub(super) fn seen(id: Option<&MessageId>, offset: LogOffset) -> Self {
        id.map_or(Self::At(offset), |id| Self::Id(id.clone()))
    }
}

impl fmt::Display for Message {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Id(id) => id.fmt(f),
            Self::At(offset) => write!(f, "the message at offset {offset}"),
        }
    }
}
