//! Bugs put in on purpose, each at a seam: a checker that cannot find them is blind.
//!
//! | bug | whose |
//! |---|---|
//! | `handlers-emit`, `skip-duplicate-check` | the official tutorial's server |
//! | `acknowledge-first`, `unsynced-commits` | a database's that is set up for speed |
//! | `stays-away` | a client's that leaves it to its user to connect again |
//! | `replay-overlaps-live`, `offset-over-a-hole`, `undefined-ids` | the tutorial's server and page, together |

mod acknowledge_first;
mod handlers_emit;
mod page;
mod skip_duplicate_check;
mod tutorial;
mod undefined_ids;
mod unsynced_commits;

use crate::check::Anomaly;

pub(super) use acknowledge_first::AcknowledgeFirst;
pub(super) use handlers_emit::HandlersEmit;
pub(super) use page::Page;
pub(super) use skip_duplicate_check::SkipDuplicateCheck;
pub(super) use tutorial::{Showing, Tutorial};
pub(super) use undefined_ids::UndefinedIds;
pub(super) use unsynced_commits::leave_commits_unsynced;

/// A bug.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum Sabotage {
    /// Each handler broadcasts its message when its own commit completes, and completions overtake each other.
    HandlersEmit,
    /// A message is acknowledged before it is committed.
    AcknowledgeFirst,
    /// A repeat is stored as if it were new.
    SkipDuplicateCheck,
    /// What is stored and not broadcast yet when a client connects comes from the log and again live, and its page shows
    /// whatever comes.
    ReplayOverlapsLive,
    /// What is live comes while the log is still being read, and moves the client's offset past what it was not shown.
    OffsetOverAHole,
    /// A page that has no socket id yet calls its messages `undefined-0`, `undefined-1` and so on, as all others do.
    UndefinedIds,
    /// A message is acknowledged when it is committed, but not synced: a loss of power takes it.
    UnsyncedCommits,
    /// A client whose connection broke does not connect again: what it has to say stays in its outbox.
    StaysAway,
}

impl Sabotage {
    /// All of them.
    pub const ALL: [Self; 8] = [
        Self::HandlersEmit,
        Self::AcknowledgeFirst,
        Self::SkipDuplicateCheck,
        Self::ReplayOverlapsLive,
        Self::OffsetOverAHole,
        Self::UndefinedIds,
        Self::UnsyncedCommits,
        Self::StaysAway,
    ];

    /// As the command line names it.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::HandlersEmit => "handlers-emit",
            Self::AcknowledgeFirst => "acknowledge-first",
            Self::SkipDuplicateCheck => "skip-duplicate-check",
            Self::ReplayOverlapsLive => "replay-overlaps-live",
            Self::OffsetOverAHole => "offset-over-a-hole",
            Self::UndefinedIds => "undefined-ids",
            Self::UnsyncedCommits => "unsynced-commits",
            Self::StaysAway => "stays-away",
        }
    }

    /// The promise that it breaks.
    pub fn breaks(self) -> Anomaly {
        match self {
            // What overtakes is shown, and what was overtaken is older than what is shown: it never will be.
            Self::HandlersEmit => Anomaly::Lost,
            Self::AcknowledgeFirst => Anomaly::AckWithoutCommit,
            Self::SkipDuplicateCheck => Anomaly::DuplicateCommit,
            Self::ReplayOverlapsLive => Anomaly::DuplicateDelivery,
            // Replayed, what was passed over is older than the client's offset.
            Self::OffsetOverAHole => Anomaly::Lost,
            // The server takes the second one's message for a repeat of the first one's, and says that it has it.
            Self::UndefinedIds => Anomaly::AckWithoutCommit,
            Self::UnsyncedCommits => Anomaly::Lost,
            // Nothing is gone, and nothing will come.
            Self::StaysAway => Anomaly::NoProgress,
        }
    }
}
