//! Histories in which something is lost, and some in which it only seems so.

use squall::store::MessageId;

use super::*;
use crate::check::planted::{ALICE, BOB, Planted, broken, held, plan, seconds, unsettled};
use crate::check::{Verdict, judge};
use crate::history::content_digest;
use crate::plan::Act;

/// Bob waits for the second of two messages.
fn bob_lacks_the_last() -> Planted {
    let planted = Planted::new().say(ALICE).say(ALICE).commit("alice-1", 1).commit("alice-2", 2);
    let planted = planted.ack(ALICE, "alice-1", 1).ack(ALICE, "alice-2", 2);
    planted.show(ALICE, "alice-1", 1).show(ALICE, "alice-2", 2).show(BOB, "alice-1", 1)
}

#[test]
fn what_a_client_skipped_is_lost_at_the_record_that_skips_it() {
    let planted = bob_lacks_the_last().say(ALICE).commit("alice-3", 3).ack(ALICE, "alice-3", 3);
    let planted = planted.show(BOB, "alice-3", 3).show(ALICE, "alice-3", 3);
    let skipping = planted.steps() - 2;

    let violation = broken(Anomaly::Lost, planted, &unsettled());

    assert_eq!(violation.says, "bob was never shown alice-2, though a later one of the room was");
    assert_eq!((violation.step, violation.witness.len()), (skipping, 4));
}

#[test]
fn what_a_connected_and_idle_client_is_not_shown_is_lost() {
    let planted = bob_lacks_the_last();
    let last = planted.steps() - 1;

    let violation = broken(Anomaly::Lost, planted, &unsettled());

    assert_eq!(
        violation.says,
        "bob was never shown alice-2, though it is connected and nothing is on its way"
    );
    assert_eq!(violation.step, last);
}

#[test]
fn what_was_acknowledged_and_never_committed_is_lost() {
    let planted = Planted::good().say(ALICE).ack(ALICE, "alice-3", 4);
    let verdicts = planted.judged(&unsettled()).verdicts;
    let lost = verdicts.iter().find(|(anomaly, _)| *anomaly == Anomaly::Lost);
    let Some((_, Verdict::Broken(violation))) = lost else { panic!("{verdicts:?}") };
    assert!(violation.says.ends_with("(and 1 more)"), "{}", violation.says);
}

#[test]
fn what_is_said_in_a_room_is_owed_to_its_members_only() {
    let attic = |planted: Planted| {
        let planted = planted.join(ALICE, "attic", 3).say_in("attic", ALICE);
        let planted = planted.commit_in("attic", "alice-3", 4).ack(ALICE, "alice-3", 4);
        planted.show_in("attic", ALICE, "alice-3", 4)
    };
    held(Anomaly::Lost, attic(Planted::good()));
    held(Anomaly::Lost, attic(Planted::good()).join(BOB, "attic", 4));
    held(Anomaly::Lost, attic(Planted::good().join(BOB, "attic", 3)).leave(BOB, "attic", 3));
    broken(Anomaly::Lost, attic(Planted::good().join(BOB, "attic", 3)), &Ending::Settled);
    broken(Anomaly::Lost, attic(Planted::good()).join_since(BOB, "attic", 4, 3), &Ending::Settled);
    held(Anomaly::Lost, attic(Planted::good().join(BOB, "attic", 3)).leave(BOB, "attic", 4));
    held(Anomaly::Lost, attic(Planted::good().join(BOB, "attic", 3)).restart(BOB).show(BOB, "alice-1", 1));
}

#[test]
fn who_leaves_with_a_hole_has_lost_it() {
    let planted = bob_lacks_the_last().say(ALICE).commit("alice-3", 3).ack(ALICE, "alice-3", 3);
    let planted = planted.show(BOB, "alice-3", 3).show(ALICE, "alice-3", 3).leave(BOB, "general", 3);
    broken(Anomaly::Lost, planted, &Ending::Settled);
    held(Anomaly::Lost, bob_lacks_the_last().leave(BOB, "general", 2));
}

#[test]
fn what_comes_late_to_someone_who_joins_from_an_earlier_offset_is_not_lost() {
    let planted = Planted::good().leave(BOB, "general", 3).say(ALICE).commit("alice-3", 4);
    let planted = planted.ack(ALICE, "alice-3", 4).show(ALICE, "alice-3", 4);
    let planted = planted.join_since(BOB, "general", 4, 2).show(BOB, "alice-2", 3);
    held(Anomaly::Lost, planted.show(BOB, "alice-3", 4));
}

/// What still waits is no progress, not lost.
fn waits(planted: Planted) {
    broken(Anomaly::NoProgress, planted, &unsettled());
}

#[test]
fn a_client_that_is_not_connected_at_the_end_still_waits() {
    waits(bob_lacks_the_last().disconnect(BOB));
}

#[test]
fn a_client_that_has_just_come_back_still_waits() {
    waits(bob_lacks_the_last().disconnect(BOB).pass(seconds(50)).connect(BOB));
}

#[test]
fn a_client_that_is_busy_catching_up_still_waits() {
    let planted = bob_lacks_the_last().say(ALICE).commit("alice-3", 3).ack(ALICE, "alice-3", 3);
    waits(planted.show(ALICE, "alice-3", 3).pass(seconds(50)).show(BOB, "alice-2", 2));
}

#[test]
fn a_hole_that_is_filled_is_no_loss() {
    let planted = bob_lacks_the_last().say(BOB).commit("bob-1", 3).ack(BOB, "bob-1", 3);
    let planted = planted.show(ALICE, "bob-1", 3).show(BOB, "bob-1", 3).show(BOB, "alice-2", 2);
    broken(Anomaly::NonmonotonicOffset, planted, &Ending::Settled);
}

#[test]
fn everything_shown_to_everyone_is_held() {
    held(Anomaly::Lost, Planted::good());
}

#[test]
fn what_the_server_refuses_because_it_is_too_long_is_not_lost() {
    let too_long = "a".repeat(70_000);
    let mut plan = plan();
    let Some(Act::Say(say)) = plan.ops.last_mut().map(|op| &mut op.act) else { panic!("bob speaks last") };
    say.content.clone_from(&too_long);
    let refused = |content| {
        let id = MessageId("bob-2".into());
        let sent = Kind::Sent { id: id.clone(), room: "general".into(), n: 2, content };
        let planted = Planted::good().record(BOB, sent);
        let history = planted.record(BOB, Kind::Failed { id, reason: "no".to_owned() }).finish();
        judge(&plan, &history, &Ending::Settled).violation().map(|violation| violation.anomaly)
    };
    assert_eq!(refused(content_digest(&too_long, None)), None);
    assert_eq!(refused(content_digest("another", None)), Some(Anomaly::Lost));
}

#[test]
fn what_the_server_refuses_and_does_not_hold_is_lost() {
    let refused = |id: &str| Kind::Failed { id: MessageId(id.into()), reason: "no".to_owned() };
    let planted = Planted::good().say(BOB).record(BOB, refused("bob-2"));
    let violation = broken(Anomaly::Lost, planted, &Ending::Settled);
    assert_eq!((violation.says.as_str(), violation.witness.len()), ("bob failed bob-2: no", 2));

    let twin = Planted::good().say_as(BOB, "undefined-0", 2).commit("undefined-0", 4);
    let twin = twin.ack(BOB, "undefined-0", 4).show(BOB, "undefined-0", 4).show(ALICE, "undefined-0", 4);
    let of_alice =
        Kind::Sent { id: MessageId("undefined-0".into()), room: "general".into(), n: 3, content: 7 };
    broken(
        Anomaly::Lost,
        twin.record(ALICE, of_alice).record(ALICE, refused("undefined-0")),
        &Ending::Settled,
    );
}
