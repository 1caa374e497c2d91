//! The names of what can be wrong with a history: scenarios expect them, checkers look for them.

use std::fmt;

use serde::{Deserialize, Serialize};

/// What can be wrong with a history.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Anomaly {
    /// A message was never shown to someone entitled to it, and never will be; or an event never arrived.
    Lost,
    /// One client showed one message twice.
    DuplicateDelivery,
    /// One message was stored at two places.
    DuplicateCommit,
    /// Something was stored or shown that nobody sent.
    Phantom,
    /// Something arrived with another content than it was sent with.
    Corrupted,
    /// A message was acknowledged at a place where the log did not hold it.
    AckWithoutCommit,
    /// One request was answered twice, or answered and refused, or with another's answer.
    ContradictoryAck,
    /// One offset holds two messages, or one message is seen at an offset where the log does not hold it.
    InconsistentOffset,
    /// One client showed two messages of one sender in the wrong order.
    SenderReorder,
    /// On one connection, a message was shown after a later one.
    NonmonotonicOffset,
    /// The log or a client over several connections has two messages in another order than the others.
    TotalOrderDivergence,
    /// One life of a client passed over a message that only another life of it was shown.
    Skip,
    /// A message was shown in a room to which it was not sent, or to someone who never was in it.
    RoomLeak,
    /// A message was shown that came after its reader left the room.
    DeliveryAfterLeave,
    /// A message was shown that came before its reader joined the room.
    PreJoinLeak,
    /// A broadcast was heard by someone whom it excluded, such as its sender.
    ExcludedEcho,
    /// A volatile event was kept for later, or heard twice.
    VolatileMisuse,
    /// An event was sent over a connection to a namespace before CONNECT to it was answered there.
    EarlyEvent,
    /// A socket that could have been taken up again was not.
    Unrecovered,
    /// A client or the server kept a connection on which nothing had come for longer than the heartbeat allows.
    LateDeath,
    /// A connection that no fault touched ended by ping timeout.
    FalseDeath,
    /// Something owed did not happen although the world was well again for long enough.
    NoProgress,
    /// The run proves nothing.
    VacuousRun,
}

impl Anomaly {
    /// All of them, in order.
    pub const ALL: [Self; 23] = [
        Self::Lost,
        Self::DuplicateDelivery,
        Self::DuplicateCommit,
        Self::Phantom,
        Self::Corrupted,
        Self::AckWithoutCommit,
        Self::ContradictoryAck,
        Self::InconsistentOffset,
        Self::SenderReorder,
        Self::NonmonotonicOffset,
        Self::TotalOrderDivergence,
        Self::Skip,
        Self::RoomLeak,
        Self::DeliveryAfterLeave,
        Self::PreJoinLeak,
        Self::ExcludedEcho,
        Self::VolatileMisuse,
        Self::EarlyEvent,
        Self::Unrecovered,
        Self::LateDeath,
        Self::FalseDeath,
        Self::NoProgress,
        Self::VacuousRun,
    ];

    /// As reports name it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Lost => "lost",
            Self::DuplicateDelivery => "duplicate delivery",
            Self::DuplicateCommit => "duplicate commit",
            Self::Phantom => "phantom",
            Self::Corrupted => "corrupted",
            Self::AckWithoutCommit => "ack without commit",
            Self::ContradictoryAck => "contradictory ack",
            Self::InconsistentOffset => "inconsistent offset",
            Self::SenderReorder => "sender reorder",
            Self::NonmonotonicOffset => "nonmonotonic offset",
            Self::TotalOrderDivergence => "total-order divergence",
            Self::Skip => "skip",
            Self::RoomLeak => "room leak",
            Self::DeliveryAfterLeave => "delivery after leave",
            Self::PreJoinLeak => "pre-join leak",
            Self::ExcludedEcho => "excluded echo",
            Self::VolatileMisuse => "volatile misuse",
            Self::EarlyEvent => "early event",
            Self::Unrecovered => "unrecovered",
            Self::LateDeath => "late death",
            Self::FalseDeath => "false death",
            Self::NoProgress => "no progress",
            Self::VacuousRun => "vacuous run",
        }
    }

    /// As scenarios name it: the same words, joined by `_`.
    pub fn key(self) -> String {
        self.as_str().replace([' ', '-'], "_")
    }

    /// The anomaly that a scenario names.
    pub fn of_key(key: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|anomaly| anomaly.key() == key)
    }
}

impl fmt::Display for Anomaly {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anomaly_reads_as_its_key_prints() {
        for anomaly in Anomaly::ALL {
            assert_eq!(Anomaly::of_key(&anomaly.key()), Some(anomaly));
            assert_eq!(serde_json::to_value(anomaly).unwrap(), anomaly.key());
        }
        assert!(Anomaly::ALL.is_sorted(), "reports list them in this order");
    }
}
