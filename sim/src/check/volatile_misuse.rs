//! *Promise:* a volatile event is sent at once or not at all.
//!
//! *Checked:* (1) one that a client emits while it is not connected does not arrive after it has connected. (2) One that
//! the server relays to a client that is connected does not reach it over a later connection. (3) Nobody hears one twice in
//! one life. That it is lost is legal, always.
//!
//! *Not checked, because:* (2) where the client did not know at that time that it was connected, because the connection
//! over which it hears the event may have been the one that the server had.

use std::collections::BTreeMap;
use std::time::Duration;

use squall::store::MessageId;

use super::presence::Presences;
use super::{Anomaly, Checker, Ending, Finding, Violation, verdict};
use crate::history::{Kind, Listener, Record};
use crate::plan::{Name, Plan};

/// Looks for [`Anomaly::VolatileMisuse`].
pub(super) struct VolatileMisuse {
    presences: Presences,
    /// When each client was last connected.
    connected: BTreeMap<Name, Duration>,
    /// Emitted by someone who was not connected.
    offline: BTreeMap<MessageId, Record>,
    /// Relayed to someone over the connection with this number.
    relayed: BTreeMap<(MessageId, Name), (u64, Record)>,
    /// Heard by this life of someone.
    heard: BTreeMap<(MessageId, Name, u32), Record>,
    volatile: BTreeMap<MessageId, Name>,
    examined: u64,
    found: Option<Violation>,
}

impl VolatileMisuse {
    pub(super) fn new(plan: &Plan) -> Self {
        Self {
            presences: Presences::new(plan),
            connected: BTreeMap::new(),
            offline: BTreeMap::new(),
            relayed: BTreeMap::new(),
            heard: BTreeMap::new(),
            volatile: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    fn on_emitted(&mut self, record: &Record, id: &MessageId) {
        self.examined += 1;
        self.volatile.insert(id.clone(), record.host.clone());
        if self.presences.of(&record.host).is_some_and(|presence| !presence.connected) {
            self.offline.insert(id.clone(), record.clone());
        }
    }

    /// What connects in the moment of the emit may carry it: its record may come later than its connection.
    fn on_arrived(&mut self, record: &Record, id: &MessageId) {
        let (Some(emitted), Some(sender)) = (self.offline.get(id), self.volatile.get(id)) else { return };
        if self.connected.get(sender).is_some_and(|connected| *connected > emitted.at) {
            let (says, emitted) = (
                format!("{sender} emitted {id} while it was not connected, and it arrived"),
                emitted.clone(),
            );
            self.find(record, emitted, says);
        }
    }

    fn on_relayed(&mut self, record: &Record, id: &MessageId, audience: &[Listener]) {
        self.volatile.entry(id.clone()).or_insert_with(|| record.host.clone());
        for Listener { client: name, .. } in audience {
            self.examined += 1;
            if let Some(presence) = self.presences.of(name).filter(|presence| presence.connected) {
                let over = (presence.connections, record.clone());
                self.relayed.entry((id.clone(), name.clone())).or_insert(over);
            }
        }
    }

    fn on_heard(&mut self, record: &Record, id: &MessageId) {
        if !self.volatile.contains_key(id) {
            return;
        }
        let key = (id.clone(), record.host.clone(), record.process);
        if let Some(first) = self.heard.get(&key).cloned() {
            return self.find(record, first, format!("{} heard {id}, which is volatile, twice", record.host));
        }
        self.heard.insert(key, record.clone());
        let connections = self.presences.of(&record.host).map_or(0, |presence| presence.connections);
        if let Some((over, relayed)) = self.relayed.get(&(id.clone(), record.host.clone()))
            && *over < connections
        {
            let relayed = relayed.clone();
            let says = format!("{} heard {id}, which is volatile, over a later connection", record.host);
            self.find(record, relayed, says);
        }
    }

    fn find(&mut self, record: &Record, evidence: Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::VolatileMisuse,
            says,
            step: record.step,
            witness: vec![evidence, record.clone()],
        });
    }
}

impl Checker for VolatileMisuse {
    fn anomaly(&self) -> Anomaly {
        Anomaly::VolatileMisuse
    }

    fn observe(&mut self, record: &Record) {
        self.presences.observe(record);
        if let Kind::Connected { .. } = &record.kind {
            self.connected.insert(record.host.clone(), record.at);
        } else if let Kind::Emitted { id, volatile: true, .. } = &record.kind {
            self.on_emitted(record, id);
        } else if let Kind::Arrived { id, .. } = &record.kind {
            self.on_arrived(record, id);
        } else if let Kind::Relayed { id, audience, volatile: true, .. } = &record.kind {
            self.on_relayed(record, id, audience);
        } else if let Kind::Heard { id, .. } = &record.kind {
            self.on_heard(record, id);
        }
    }

    fn finish(self: Box<Self>, _: &Ending) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held};

    const ID: &str = "alice broadcast 1";

    fn relayed() -> Planted {
        Planted::good().broadcast(ALICE, &[BOB], &[ALICE], true)
    }

    #[test]
    fn a_volatile_event_may_be_lost_or_heard_once() {
        held(Anomaly::VolatileMisuse, relayed());
        held(Anomaly::VolatileMisuse, relayed().hear(BOB, ID));
        broken(Anomaly::VolatileMisuse, relayed().hear(BOB, ID).hear(BOB, ID), &Ending::Settled);
    }

    #[test]
    fn one_that_comes_over_a_later_connection_was_kept() {
        let planted = relayed().disconnect(BOB).connect(BOB).hear(BOB, ID);
        let violation = broken(Anomaly::VolatileMisuse, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob heard alice broadcast 1, which is volatile, over a later connection");
    }

    #[test]
    fn one_that_was_emitted_offline_and_arrives_was_kept() {
        let planted = Planted::good().disconnect(ALICE).emit_as(ALICE, "alice emit 1", true).connect(ALICE);
        let planted = planted.arrive("alice emit 1");
        let violation = broken(Anomaly::VolatileMisuse, planted, &Ending::Settled);
        assert_eq!(violation.says, "alice emitted alice emit 1 while it was not connected, and it arrived");
    }
}
