//! Histories of what may be lost, with and without what excuses it.

use squall::store::MessageId;

use super::*;
use crate::check::planted::{
    ALICE, BOB, Planted, first_socket, plan, seconds, unsettled, with_receive, with_send,
};
use crate::check::{Anomaly, Ending, Judgement, Verdict, judge};
use crate::history::content_digest;
use crate::plan::{Act, Fault, FaultAct};
use crate::units::Span;

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
    let parting = Kind::Disconnected { reason: "io client disconnect" };
    let parting = Planted::good().say(ALICE).record(ALICE, parting).touch(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(parting)), (None, 1), "it may still have been on its way");
    let buffered = Planted::good().disconnect(ALICE).say(ALICE).touch(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(buffered)), (None, 1), "what waits goes over the next one");
}

#[test]
fn what_is_said_while_a_fault_holds_the_next_connection_is_excused() {
    let buffered = Planted::good().disconnect(ALICE).touch(ALICE).say(ALICE).connect(ALICE);
    assert_eq!(outcome(&plain(buffered)), (None, 1));
}

/// Bob's connection is touched by a fault and replaced; he is told of a socket of events.
fn resumed(planted: Planted, socket: &str) -> Planted {
    planted.touch(BOB).disconnect(BOB).connect(BOB).hold(BOB, socket)
}

fn lost(planted: Planted) -> (Verdict, u64) {
    let Judgement { verdicts, allowed, .. } = planted.judged(&Ending::Settled);
    let verdict = verdicts.into_iter().find(|(anomaly, _)| *anomaly == Anomaly::Lost).expect("it applies").1;
    (verdict, allowed.get(&Anomaly::Lost).copied().unwrap_or_default())
}

#[test]
fn who_takes_up_its_socket_is_owed_what_was_sent_to_it_whatever_touched_its_connection() {
    let sent = || Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
    let same = first_socket(BOB);
    assert!(matches!(lost(resumed(sent(), "another")), (Verdict::Held { .. }, 1)));
    assert!(matches!(lost(resumed(sent(), &same)), (Verdict::Broken(_), 0)));
    let heard = resumed(sent(), &same).hear(BOB, "alice broadcast 1");
    assert!(matches!(lost(heard), (Verdict::Held { .. }, 0)));
    assert!(matches!(lost(resumed(resumed(sent(), &same), &same)), (Verdict::Broken(_), 0)));
}

#[test]
fn what_was_sent_while_its_client_was_away_comes_or_was_not_recovered() {
    let away = || Planted::good().disconnect(BOB).broadcast(ALICE, &[BOB], &[ALICE], false).connect(BOB);
    let same = first_socket(BOB);
    assert!(matches!(lost(away().hold(BOB, &same)), (Verdict::Broken(_), 0)));
    let heard = away().hold(BOB, &same).hear(BOB, "alice broadcast 1");
    assert!(matches!(lost(heard), (Verdict::Held { .. }, 0)));
    assert!(matches!(lost(away().hold(BOB, "another")), (Verdict::Broken(_), 0)), "nothing excuses it");
}

#[test]
fn what_was_sent_to_a_socket_whose_connection_was_touched_is_excused_though_the_next_one_is_there() {
    let again = |planted: Planted| {
        let planted = planted.disconnect(BOB).connect(BOB);
        planted.broadcast(ALICE, &[BOB], &[ALICE], false).hold(BOB, "another")
    };
    assert!(matches!(lost(again(Planted::good().touch(BOB))), (Verdict::Held { .. }, 1)));
    assert!(matches!(lost(again(Planted::good())), (Verdict::Broken(_), 0)));
}

#[test]
fn what_is_relayed_before_a_client_is_told_of_its_socket_is_owed_from_then_on() {
    let told = |socket: &str| {
        let unconnected = Planted::unconnected().connect(ALICE).connect(BOB);
        unconnected.broadcast(ALICE, &[BOB], &[ALICE], false).hold(BOB, socket)
    };
    assert!(matches!(lost(told(&first_socket(BOB))), (Verdict::Broken(_), 0)));
    assert!(matches!(lost(told("another")), (Verdict::Held { .. }, 0)), "nobody ever knew of that socket");
}

#[test]
fn a_client_that_is_told_of_its_socket_before_it_says_that_it_is_connected_has_it_over_that_connection() {
    let sent = || Planted::unconnected().connect(ALICE).broadcast(ALICE, &[BOB], &[ALICE], false);
    let told = |planted: Planted| planted.hold(BOB, &first_socket(BOB)).connect(BOB);
    assert!(matches!(lost(told(sent().touch(BOB))), (Verdict::Held { .. }, 1)), "before it was told");
    assert!(matches!(lost(told(sent()).touch(BOB)), (Verdict::Held { .. }, 1)), "afterwards");
    assert!(matches!(lost(told(sent())), (Verdict::Broken(_), 0)));
    let another = |planted: Planted| planted.disconnect(BOB).touch(BOB).connect(BOB);
    assert!(matches!(lost(another(told(sent()))), (Verdict::Broken(_), 0)), "which is not the next one");
}

#[test]
fn what_was_relayed_to_a_socket_of_a_former_life_is_owed_to_nobody() {
    let planted = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).restart(BOB);
    assert!(matches!(lost(planted.hold(BOB, "another")), (Verdict::Held { .. }, 0)));
    let reloaded = Planted::good().exit(BOB).record(BOB, Kind::Started);
    let planted = reloaded.broadcast(ALICE, &[BOB], &[ALICE], false).connect(BOB).hold(BOB, "another");
    assert!(matches!(lost(planted), (Verdict::Held { .. }, 0)), "before the server knows that it is gone");
}

#[test]
fn what_died_with_its_server_before_it_was_stored_is_excused_and_what_was_stored_is_not() {
    let id = || MessageId("alice broadcast 1".into());
    let outcome = |persisted: bool| {
        let planted = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
        let planted =
            if persisted { planted.record("server", Kind::Persisted { id: id() }) } else { planted };
        let killed = planted.record("server", Kind::Exited { how: "killed".to_owned() });
        let planted = killed.record("server", Kind::Started).touch(BOB).disconnect(BOB).connect(BOB);
        let planted = planted.resume(BOB, &first_socket(BOB));
        let mut plan = plan();
        plan.server.recovery = Some(Span(seconds(120)));
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
fn an_event_waits_for_its_socket_and_not_for_the_first_connection() {
    let emitted = || Planted::good().disconnect(BOB).emit_as(BOB, "bob emit 1", false);
    let twice = |planted: Planted| planted.connect(BOB).disconnect(BOB).connect(BOB).hold(BOB, "another");
    assert!(matches!(lost(twice(emitted())), (Verdict::Broken(_), 0)));
    assert!(matches!(lost(twice(emitted()).touch(BOB)), (Verdict::Held { .. }, 1)));
    let first = emitted().connect(BOB).touch(BOB).disconnect(BOB).connect(BOB).hold(BOB, "another");
    assert!(matches!(lost(first), (Verdict::Held { .. }, 1)), "it may have gone over the first");
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
        (awaited.open(), awaited.waits(&roll).iter().map(ToString::to_string).collect())
    };
    assert_eq!(settled(Planted::good()), (0, Vec::new()));
    let waits = vec!["alice: 1 sent without acknowledgement have not arrived".to_owned()];
    assert_eq!(settled(Planted::good().say(ALICE)), (1, waits));
}

#[test]
fn what_is_on_its_way_to_or_from_who_is_left_broken_is_neither_awaited_nor_lost() {
    let mut plan = plan();
    let what = FaultAct::Pause(BOB.into());
    plan.faults = vec![Fault { at: seconds(1).into(), lasts: Some(Span(seconds(1))), what }];
    let open_and_lost = |plan: &Plan| {
        let mut roll = Roll::new(plan);
        let mut awaited = Awaited::new(plan, &mut roll);
        let planted = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false);
        planted
            .emit_as(BOB, "bob emit 1", false)
            .finish()
            .records
            .iter()
            .for_each(|record| awaited.observe(&roll.enter(record)));
        (awaited.open(), awaited.losses().len())
    };
    assert_eq!(open_and_lost(&plan), (2, 2));
    plan.core = Some([ALICE.into()].into());
    assert_eq!(open_and_lost(&plan), (0, 0));
}

#[test]
fn what_is_sent_to_the_socket_of_who_has_disconnected_and_is_on_its_way_back_is_not_owed() {
    let away = |planted: Planted| planted.record(BOB, Kind::Did { act: "disconnect" }).disconnect(BOB);
    let back = |planted: Planted| planted.record(BOB, Kind::Did { act: "connect" });
    let late = back(away(Planted::good())).broadcast(ALICE, &[BOB], &[ALICE], false).connect(BOB);
    assert!(matches!(lost(late.hold(BOB, "another")), (Verdict::Held { .. }, 0)));
    let stayed = Planted::good().broadcast(ALICE, &[BOB], &[ALICE], false).disconnect(BOB).connect(BOB);
    assert!(matches!(lost(stayed.hold(BOB, "another")), (Verdict::Broken(_), 0)));
}

#[test]
fn who_says_too_much_plainly_is_owed_the_word_that_it_is_too_much() {
    let too_long = "a".repeat(70_000);
    let mut plan = with_send(Send::Plain);
    let Some(Act::Say(say)) = plan.ops.last_mut().map(|op| &mut op.act) else { panic!("bob speaks last") };
    say.content.clone_from(&too_long);
    let sent = |id: &str| Kind::Sent {
        id: MessageId(id.into()),
        room: "general".into(),
        n: 2,
        content: content_digest(&too_long, None),
    };
    let said = || Planted::good().record(BOB, sent("bob-2"));
    let told = Kind::SendFailed { id: MessageId("bob-2".into()), reason: "too large".to_owned() };
    let judged = |planted: Planted| outcome(&judge(&plan, &planted.finish(), &Ending::Settled));
    assert_eq!(judged(said()), (Some(Anomaly::Lost), 0), "not told");
    assert_eq!(judged(said().record(BOB, told)), (None, 0), "told");
}

#[test]
fn who_reads_live_and_has_left_does_not_wait_for_what_was_said_before_it_knew() {
    let said = || Planted::good().say(ALICE).commit("alice-3", 4).ack(ALICE, "alice-3", 4);
    let said = || said().show(ALICE, "alice-3", 4);
    assert_eq!(outcome(&live(said())), (Some(Anomaly::Lost), 0));
    assert_eq!(outcome(&live(said().leave(BOB, "lobby", 3))), (Some(Anomaly::Lost), 0), "another room");
    let left = said().leave(BOB, "general", 3).finish();
    let judgement = judge(&with_receive(Receive::Live), &left, &Ending::Settled);
    assert_eq!(outcome(&judgement), (None, 0));
}

#[test]
fn what_waits_for_a_connection_until_its_time_is_over_was_never_sent() {
    let failed = || Kind::SendFailed { id: MessageId("alice-3".into()), reason: "timed out".to_owned() };
    let settled =
        |planted: Planted| outcome(&judge(&with_send(Send::Plain), &planted.finish(), &Ending::Settled));
    let offline = Planted::good().disconnect(ALICE).say(ALICE).record(ALICE, failed()).connect(ALICE);
    assert_eq!(settled(offline), (None, 0));
    let late = Planted::good().disconnect(ALICE).say(ALICE).connect(ALICE).record(ALICE, failed());
    assert_eq!(settled(late), (Some(Anomaly::Lost), 0));
}

#[test]
fn who_sends_once_may_be_told_by_a_server_whose_disk_is_in_trouble_that_it_stored_nothing() {
    let mut plan = with_send(Send::Plain);
    let full = FaultAct::DiskFull("server".into());
    plan.faults = vec![Fault { at: seconds(0).into(), lasts: Some(Span(seconds(9))), what: full }];
    let told = |planted: Planted| {
        let failed = Kind::SendFailed { id: MessageId("alice-3".into()), reason: "try again".to_owned() };
        outcome(&judge(&plan, &planted.say(ALICE).record(ALICE, failed).finish(), &unsettled()))
    };
    let began = || Planted::good().record("world", Kind::FaultBegan { fault: 0, what: String::new() });
    assert_eq!(told(began()), (None, 1));
    assert_eq!(told(began().record("world", Kind::FaultEnded { fault: 0 })), (Some(Anomaly::Lost), 0));
    let failed = Kind::SendFailed { id: MessageId("alice-3".into()), reason: "try again".to_owned() };
    let late = began().say(ALICE).record("world", Kind::FaultEnded { fault: 0 }).record(ALICE, failed);
    assert_eq!(outcome(&judge(&plan, &late.finish(), &unsettled())), (None, 1), "told after it was over");
}

#[test]
fn a_disk_may_take_nothing_of_who_does_not_wait_for_the_answer_any_more() {
    let mut plan = with_send(Send::Plain);
    let error = FaultAct::DiskError("server".into());
    plan.faults = vec![Fault { at: seconds(5).into(), lasts: Some(Span(seconds(9))), what: error }];
    let failed = || Kind::SendFailed { id: MessageId("alice-3".into()), reason: "timed out".to_owned() };
    let touched = || Kind::Touched { fault: 0, processes: vec!["server".into()] };
    let outcome = |planted: Planted| outcome(&judge(&plan, &planted.finish(), &unsettled()));
    let gave_up = || Planted::good().say(ALICE).record(ALICE, failed());
    assert_eq!(outcome(gave_up().record("world", touched())), (None, 1));
    assert_eq!(outcome(gave_up()), (Some(Anomaly::Lost), 0), "which touched nothing");
    let waits = Planted::good().say(ALICE).record("world", touched());
    assert_eq!(outcome(waits), (Some(Anomaly::Lost), 0), "who waits is told");
}
