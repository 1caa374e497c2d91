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
//! | `phantom` | something that nobody sent |
//! | `corrupted` | something that changed on its way |
//! | `ack_without_commit` | an acknowledgement of what the log does not hold |
//! | `contradictory_ack` | a request that was answered twice, or with another's answer |
//! | `inconsistent_offset` | one place with two messages, or one message at two places |
//! | `sender_reorder` | two messages of one sender in the wrong order |
//! | `nonmonotonic_offset` | a step back within one connection |
//! | `total_order` | two messages in different orders for different observers |
//! | `skip` | a message that one life of a client passed over |
//! | `room_leak`, `delivery_after_leave`, `pre_join_leak` | a message that its reader is not entitled to |
//! | `excluded_echo` | a broadcast that came to someone whom it excluded |
//! | `volatile_misuse` | a volatile event that was kept |
//! | `early_event` | an event before the answer to CONNECT |
//! | `unrecovered` | a socket that was not taken up again, though it could have been |
//! | `late_death`, `false_death` | a connection that outlived its heartbeat, or died of it without a reason |
//! | `no_progress` | something owed that did not happen and is not lost |
//! | `vacuous` | a run that proves nothing |
//!
//! | file | helps with |
//! |---|---|
//! | `owed`, `debts` | what is still owed; also for who decides when a run is over |
//! | `awaited` | what may legally be lost, and whether its loss is excused |
//! | `expectations` | what all seeds of a scenario must show together |
//! | `oversized` | what no server takes |
//! | `refused` | what the server would not take |
//! | `rooms`, `strays` | who is entitled to which part of which room, and what came all the same |
//! | `presence`, `sessions` | when clients were connected and the server to them, and what touched their connections |
//! | `ledger`, `view` | what there is to be read, and how far a reader is |
//! | `senders` | whose messages may be repeated |
//! | `roll` | numbers in place of the names of processes, rooms and messages |
//! | `naming` | which message it is that has no id |
//! | `table`, `ordered` | maps and sets of what has a number, and sets that are nearly queues |

mod ack_without_commit;
mod awaited;
mod contradictory_ack;
mod corrupted;
mod debts;
mod delivery_after_leave;
mod duplicate_commit;
mod duplicate_delivery;
mod early_event;
mod excluded_echo;
mod expectations;
mod false_death;
#[cfg(test)]
mod generated;
mod inconsistent_offset;
mod judge;
mod late_death;
mod ledger;
mod lost;
mod naming;
mod no_progress;
mod nonmonotonic_offset;
mod ordered;
mod oversized;
mod owed;
mod phantom;
#[cfg(test)]
pub(crate) mod planted;
mod pre_join_leak;
mod presence;
mod refused;
mod roll;
mod room_leak;
mod rooms;
mod sender_reorder;
mod senders;
mod sessions;
mod skip;
mod strays;
mod table;
mod total_order;
mod unrecovered;
mod vacuous;
mod view;
mod volatile_misuse;

use std::collections::BTreeSet;

use self::roll::{Entry, Roll};
use crate::history::Record;
use crate::plan::Plan;

pub use crate::scenario::Anomaly;
pub use debts::Wait;
pub use expectations::{Expectations, Observed, Unmet};
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

/// What a checker found in a run.
#[derive(Debug, Clone, PartialEq)]
pub struct Finding {
    /// Whether the promise held.
    pub verdict: Verdict,
    /// How often the anomaly came up where the clients' options excuse it.
    pub allowed: u64,
}

impl From<Verdict> for Finding {
    /// Of a promise that nothing excuses.
    fn from(verdict: Verdict) -> Self {
        Self { verdict, allowed: 0 }
    }
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

/// One promise. Evidence is kept as references into the run.
trait Checker<'r> {
    /// What it looks for.
    fn anomaly(&self) -> Anomaly;

    /// Takes the next record.
    fn observe(&mut self, entry: &Entry<'r>);

    /// Says what it found.
    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding;
}

/// A run that is over, for who looks back at it.
struct Run<'r> {
    ending: &'r Ending,
    /// Every record, in order.
    entries: &'r [Entry<'r>],
    roll: &'r Roll,
}

impl<'r> Run<'r> {
    fn record(&self, step: u64) -> Option<&'r Record> {
        self.entries.get(usize::try_from(step).ok()?).map(|entry| entry.record)
    }

    /// The records with these steps, each once and in order.
    fn witness(&self, steps: impl IntoIterator<Item = u64>) -> Vec<Record> {
        let steps: BTreeSet<u64> = steps.into_iter().collect();
        steps.into_iter().filter_map(|step| self.record(step)).cloned().collect()
    }

    fn last_step(&self) -> u64 {
        self.entries.last().map_or(0, |entry| entry.step)
    }
}

/// Every checker that applies to a plan, in the order of their anomalies. All apply to each; what the clients' options
/// excuse, each knows for itself.
fn checkers<'r>(plan: &Plan, roll: &mut Roll) -> Vec<Box<dyn Checker<'r> + 'r>> {
    vec![
        Box::new(lost::Lost::new(plan, roll)),
        Box::new(duplicate_delivery::DuplicateDelivery::new(plan, roll)),
        Box::new(duplicate_commit::DuplicateCommit::new(plan, roll)),
        Box::new(phantom::Phantom::default()),
        Box::new(corrupted::Corrupted::default()),
        Box::new(ack_without_commit::AckWithoutCommit::default()),
        Box::new(contradictory_ack::ContradictoryAck::default()),
        Box::new(inconsistent_offset::InconsistentOffset::default()),
        Box::new(sender_reorder::SenderReorder::new(plan, roll)),
        Box::new(nonmonotonic_offset::NonmonotonicOffset::default()),
        Box::new(total_order::TotalOrder::default()),
        Box::new(skip::Skip::new(plan, roll)),
        Box::new(room_leak::RoomLeak::new(plan, roll)),
        Box::new(delivery_after_leave::DeliveryAfterLeave::new(plan, roll)),
        Box::new(pre_join_leak::PreJoinLeak::new(plan, roll)),
        Box::new(excluded_echo::ExcludedEcho::default()),
        Box::new(volatile_misuse::VolatileMisuse::new(plan, roll)),
        Box::new(early_event::EarlyEvent::default()),
        Box::new(unrecovered::Unrecovered::new(plan, roll)),
        Box::new(late_death::LateDeath::new(plan, roll)),
        Box::new(false_death::FalseDeath::new(plan, roll)),
        Box::new(no_progress::NoProgress::new(plan, roll)),
        Box::new(vacuous::VacuousRun::new(plan)),
    ]
}

/// How many records a witness has at most.
const WITNESS_MAX: usize = 5;

/// What most checkers come to: the first violation found, else how often the promise was put to the test.
fn verdict(found: Option<Violation>, examined: u64) -> Verdict {
    match (found, examined) {
        (Some(violation), _) => Verdict::Broken(violation),
        (None, 0) => Verdict::Idle,
        (None, examined) => Verdict::Held { examined },
    }
}
