//! *Promise:* who joins a room is not shown what was said there before, unless it asks for that.
//!
//! *Checked:* a message that is shown to someone in its room is after the offset at which it joined, or after the one from
//! which it asked to be shown the room. A client that receives live is not shown what somebody was shown, or its sender
//! told of, before it began to connect; where sockets can be taken up again, before its process began to.
//!
//! *Not checked, because:* what an earlier stay in the room covers, because it is entitled to that, however late it comes.

use std::collections::BTreeMap;

use squall::store::LogOffset;

use super::roll::{Entry, Host, Roll};
use super::strays::{Strays, Why};
use super::{Anomaly, Checker, Finding, Run, Violation, verdict};
use crate::history::{Kind, Record};
use crate::plan::{Plan, Receive};

/// Looks for [`Anomaly::PreJoinLeak`].
pub(super) struct PreJoinLeak<'r> {
    strays: Strays<'r>,
    /// The record with which each place of the log was first known to a client.
    known: BTreeMap<LogOffset, &'r Record>,
    live: BTreeMap<Host, Live>,
    /// Whether a socket that is taken up again brings what was missed.
    recovers: bool,
    found: Option<Violation>,
}

/// A client that receives live.
struct Live {
    /// The step before which it was surely not connected as it is now.
    began: u64,
    /// Whether its user does not want it connected.
    away: bool,
    /// Whether it is connected, as far as it says.
    connected: bool,
    /// With which step the server had another connection of it meanwhile: it may wait for its disk, and say so late.
    served: Option<u64>,
    /// Whether there may be a socket that it can take up: of one that is disconnected the server may not have heard.
    has_socket: bool,
}

impl<'r> PreJoinLeak<'r> {
    pub(super) fn new(plan: &Plan, roll: &mut Roll) -> Self {
        let live = plan.clients.iter().filter(|(_, client)| client.receive == Receive::Live);
        Self {
            strays: Strays::new(plan, roll),
            known: BTreeMap::new(),
            live: live.map(|(name, _)| (roll.host(name), Live::new(0))).collect(),
            recovers: plan.server.recovery.is_some(),
            found: None,
        }
    }

    fn on_delivered(&mut self, entry: &Entry<'r>, offset: LogOffset) {
        let Some(live) = self.live.get(&entry.who) else { return };
        let Some(known) = self.known.get(&offset) else { return };
        if known.step < live.began {
            self.found.get_or_insert_with(|| Violation {
                anomaly: Anomaly::PreJoinLeak,
                says: format!("{} {}, from before it connected", entry.host, entry.kind),
                step: entry.step,
                witness: vec![Record::clone(known), entry.record.clone()],
            });
        }
    }

    /// What a client begins anew with: nothing from before is to come then.
    fn on_presence(&mut self, entry: &Entry<'r>) {
        let Some(live) = self.live.get_mut(&entry.who) else { return };
        if let Kind::Started = &entry.kind {
            *live = Live::new(entry.step);
        } else if let Kind::Did { act } = &entry.kind {
            let connects = *act == "connect";
            if connects && live.away && !(self.recovers && live.has_socket) {
                live.began = entry.step;
            }
            live.away = !connects;
        } else if let Kind::Disconnected { .. } = &entry.kind {
            live.connected = false;
            let began = live.served.take().unwrap_or(entry.step);
            if !self.recovers {
                live.began = began;
            }
        } else if let Kind::Connected { .. } = &entry.kind {
            (live.connected, live.served, live.has_socket) = (true, None, true);
        }
    }

    fn on_served(&mut self, entry: &Entry<'r>) {
        for client in &entry.named {
            if let Some(live) = self.live.get_mut(client).filter(|live| live.connected) {
                live.served.get_or_insert(entry.step);
            }
        }
    }
}

impl Live {
    /// In a process that begins.
    fn new(step: u64) -> Self {
        Self { began: step, away: true, connected: false, served: None, has_socket: false }
    }
}

impl<'r> Checker<'r> for PreJoinLeak<'r> {
    fn anomaly(&self) -> Anomaly {
        Anomaly::PreJoinLeak
    }

    fn observe(&mut self, entry: &Entry<'r>) {
        self.strays.observe(entry);
        if let Kind::Delivered { offset, .. } = &entry.kind {
            self.on_delivered(entry, *offset);
        }
        if let Kind::Delivered { offset, .. } | Kind::Acknowledged { offset, .. } = &entry.kind {
            self.known.entry(*offset).or_insert(entry.record);
        }
        if let Kind::Connected { peer: Some(_) } = &entry.kind {
            self.on_served(entry);
        }
        self.on_presence(entry);
    }

    fn finish(self: Box<Self>, run: &Run<'r>) -> Finding {
        let stray = self.strays.first(Why::NotYetThere, run).map(|(record, witness)| Violation {
            anomaly: Anomaly::PreJoinLeak,
            says: format!("{} {}, from before it joined", record.host, record.kind),
            step: record.step,
            witness,
        });
        let found = stray.into_iter().chain(self.found).min_by_key(|violation| violation.step);
        verdict(found, self.strays.examined()).into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::check::planted::{ALICE, BOB, Planted, broken, held, nameless, seconds, with_receive};
    use crate::check::{Ending, Verdict, judge};
    use crate::units::Span;

    /// Alice talks in the attic; then Bob joins.
    fn joined(since: Option<u64>) -> Planted {
        let planted = Planted::good().join(ALICE, "attic", 3).say_in("attic", ALICE);
        let planted = planted.commit_in("attic", "alice-3", 4).ack(ALICE, "alice-3", 4);
        let planted = planted.show_in("attic", ALICE, "alice-3", 4);
        match since {
            None => planted.join(BOB, "attic", 4),
            Some(since) => planted.join_since(BOB, "attic", 4, since),
        }
    }

    #[test]
    fn what_was_said_before_is_not_shown() {
        held(Anomaly::PreJoinLeak, joined(None));
        let planted = joined(None).show_in("attic", BOB, "alice-3", 4);
        let violation = broken(Anomaly::PreJoinLeak, planted, &Ending::Settled);
        assert_eq!(violation.says, "bob delivered alice-3 at 4 of attic, from before it joined");
        assert_eq!(violation.witness.len(), 2);
    }

    #[test]
    fn who_asks_for_it_is_shown_what_was_said_before() {
        held(Anomaly::PreJoinLeak, joined(Some(0)).show_in("attic", BOB, "alice-3", 4));
    }

    #[test]
    fn a_live_client_is_not_shown_what_was_committed_before_it_connected() {
        let planted = Planted::unconnected().connect(ALICE).say(ALICE).commit("alice-1", 1);
        let planted = planted.ack(ALICE, "alice-1", 1).show(ALICE, "alice-1", 1);
        let planted = planted.record(BOB, Kind::Did { act: "connect" }).connect(BOB).show(BOB, "alice-1", 1);
        let judgement = judge(&with_receive(Receive::Live), &planted.finish(), &Ending::Settled);
        assert_eq!(judgement.violation().map(|found| found.anomaly), Some(Anomaly::PreJoinLeak));
    }

    #[test]
    fn a_live_client_that_says_late_that_it_is_connected_again_is_shown_what_was_committed_since_it_was() {
        let broken = |answered: Planted| {
            let said = answered.say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
            let planted = said.disconnect(BOB).connect(BOB).show(BOB, "alice-1", 1);
            let judgement = judge(&with_receive(Receive::Live), &planted.finish(), &Ending::Settled);
            let mut verdicts = judgement.verdicts.into_iter();
            verdicts.any(|(anomaly, verdict)| {
                anomaly == Anomaly::PreJoinLeak && matches!(verdict, Verdict::Broken(_))
            })
        };
        assert!(broken(Planted::new()));
        assert!(!broken(Planted::new().answer(BOB)));
    }

    #[test]
    fn a_live_client_whose_socket_is_taken_up_again_may_be_shown_what_it_missed() {
        let missed = || {
            let planted = Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
            planted.show(ALICE, "alice-1", 1).touch(BOB).disconnect(BOB)
        };
        let judged = |recovery, planted: Planted| {
            let mut plan = with_receive(Receive::Live);
            plan.server.recovery = recovery;
            let judgement = judge(&plan, &planted.finish(), &Ending::Settled);
            judgement.violation().map(|found| found.anomaly)
        };
        let shown = || missed().connect(BOB).show(BOB, "alice-1", 1);
        assert_eq!(judged(None, shown()), Some(Anomaly::PreJoinLeak));
        assert_eq!(judged(Some(Span(seconds(60))), shown()), None);
        let unheard = missed().record(BOB, Kind::Did { act: "disconnect" });
        let unheard = unheard.record(BOB, Kind::Did { act: "connect" }).connect(BOB);
        assert_eq!(judged(Some(Span(seconds(60))), unheard.show(BOB, "alice-1", 1)), None);
        let anew = missed().restart(BOB).show(BOB, "alice-1", 1);
        assert_eq!(judged(Some(Span(seconds(60))), anew), Some(Anomaly::PreJoinLeak));
    }

    #[test]
    fn a_live_client_may_be_shown_what_was_committed_again_since_it_connected() {
        let again = |offset| {
            let planted = Planted::unconnected().connect(ALICE).say(ALICE).commit("alice-1", 1);
            let planted = planted.show(ALICE, "alice-1", 1);
            let planted = planted.record(BOB, Kind::Did { act: "connect" }).connect(BOB).commit("alice-1", 2);
            let planted = planted.ack(ALICE, "alice-1", 2).record(BOB, nameless("alice-1", offset));
            let judgement = judge(&with_receive(Receive::Live), &planted.finish(), &Ending::Settled);
            let leak = judgement.verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::PreJoinLeak);
            matches!(leak, Some((_, Verdict::Broken(_))))
        };
        assert_eq!((again(1), again(2)), (true, false));
    }
}
