//! Histories of what may be lost, with and without what excuses it.

use squall::store::MessageId;

use super::*;
use crate::check::planted::{ALICE, BOB, Planted, unsettled, with_receive, with_send};
use crate::check::{Anomaly, Ending, Judgement, Verdict, judge};

fn plain(planted: Planted) -> Judgement {
    judge(&with_send(Send::Plain), &planted.finish(), &unsettled())
}

fn live(planted: Planted) -> Judgement {
    judge(&with_receive(Receive::Live), &planted.finish(), &unsettled())
}

/// What was broken, and how many losses were excused.
fn outcome(judgement: &Judgement) -> (Option<Anomaly>, u64) {
    let lost = judgement.allowed.get(&Anomaly::Lost).copied().unwrap_or_default();
    (judgement.violation().map(|violation| violation.anomaly), lost)
}

#[test]
fn what_is_sent_once_may_be_lost_where_a_fault_touched_its_sender() {
    let lost = || Planted::good().say(ALICE);
    let judgement = plain(lost());
    assert_eq!(outcome(&judgement), (Some(Anomaly::Lost), 0));
    assert_eq!(
        judgement.violation().unwrap().says,
        "alice-3, sent by alice, never arrived, though no fault touched the connection"
    );
    assert_eq!(outcome(&plain(lost().touch(ALICE))), (None, 1), "after it was sent");
    assert_eq!(outcome(&plain(Planted::good().touch(ALICE).say(ALICE))), (None, 1), "before");
    assert_eq!(outcome(&plain(lost().touch(BOB))), (Some(Anomaly::Lost), 0), "another");
}

#[test]
fn a_fault_excuses_only_what_goes_over_the_connection_that_it_touched() {
    let later = Planted::good().touch(ALICE).disconnect(ALICE).connect(ALICE).say(ALICE);
    assert_eq!(outcome(&plain(later)), (Some(Anomaly::Lost), 0));
    let earlier = Planted::good().say(ALICE).disconnect(ALICE).touch(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(earlier)), (Some(Anomaly::Lost), 0));
    let buffered = Planted::good().disconnect(ALICE).say(ALICE).touch(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(buffered)), (None, 1), "what waits goes over the next one");
}

#[test]
fn what_is_relayed_to_a_machine_that_lost_power_is_excused_though_the_fault_was_written_down_before() {
    let dies = || Kind::Exited { how: "lost power".to_owned() };
    let gone = |planted: Planted| planted.relay("alice broadcast 1", &[BOB], &[], false).connect(BOB);
    let touched = gone(Planted::good().record(BOB, dies()).touch(BOB));
    assert_eq!(outcome(&plain(touched)), (None, 1));
    let untouched = gone(Planted::good().record(BOB, dies()));
    assert_eq!(outcome(&plain(untouched)), (Some(Anomaly::Lost), 0));
}

#[test]
fn what_is_said_while_a_fault_holds_the_next_connection_is_excused() {
    let buffered = Planted::good().disconnect(ALICE).touch(ALICE).say(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(buffered)), (None, 1));
}

/// Alice broadcasts to Bob, whose connection is touched by a fault and replaced; whether his socket of events is taken up.
fn resumed(planted: Planted, recovered: bool) -> Planted {
    let planted = planted.touch(BOB).disconnect(BOB).connect(BOB);
    planted.record(BOB, Kind::Resumed { recovered })
}

fn with_recovery(planted: Planted) -> Judgement {
    let mut plan = crate::check::planted::plan();
    plan.server.recovery = Some(crate::units::Span(crate::check::planted::seconds(120)));
    judge(&plan, &planted.finish(), &Ending::Settled)
}

#[test]
fn who_takes_up_its_socket_is_owed_what_was_sent_to_it_whatever_touched_its_connection() {
    let sent = || Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
    assert_eq!(outcome(&with_recovery(resumed(sent(), false))), (None, 1));
    let judgement = with_recovery(resumed(sent(), true));
    assert_eq!(outcome(&judgement), (Some(Anomaly::Lost), 0));
    assert_eq!(outcome(&with_recovery(resumed(sent(), true).hear(BOB, "alice broadcast 1"))), (None, 0));
    assert_eq!(outcome(&with_recovery(resumed(resumed(sent(), true), true))), (Some(Anomaly::Lost), 0));
}

#[test]
fn what_was_relayed_to_a_socket_of_which_its_client_never_knew_is_gone_with_it() {
    let unknown = Planted::unconnected().connect(ALICE).answer(BOB).touch(BOB);
    let relayed = unknown.relay("alice broadcast 1", &[BOB], &[], false);
    let another = relayed.serve(BOB).record(BOB, Kind::Resumed { recovered: false });
    let again = another.disconnect(BOB).serve(BOB).record(BOB, Kind::Resumed { recovered: true });
    let (broken, excused) = outcome(&with_recovery(again));
    assert!(broken != Some(Anomaly::Lost) && excused == 1, "{broken:?}, {excused}");
}

#[test]
fn what_was_kept_for_who_was_thought_away_and_heard_it_is_not_owed_again() {
    let kept = Kind::Kept { id: MessageId("alice broadcast 1".into()), clients: vec![BOB.into()] };
    let relayed = Planted::good().broadcast(ALICE, &[BOB], &[], false).record("server", kept);
    let heard = resumed(relayed.hear(BOB, "alice broadcast 1"), true);
    assert_eq!(outcome(&with_recovery(heard)), (None, 0));
}

#[test]
fn what_was_kept_for_who_was_away_comes_or_was_not_recovered() {
    let kept = |clients: &[&str]| Kind::Kept {
        id: MessageId("alice broadcast 1".into()),
        clients: clients.iter().map(|&name| name.into()).collect(),
    };
    let away = |recovered| {
        let planted = Planted::good().touch(BOB).disconnect(BOB);
        let planted = planted.broadcast(ALICE, &[BOB], &[ALICE], false).record("server", kept(&[BOB]));
        planted.connect(BOB).record(BOB, Kind::Resumed { recovered })
    };
    assert_eq!(outcome(&with_recovery(away(true))), (Some(Anomaly::Lost), 0));
    assert_eq!(outcome(&with_recovery(away(true).hear(BOB, "alice broadcast 1"))), (None, 0));
    assert_eq!(outcome(&with_recovery(away(false))), (None, 1));
}

#[test]
fn what_was_kept_for_a_socket_of_which_its_client_never_heard_is_nobodys() {
    let of = |planted: Planted| {
        let id = MessageId("alice broadcast 1".into());
        let planted = planted.broadcast(ALICE, &[BOB], &[ALICE], false);
        let kept = planted.record("server", Kind::Kept { id, clients: vec![BOB.into()] });
        let planted = kept.connect(BOB).record(BOB, Kind::Resumed { recovered: false });
        let Judgement { verdicts, .. } = with_recovery(planted);
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::Lost).expect("it applies").1
    };
    let never_connected = of(Planted::unconnected().connect(ALICE));
    assert!(matches!(never_connected, Verdict::Held { .. }), "{never_connected:?}");
    let disconnected = of(Planted::unconnected().connect(ALICE).connect(BOB).disconnect(BOB));
    assert!(matches!(disconnected, Verdict::Broken { .. }), "{disconnected:?}");
    let exited = Planted::unconnected().connect(ALICE).connect(BOB).exit(BOB);
    let reloaded = of(exited.record(BOB, Kind::Started));
    assert!(matches!(reloaded, Verdict::Held { .. }), "{reloaded:?}");
}

#[test]
fn what_is_relayed_to_a_socket_of_a_former_life_is_owed_to_nobody() {
    let connected = |planted: Planted| planted.record("server", Kind::Connected { peer: Some(BOB.into()) });
    let reloaded = || Planted::good().exit(BOB).record(BOB, Kind::Started);
    let lost = |planted: Planted| {
        let planted = planted.broadcast(ALICE, &[BOB], &[ALICE], false).connect(BOB);
        let Judgement { verdicts, .. } = planted.judged(&Ending::Settled);
        verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::Lost).expect("it applies").1
    };
    assert!(matches!(lost(reloaded()), Verdict::Held { .. }));
    assert!(matches!(lost(connected(reloaded())), Verdict::Broken { .. }), "the server knows the new one");
}

#[test]
fn what_died_with_its_server_before_it_was_stored_is_excused_and_what_was_stored_is_not() {
    let id = || MessageId("alice broadcast 1".into());
    let outcome = |persisted: bool| {
        let planted = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
        let planted =
            if persisted { planted.record("server", Kind::Persisted { id: id() }) } else { planted };
        let killed = planted.record("server", Kind::Exited { how: "killed".to_owned() });
        let planted = resumed(killed.record("server", Kind::Started), true);
        let mut plan = crate::check::planted::plan();
        plan.server.recovery = Some(crate::units::Span(crate::check::planted::seconds(120)));
        plan.server.store_sessions = true;
        outcome(&judge(&plan, &planted.finish(), &Ending::Settled))
    };
    assert_eq!(outcome(true), (Some(Anomaly::Lost), 0));
    assert_eq!(outcome(false), (None, 1));
}

#[test]
fn what_waits_for_a_connection_that_never_comes_is_kept_and_not_lost() {
    assert_eq!(outcome(&plain(Planted::good().disconnect(ALICE).say(ALICE))), (None, 0));
}

#[test]
fn to_be_told_excuses_who_sends_again_and_not_who_sends_once() {
    let failed = || Kind::SendFailed { id: MessageId("alice-3".into()), reason: "timed out".to_owned() };
    let planted = || Planted::good().say(ALICE).record(ALICE, failed());
    assert_eq!(outcome(&plain(planted())), (Some(Anomaly::Lost), 0));
    let retried = judge(&with_send(Send::Retry), &planted().finish(), &Ending::Settled);
    assert_eq!(outcome(&retried), (None, 1));
    let stored = planted().commit("alice-3", 4).show(ALICE, "alice-3", 4).show(BOB, "alice-3", 4);
    let retried = judge(&with_send(Send::Retry), &stored.finish(), &Ending::Settled);
    assert_eq!(outcome(&retried), (None, 0), "the server has it all the same");
}

#[test]
fn who_reads_live_is_owed_what_comes_while_it_is_connected() {
    let said = |planted: Planted| {
        let planted = planted.say(ALICE).commit("alice-3", 4).ack(ALICE, "alice-3", 4);
        planted.show(ALICE, "alice-3", 4)
    };
    assert_eq!(outcome(&live(said(Planted::good()))), (Some(Anomaly::Lost), 0));
    assert_eq!(outcome(&live(said(Planted::good()).touch(BOB))), (None, 1));
    let settled =
        |planted: Planted| outcome(&judge(&with_receive(Receive::Live), &planted.finish(), &Ending::Settled));
    assert_eq!(settled(said(Planted::good().disconnect(BOB)).connect(BOB)), (None, 0));
    let leaves = said(Planted::good()).record(BOB, Kind::Did { act: "disconnect" });
    assert_eq!(settled(leaves), (None, 0), "who leaves does not wait");
}

#[test]
fn what_a_replaced_connection_was_to_bring_is_lost_at_once() {
    let planted = Planted::good().say(ALICE).commit("alice-3", 4).ack(ALICE, "alice-3", 4);
    let planted = planted.show(ALICE, "alice-3", 4).disconnect(BOB).connect(BOB);
    let replacing = planted.steps() - 1;
    let judgement = live(planted.say(BOB));
    assert_eq!(judgement.violation().unwrap().step, replacing);
}

#[test]
fn an_event_is_lost_on_either_way_only_where_a_fault_excuses_it() {
    let up = || Planted::good().emit_as(BOB, "bob emit 1", false);
    let of = |planted: Planted| outcome(&planted.judged(&unsettled()));
    assert_eq!(of(up()), (Some(Anomaly::Lost), 0));
    assert_eq!(of(up().touch(BOB)), (None, 1));
    assert_eq!(of(up().arrive("bob emit 1")), (Some(Anomaly::NoProgress), 0), "nothing is awaited");
    let down = || Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
    assert_eq!(of(down()), (Some(Anomaly::Lost), 0));
    assert_eq!(of(down().touch(BOB)), (None, 1));
    assert_eq!(of(Planted::good().emit_as(BOB, "bob emit 1", true)), (Some(Anomaly::NoProgress), 0));
}

#[test]
fn a_page_that_is_reloaded_may_lose_what_it_had_not_sent() {
    let planted = Planted::good().say(ALICE).restart(ALICE);
    let planted = planted.show(ALICE, "alice-1", 1).show(ALICE, "bob-1", 2);
    assert_eq!(outcome(&plain(planted.show(ALICE, "alice-2", 3))), (None, 1));
}

#[test]
fn what_is_awaited_keeps_a_run_going() {
    let plan = with_send(Send::Plain);
    let settled = |planted: Planted| {
        let mut roll = Roll::new(&plan);
        let mut awaited = Awaited::new(&plan, &mut roll);
        planted.finish().records.iter().for_each(|record| awaited.observe(&roll.enter(record)));
        (awaited.open(), awaited.describe(&roll))
    };
    assert_eq!(settled(Planted::good()), (0, Vec::new()));
    let waits = vec!["alice: 1 sent without acknowledgement have not arrived".to_owned()];
    assert_eq!(settled(Planted::good().say(ALICE)), (1, waits));
}
