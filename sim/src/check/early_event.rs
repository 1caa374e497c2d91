//! *Promise:* CONNECT is answered first, and what was missed follows: who is not let in yet is sent nothing.
//!
//! *Checked:* the server hands no event to its kernel in a namespace that it has not answered on that connection. A client
//! that keeps such an event until the answer hears it twice where the connection breaks between the two, because it was
//! never told that it has heard it; and one that the answer refuses has heard it all the same.
//!
//! *Not checked, because:* sessions that began by polling, whose packets go over several connections.

use super::roll::Entry;
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::Kind;

/// Looks for [`Anomaly::EarlyEvent`].
#[derive(Default)]
pub(super) struct EarlyEvent {
    connections: u64,
    found: Option<Violation>,
}

impl<'r> Checker<'r> for EarlyEvent {
    fn anomaly(&self) -> Anomaly {
        Anomaly::EarlyEvent
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        if let Kind::Connected { peer: Some(_) } = &entry.kind {
            self.connections += 1;
        } else if let Kind::Early { .. } = &entry.kind {
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::EarlyEvent,
                says: format!("the {} {}", entry.host, entry.kind),
                step: entry.step,
                witness: vec![entry.record.clone()],
            });
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.connections).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{BOB, Planted, broken, held};
    use crate::plan::SERVER;

    #[test]
    fn an_event_before_the_answer_is_found() {
        let early = Kind::Early { peer: BOB.into(), namespace: "/events".to_owned() };
        let planted = Planted::good().record(SERVER, early);
        let violation = broken(Anomaly::EarlyEvent, planted, &Ending::Settled);
        assert_eq!(violation.says, "the server sent bob an event in /events before the answer to CONNECT");
    }

    #[test]
    fn a_connection_without_one_is_held() {
        held(Anomaly::EarlyEvent, Planted::good().serve(BOB));
    }
}
