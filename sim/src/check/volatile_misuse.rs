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
use super::roll::{Entry, Host, Life, Message, Roll};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::Plan;

/// Looks for [`Anomaly::VolatileMisuse`].
pub(super) struct VolatileMisuse<'r> {
    presences: Presences,
    /// When each client was last connected.
    connected: BTreeMap<Host, Duration>,
    /// Emitted by someone who was not connected.
    offline: BTreeMap<Message, &'r Record>,
    /// Relayed to someone over the connection with this number.
    relayed: BTreeMap<(Message, Host), (u64, &'r Record)>,
    /// Heard by this life of someone.
    heard: BTreeMap<(Message, Life), &'r Record>,
    /// Whose emit or relay showed first that an event is volatile.
    volatile: BTreeMap<Message, (Host, &'r Record)>,
    examined: u64,
    found: Option<Violation>,
}

impl<'r> VolatileMisuse<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        Self {
            presences: Presences::new(plan, roll),
            connected: BTreeMap::new(),
            offline: BTreeMap::new(),
            relayed: BTreeMap::new(),
            heard: BTreeMap::new(),
            volatile: BTreeMap::new(),
            examined: 0,
            found: None,
        }
    }

    fn on_emitted(&mut self, entry: &Entry<'r>) {
        self.examined += 1;
        self.volatile.insert(entry.message, (entry.who, entry.record));
        if self.presences.of(entry.who).is_some_and(|presence| !presence.connected) {
            self.offline.insert(entry.message, entry.record);
        }
    }

    /// What connects in the moment of the emit may carry it: its record may come later than its connection.
    fn on_arrived(&mut self, entry: &Entry<'r>, id: &MessageId) {
        let Some(emitted) = self.offline.get(&entry.message).copied() else { return };
        let Some((sender, first)) = self.volatile.get(&entry.message).copied() else { return };
        if self.connected.get(&sender).is_some_and(|connected| *connected > emitted.at) {
            let says = format!("{} emitted {id} while it was not connected, and it arrived", first.host);
            self.find(entry, emitted, says);
        }
    }

    fn on_relayed(&mut self, entry: &Entry<'r>) {
        self.volatile.entry(entry.message).or_insert((entry.who, entry.record));
        for client in &entry.named {
            self.examined += 1;
            if let Some(presence) = self.presences.of(*client).filter(|presence| presence.connected) {
                let over = (presence.connections, entry.record);
                self.relayed.entry((entry.message, *client)).or_insert(over);
            }
        }
    }

    fn on_heard(&mut self, entry: &Entry<'r>, id: &MessageId) {
        if !self.volatile.contains_key(&entry.message) {
            return;
        }
        let first = *self.heard.entry((entry.message, entry.life())).or_insert(entry.record);
        if first.step != entry.step {
            return self.find(entry, first, format!("{} heard {id}, which is volatile, twice", entry.host));
        }
        let connections = self.presences.of(entry.who).map_or(0, |presence| presence.connections);
        if let Some((over, relayed)) = self.relayed.get(&(entry.message, entry.who)).copied()
            && over < connections
        {
            let says = format!("{} heard {id}, which is volatile, over a later connection", entry.host);
            self.find(entry, relayed, says);
        }
    }

    fn find(&mut self, entry: &Entry<'r>, evidence: &Record, says: String) {
        self.found.get_or_insert_with(|| Violation {
            anomaly: Anomaly::VolatileMisuse,
            says,
            step: entry.step,
            witness: vec![evidence.clone(), entry.record.clone()],
        });
    }
}

impl<'r> Checker<'r> for VolatileMisuse<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::VolatileMisuse
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.presences.observe(entry);
        if let Kind::Connected { .. } = &entry.kind {
            self.connected.insert(entry.who, entry.at);
        } else if let Kind::Emitted { volatile: true, .. } = &entry.kind {
            self.on_emitted(entry);
        } else if let Kind::Arrived { id, .. } = &entry.kind {
            self.on_arrived(entry, id);
        } else if let Kind::Relayed { volatile: true, .. } = &entry.kind {
            self.on_relayed(entry);
        } else if let Kind::Heard { id, .. } = &entry.kind {
            self.on_heard(entry, id);
        }
    }

    fn finish(self: Box<Self>, _: &Run<'r>) -> Finding {
        verdict(self.found, self.examined).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::Ending;
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
