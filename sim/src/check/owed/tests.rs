//! Who owes whom what, record by record.

use squall::store::MessageId;

use super::*;
use crate::check::planted::{ALICE, BOB, Planted, plan, with_send};
use crate::history::Kind;
use crate::plan::{Act, Op, Send};
use crate::units::Span;

fn after(plan: &Plan, planted: Planted) -> Owed {
    let mut owed = Owed::new(plan);
    planted.finish().records.iter().for_each(|record| owed.observe(record));
    owed
}

#[test]
fn nothing_is_owed_before_and_after_everything_happened() {
    let owed = after(&plan(), Planted::new());
    assert!(owed.is_settled());
    let owed = after(&plan(), Planted::new().say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1));
    assert!(!owed.is_settled());
    let owed = after(&plan(), Planted::good());
    assert!(owed.is_settled() && owed.describe().is_empty());
}

#[test]
fn it_says_who_waits_for_what() {
    let planted = Planted::new().say(ALICE).say(ALICE).say(ALICE).commit("alice-1", 17).commit("alice-2", 18);
    let owed = after(&plan(), planted.ack(ALICE, "alice-1", 17).show(ALICE, "alice-1", 17));
    assert_eq!(
        owed.describe(),
        [
            "alice: 2 messages not acknowledged, the oldest alice-2",
            "alice: has not been shown 1 committed message, at offset 18",
            "bob: has not been shown 2 committed messages, the first at offset 17",
        ]
    );
    assert_eq!((owed.debts.open(), owed.is_settled()), (5, false));
}

#[test]
fn who_is_left_disconnected_owes_and_is_owed_nothing() {
    let mut plan = plan();
    plan.ops.push(Op { at: Span::default(), who: BOB.into(), act: Act::Disconnect });
    let planted = Planted::new().say(BOB).say(ALICE).commit("alice-1", 1).ack(ALICE, "alice-1", 1);
    let owed = after(&plan, planted.show(ALICE, "alice-1", 1));
    assert!(owed.is_settled(), "{:?}", owed.describe());
}

#[test]
fn a_failure_is_an_answer() {
    let failed = Kind::Failed { id: MessageId("alice-1".into()), reason: "too large".into() };
    let owed = after(&plan(), Planted::new().say(ALICE).record(ALICE, failed));
    assert!(owed.is_settled());
}

#[test]
fn who_sends_again_is_owed_an_answer_and_giving_up_is_one() {
    let retrying = with_send(Send::Retry);
    let failed = Kind::SendFailed { id: MessageId("alice-1".into()), reason: "timed out".into() };
    assert!(!after(&retrying, Planted::new().say(ALICE)).is_settled());
    assert!(after(&retrying, Planted::new().say(ALICE).record(ALICE, failed)).is_settled());
    assert!(after(&retrying, Planted::new().say(ALICE).restart(ALICE)).is_settled(), "it is forgotten");
    assert!(!after(&plan(), Planted::new().say(ALICE).restart(ALICE)).is_settled(), "an outbox is not");
}

#[test]
fn who_asks_to_be_let_in_is_owed_an_answer() {
    let asked = || Planted::new().record(BOB, Kind::Asked { act: "join", room: "attic".into() });
    let owed = after(&plan(), asked());
    assert_eq!(owed.describe(), ["bob: asked to join attic, not answered"]);
    assert!(after(&plan(), asked().join(BOB, "attic", 0)).is_settled());
    assert!(after(&plan(), asked().restart(BOB)).is_settled(), "a new life has not asked");
    let leave = || Kind::Asked { act: "leave", room: "attic".into() };
    assert!(after(&plan(), asked().record(BOB, leave())).is_settled(), "it changed its mind");
    let left = asked().join(BOB, "attic", 0).record(BOB, leave());
    assert!(!after(&plan(), left).is_settled());
    let back = asked().join(BOB, "attic", 0).record(BOB, leave());
    let back = back.record(BOB, Kind::Asked { act: "join", room: "attic".into() });
    assert!(!after(&plan(), back).is_settled(), "it left, and wants to be in again");
}

#[test]
fn to_ask_for_what_one_has_is_to_ask_for_nothing() {
    let ask = |act, room: &str| Planted::new().record(BOB, Kind::Asked { act, room: room.into() });
    assert!(after(&plan(), ask("join", "lobby")).is_settled());
    assert!(after(&plan(), ask("leave", "attic")).is_settled());
}

#[test]
fn who_is_in_a_room_is_owed_what_is_said_there() {
    let said = |planted: Planted| {
        let planted = planted.say_in("attic", ALICE).commit_in("attic", "alice-1", 1);
        planted.ack(ALICE, "alice-1", 1)
    };
    assert!(after(&plan(), said(Planted::new())).is_settled(), "nobody is there");
    assert_eq!(after(&plan(), said(Planted::new().join(BOB, "attic", 0))).debts.open(), 1);
    assert_eq!(after(&plan(), said(Planted::new()).join_since(BOB, "attic", 1, 0)).debts.open(), 1);
    let leaves = said(Planted::new().join(BOB, "attic", 0)).leave(BOB, "attic", 0);
    assert!(after(&plan(), leaves).is_settled(), "what was said after leaving is not owed");
}

#[test]
fn repeats_and_strays_settle_nothing() {
    let planted = Planted::new().say(ALICE).commit("alice-1", 1).show(ALICE, "alice-1", 1);
    let owed = after(&plan(), planted.show(ALICE, "alice-1", 1).show(BOB, "stray", 9).ack(BOB, "stray", 9));
    assert_eq!(owed.debts.open(), 2, "{:?}", owed.describe());
}

#[test]
fn what_was_shown_before_its_commit_is_not_owed_after_it() {
    let planted = Planted::new().say(ALICE).show(ALICE, "alice-1", 1).show(BOB, "alice-1", 1);
    let owed = after(&plan(), planted.commit("alice-1", 1).ack(ALICE, "alice-1", 1));
    assert!(owed.is_settled(), "{:?}", owed.describe());
}

#[test]
fn who_asked_for_a_connection_is_owed_the_first_one() {
    let asked = || Planted::unconnected().record(ALICE, Kind::Did { act: "connect" });
    let owed = after(&plan(), asked());
    assert_eq!((owed.describe(), owed.is_settled()), (vec!["alice: was never connected".to_owned()], false));

    assert!(after(&plan(), asked().connect(ALICE)).is_settled());
    let gone = asked().connect(ALICE).disconnect(ALICE).record(ALICE, Kind::Did { act: "connect" });
    assert!(after(&plan(), gone).is_settled(), "it was connected");
    assert!(after(&plan(), asked().record(ALICE, Kind::Did { act: "disconnect" })).is_settled());
}
