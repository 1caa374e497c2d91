//! How long a well world may take to give everyone what they are owed.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::scenario::limits::{connect_timeout, round_trip};
use crate::units::Span;

use super::{Act, ClientPlan, FaultAct, FaultKind, Plan, Send};

/// The protocol's own bound on what a healed world still takes, summed from its timers. The worst client
///
/// 1. does not know yet that its connection is dead, and finds out by the heartbeat: `ping_interval + ping_timeout`;
/// 2. is in an attempt to connect that will fail: 20 s, the connect timeout;
/// 3. waits before the next attempt: `reconnection_delay_max`, the longest backoff, jitter included;
/// 4. connects: TCP, upgrade, `open`, CONNECT, and reads on from where it was: six round trips;
/// 5. waits for an acknowledgement that was lost on the way: `ack_timeout`, and once more for each of its `retries`;
/// 6. was told, where a disk is in trouble, to try again later: the longest such delay;
/// 7. sends all that is left to send, and asks to be let in and out of rooms, one after the other, each a round trip;
/// 8. while the server makes everybody's messages durable, one commit each.
///
/// It is a bound, not an estimate: a run ends as soon as nothing is owed.
pub fn settle_bound(plan: &Plan) -> Span {
    let server = &plan.server;
    let noticing = server.ping_interval.0 + server.ping_timeout.0;
    let backoff =
        plan.clients.values().map(|client| client.reconnection_delay_max.0).max().unwrap_or_default();
    let connecting = connect_timeout() + backoff;
    let round_trip = round_trip(&plan.network);
    let acknowledged = plan.clients.values().map(longest_acknowledgement).max().unwrap_or_default();

    let mut asked: BTreeMap<&str, u32> = BTreeMap::new();
    for op in &plan.ops {
        match op.act {
            Act::Say(_) | Act::Emit(_) | Act::Broadcast(_) | Act::Join(_) | Act::Leave(_) => {
                *asked.entry(&op.who).or_default() += 1;
            }
            Act::Connect | Act::Disconnect | Act::Reload | Act::Wait => {}
        }
    }
    let longest_outbox = asked.values().copied().max().unwrap_or_default();
    let all: u32 = asked.values().sum();

    let sending = round_trip * longest_outbox + server.fsync.high * all;
    let refused =
        if plan.faults.iter().any(|fault| refuses(&fault.what)) { REFUSED_DELAY } else { Duration::ZERO };
    let bound = noticing + connecting + round_trip * 6 + acknowledged + refused + sending;
    Span(whole_seconds(bound))
}

/// The longest that an outbox waits which was told to try again later: half a second, doubled six times.
const REFUSED_DELAY: Duration = Duration::from_secs(32);

/// Whether a fault makes the server tell senders to try again later.
fn refuses(fault: &FaultAct) -> bool {
    matches!(fault.kind(), FaultKind::DiskFull | FaultKind::DiskError)
}

fn longest_acknowledgement(client: &ClientPlan) -> Duration {
    match client.send {
        Send::Plain | Send::Outbox => client.ack_timeout.0,
        Send::Retry | Send::Manual => client.ack_timeout.0 * (client.retries + 1),
    }
}

/// Rounded up: it is read by people.
fn whole_seconds(duration: Duration) -> Duration {
    let seconds = Duration::from_secs(duration.as_secs());
    if seconds < duration { seconds + Duration::from_secs(1) } else { seconds }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::plan::random;

    #[test]
    fn a_slower_heartbeat_and_a_longer_outbox_take_longer_to_settle() {
        let plan = random(1);
        let bound = settle_bound(&plan);

        let mut slower = plan.clone();
        slower.server.ping_timeout.0 += Duration::from_secs(7);
        assert_eq!(settle_bound(&slower).0, bound.0 + Duration::from_secs(7));

        let mut patient = plan.clone();
        for client in patient.clients.values_mut() {
            (client.send, client.retries, client.ack_timeout) =
                (Send::Retry, 2, Span(Duration::from_secs(30)));
        }
        assert!(settle_bound(&patient).0 > bound.0 + Duration::from_secs(75));

        let mut longer = plan.clone();
        let say = plan.ops.iter().find(|op| matches!(op.act, Act::Say(_))).unwrap();
        longer.ops.extend(std::iter::repeat_n(say.clone(), 100));
        assert!(settle_bound(&longer) > bound);
    }
}
