//! How long a well world may take to give everyone what they are owed.

use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

use crate::scenario::limits::{connect_timeout, round_trip};
use crate::units::Span;

use super::{Act, ClientPlan, FaultAct, FaultKind, Name, Plan, Send};

/// The protocol's own bound on what a healed world still takes, summed from its timers. The worst client
///
/// 1. does not know yet that its connection is dead, and finds out by the heartbeat: `ping_interval + ping_timeout`;
/// 2. is in an attempt to connect that will fail: 20 s, the connect timeout;
/// 3. waits before the next attempt: `reconnection_delay_max`, the longest backoff, jitter included;
/// 4. connects: TCP, upgrade, `open`, CONNECT, and reads on from where it was: six round trips;
/// 5. waits for an acknowledgement that was lost on the way: `ack_timeout`, eight times that from an outbox whose
///    connection stands, and once more for each of its `retries`;
/// 6. was told, where a disk is in trouble, to try again later: the longest such delay;
/// 7. sends all that is left to send, and asks to be let in and out of rooms, one after the other, each a round trip;
/// 8. while the server makes everybody's messages durable, one commit each.
///
/// A retransmission of TCP that is still to come, of bytes or of a SYN, is no term of its own: who waits for it longer than
/// the heartbeat, or the connect timeout, allows gives the connection up.
///
/// Only clients for whom the world heals count, but everybody's messages. It is a bound, not an estimate: a run ends as soon
/// as nothing is owed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SettleBound {
    terms: Vec<(String, Duration)>,
}

impl SettleBound {
    /// Of what a plan says.
    pub fn of(plan: &Plan) -> Self {
        let server = &plan.server;
        let (backoff, acknowledged) = worst_client(plan);
        let round_trip = round_trip(&plan.network);
        let (sent, committed) = left_to_do(plan);
        let mut terms = vec![
            ("heartbeat".to_owned(), server.ping_interval.0 + server.ping_timeout.0),
            ("connect timeout".to_owned(), connect_timeout()),
            ("backoff".to_owned(), backoff),
            ("6 round trips to connect".to_owned(), round_trip * 6),
            ("lost acknowledgements".to_owned(), acknowledged),
            (format!("{sent} round trips to send"), round_trip * sent),
            (format!("{committed} commits"), server.fsync.high * committed),
        ];
        if plan.faults.iter().any(|fault| refuses(&fault.what)) {
            terms.push(("told to try again later".to_owned(), REFUSED_DELAY));
        }
        Self { terms }
    }

    /// All terms together, rounded up to a second: it is read by people.
    pub fn total(&self) -> Span {
        Span(whole_seconds(self.terms.iter().map(|(_, term)| *term).sum()))
    }
}

impl fmt::Display for SettleBound {
    /// `1m 22s = heartbeat 45s + connect timeout 20s + …`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let terms: Vec<String> =
            self.terms.iter().map(|(what, term)| format!("{what} {}", Span(*term))).collect();
        write!(f, "{} = {}", self.total(), terms.join(" + "))
    }
}

/// The longest backoff, and the longest wait for acknowledgements, of the clients for whom the world heals.
fn worst_client(plan: &Plan) -> (Duration, Duration) {
    let healed =
        || plan.clients.iter().filter(|(name, _)| !plan.is_left_broken(name)).map(|(_, client)| client);
    (
        healed().map(|client| client.reconnection_delay_max.0).max().unwrap_or_default(),
        healed().map(longest_acknowledgement).max().unwrap_or_default(),
    )
}

/// How much a client for whom the world heals sends at most, and how much all do together.
fn left_to_do(plan: &Plan) -> (u32, u32) {
    let mut asked: BTreeMap<&Name, u32> = BTreeMap::new();
    for op in &plan.ops {
        match op.act {
            Act::Say(_) | Act::Emit(_) | Act::Broadcast(_) | Act::Join(_) | Act::Leave(_) => {
                *asked.entry(&op.who).or_default() += 1;
            }
            Act::Connect | Act::Disconnect | Act::Reload | Act::Wait => {}
        }
    }
    let healed = asked.iter().filter(|(name, _)| !plan.is_left_broken(name));
    (healed.map(|(_, count)| *count).max().unwrap_or_default(), asked.values().sum())
}

/// The longest that an outbox waits which was told to try again later: half a second, doubled six times.
const REFUSED_DELAY: Duration = Duration::from_secs(32);

/// How many times its `ack_timeout` an outbox waits at most: doubled three times.
const OUTBOX_PATIENCE: u32 = 8;

/// Whether a fault makes the server tell senders to try again later.
fn refuses(fault: &FaultAct) -> bool {
    matches!(fault.kind(), FaultKind::DiskFull | FaultKind::DiskError)
}

fn longest_acknowledgement(client: &ClientPlan) -> Duration {
    match client.send {
        Send::Plain => client.ack_timeout.0,
        Send::Outbox => client.ack_timeout.0 * OUTBOX_PATIENCE,
        Send::Retry | Send::Manual => client.ack_timeout.0 * (client.retries + 1),
    }
}

fn whole_seconds(duration: Duration) -> Duration {
    let seconds = Duration::from_secs(duration.as_secs());
    if seconds < duration { seconds + Duration::from_secs(1) } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::random;

    fn bound_of(plan: &Plan) -> Span {
        SettleBound::of(plan).total()
    }

    #[test]
    fn a_slower_heartbeat_and_a_longer_outbox_take_longer_to_settle() {
        let plan = random(1);
        let bound = bound_of(&plan);

        let mut slower = plan.clone();
        slower.server.ping_timeout.0 += Duration::from_secs(7);
        assert_eq!(bound_of(&slower).0, bound.0 + Duration::from_secs(7));

        let mut patient = plan.clone();
        for client in patient.clients.values_mut() {
            (client.send, client.retries, client.ack_timeout) =
                (Send::Retry, 9, Span(Duration::from_secs(30)));
        }
        assert!(bound_of(&patient).0 > bound.0 + Duration::from_secs(75));

        let mut longer = plan.clone();
        let say = plan.ops.iter().find(|op| matches!(op.act, Act::Say(_))).unwrap();
        longer.ops.extend(std::iter::repeat_n(say.clone(), 100));
        assert!(bound_of(&longer) > bound);
    }
}
