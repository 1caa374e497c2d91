//! One promise a file: a history goes in, a verdict comes out. Streaming, O(log n) amortised a record.
//!
//! Names and definitions of the anomalies are Jepsen's where it has them. Each checker keeps its own state and judges
//! without the others; [`judge`] puts all that apply to one history.
//!
//! | file | looks for |
//! |---|---|
//! | `lost` | a message that someone entitled to it was never shown |
//! | `duplicate_delivery` | a message that one client showed twice |
//! | `duplicate_commit` | a message that the log holds twice |
//! | `phantom` | a message that nobody sent |
//! | `sender_reorder` | two messages of one sender in the wrong order |
//! | `total_order` | two messages in different orders for different observers |
//! | `no_progress` | something owed that did not happen and is not lost |
//! | `vacuous` | a run that proves nothing |
//! | `owed` | no anomaly: what is still owed, for who decides when a run is over |

mod duplicate_commit;
mod duplicate_delivery;
#[cfg(test)]
mod generated;
mod judge;
mod lost;
mod message;
mod no_progress;
mod owed;
mod phantom;
#[cfg(test)]
pub(crate) mod planted;
mod sender_reorder;
mod total_order;
mod vacuous;

use crate::history::Record;
use crate::plan::Plan;

pub use crate::scenario::Anomaly;
pub use judge::{Judgement, judge};
pub use owed::Owed;

/// How the world ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ending {
    /// Everything owed had happened.
    Settled,
    /// The time to settle was over and something was still owed: who waits for what, from the user to the cause.
    Unsettled {
        /// One line a waiter.
        wait_chain: Vec<String>,
    },
}

/// What a checker says of a run. The worst wins, in this order.
#[derive(Debug, Clone, PartialEq)]
pub enum Verdict {
    /// There was nothing for it to examine.
    Idle,
    /// The promise held.
    Held {
        /// How many times it was put to the test.
        examined: u64,
    },
    /// It cannot say.
    Unknown {
        /// Why not.
        why: String,
    },
    /// The promise was broken.
    Broken(Violation),
}

/// A broken promise.
#[derive(Debug, Clone, PartialEq)]
pub struct Violation {
    /// Its name.
    pub anomaly: Anomaly,
    /// One sentence.
    pub says: String,
    /// The record with which it became true, or the last one of the run.
    pub step: u64,
    /// Up to five records that show it.
    pub witness: Vec<Record>,
}

/// One promise.
pub trait Checker {
    /// What it looks for.
    fn anomaly(&self) -> Anomaly;

    /// Takes the next record.
    fn observe(&mut self, record: &Record);

    /// Says what it found.
    fn finish(self: Box<Self>, ending: &Ending) -> Verdict;
}

/// Every checker that applies to a plan, in the order of their anomalies.
pub fn checkers(plan: &Plan) -> Vec<Box<dyn Checker>> {
    vec![
        Box::new(lost::Lost::new(plan)),
        Box::new(duplicate_delivery::DuplicateDelivery::default()),
        Box::new(duplicate_commit::DuplicateCommit::default()),
        Box::new(phantom::Phantom::default()),
        Box::new(sender_reorder::SenderReorder::default()),
        Box::new(total_order::TotalOrder::default()),
        Box::new(no_progress::NoProgress::new(plan)),
        Box::new(vacuous::VacuousRun::new(plan)),
    ]
}

/// What most checkers come to: the first violation found, else how often the promise was put to the test.
fn verdict(found: Option<Violation>, examined: u64) -> Verdict {
    match (found, examined) {
        (Some(violation), _) => Verdict::Broken(violation),
        (None, 0) => Verdict::Idle,
        (None, examined) => Verdict::Held { examined },
    }
}
