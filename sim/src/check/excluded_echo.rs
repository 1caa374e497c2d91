//! *Promise:* who is excluded from a broadcast, such as its sender, does not hear it.
//!
//! *Checked:* nobody hears an event whom the server excluded when it relayed it, and did not address at another time, as it
//! does when an event is sent again.
//!
//! *Not checked, because:* who was neither addressed nor excluded, because that is `room_leak`'s.

use std::collections::{BTreeMap, BTreeSet};

use super::roll::{Entry, Message};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Name;

/// Looks for [`Anomaly::ExcludedEcho`].
#[derive(Default)]
pub(super) struct ExcludedEcho<'r> {
    relayed: BTreeMap<Message, Relays<'r>>,
    heard: Vec<(Message, &'r Record)>,
    examined: u64,
}

/// What became of one event at the server.
#[derive(Default)]
struct Relays<'r> {
    addressed: BTreeSet<&'r Name>,
    /// With the record that says so.
    excluded: BTreeMap<&'r Name, &'r Record>,
}

impl<'r> Checker<'r> for ExcludedEcho<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::ExcludedEcho
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        let message = entry.message;
        if let Kind::Relayed { audience, excluded, .. } = &entry.record.kind {
            self.examined += u64::from(!excluded.is_empty());
            let relays = self.relayed.entry(message).or_default();
            relays.addressed.extend(audience.iter().map(|listener| &listener.client));
            for name in excluded {
                relays.excluded.entry(name).or_insert(entry.record);
            }
        } else if let Kind::Heard { .. } = &entry.kind
            && self
                .relayed
                .get(&message)
                .is_some_and(|relays| relays.excluded.contains_key(&entry.record.host))
        {
            self.heard.push((message, entry.record));
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        let found = self.heard.iter().find_map(|(message, record)| {
            let relays = self.relayed.get(message)?;
            let relayed = relays.excluded.get(&record.host)?;
            (!relays.addressed.contains(&record.host)).then(|| Violation {
                anomaly: Anomaly::ExcludedEcho,
                says: format!("{} {}, from which it was excluded", record.host, record.kind),
                step: record.step,
                witness: vec![Record::clone(relayed), Record::clone(record)],
            })
        });
        verdict(found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    #[test]
    fn a_sender_does_not_hear_its_own_broadcast() {
        let planted =
            || Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).hear(BOB, "alice broadcast 1");
        held(Anomaly::ExcludedEcho, planted());
        let violation =
            broken(Anomaly::ExcludedEcho, planted().hear(ALICE, "alice broadcast 1"), &Ending::Settled);
        assert_eq!(violation.says, "alice heard alice broadcast 1, from which it was excluded");
        assert_eq!(violation.witness.len(), 2);
    }

    #[test]
    fn an_echo_to_its_sender_is_no_broadcast() {
        held(Anomaly::Lost, Planted::good().emit(ALICE).hear(ALICE, "alice emit 1"));
    }
}
