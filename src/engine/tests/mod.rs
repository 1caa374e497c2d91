//! Both sessions in conversation over a network that delivers what is under way in any legal order, and may break it.

mod pipe;

use proptest::prelude::*;
use proptest::test_runner::TestCaseError;

use pipe::{Pipe, Step};

fn arbitrary_step() -> impl Strategy<Value = Step> {
    prop_oneof![
        6 => any::<bool>().prop_map(|binary| Step::ClientSends { binary }),
        6 => any::<bool>().prop_map(|binary| Step::ServerSends { binary }),
        20 => any::<usize>().prop_map(Step::Deliver),
        3 => (1_u64..150).prop_map(Step::Wait),
    ]
}

fn arbitrary_break() -> impl Strategy<Value = Step> {
    prop_oneof![
        3 => Just(Step::BreakWebSocket),
        1 => any::<usize>().prop_map(Step::BreakRequest),
    ]
}

/// What arrived is how what was sent begins: nothing lost in the middle, nothing twice, nothing out of order.
fn assert_prefix(side: &str, heard: &[u64], sent: u64) -> Result<(), TestCaseError> {
    let expected: Vec<u64> = (0..heard.len() as u64).collect();
    prop_assert_eq!(heard, &expected[..], "{} heard", side);
    prop_assert!(heard.len() as u64 <= sent);
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn an_upgrade_under_traffic_loses_repeats_and_reorders_nothing(
        steps in proptest::collection::vec(arbitrary_step(), 0..120),
        max_payload in 1_u64..60,
    ) {
        let mut pipe = Pipe::open(max_payload);
        steps.into_iter().for_each(|step| pipe.step(step));

        pipe.settle();

        prop_assert!(pipe.is_upgraded() && pipe.is_open());
        let (up, down) = pipe.sent();
        prop_assert_eq!(pipe.server_heard(), &(0..up).collect::<Vec<_>>()[..]);
        prop_assert_eq!(pipe.client_heard(), &(0..down).collect::<Vec<_>>()[..]);
    }

    #[test]
    fn a_probe_that_breaks_at_any_point_loses_nothing_or_ends_the_session(
        before in proptest::collection::vec(arbitrary_step(), 0..60),
        after in proptest::collection::vec(arbitrary_step(), 0..60),
    ) {
        let mut pipe = Pipe::open(40);
        before.into_iter().for_each(|step| pipe.step(step));
        let committed = pipe.is_upgraded();
        pipe.step(Step::BreakWebSocket);
        after.into_iter().for_each(|step| pipe.step(step));

        pipe.settle();

        let (up, down) = pipe.sent();
        assert_prefix("server", pipe.server_heard(), up)?;
        assert_prefix("client", pipe.client_heard(), down)?;
        if !committed {
            prop_assert!(pipe.is_open(), "the session has died with its probe");
            prop_assert_eq!((pipe.server_heard().len() as u64, pipe.client_heard().len() as u64), (up, down));
        }
    }

    #[test]
    fn connections_that_die_anywhere_leave_no_hole(
        steps in proptest::collection::vec(
            prop_oneof![12 => arbitrary_step(), 1 => arbitrary_break()],
            0..120,
        ),
    ) {
        let mut pipe = Pipe::open(40);
        steps.into_iter().for_each(|step| pipe.step(step));

        pipe.settle();

        let (up, down) = pipe.sent();
        assert_prefix("server", pipe.server_heard(), up)?;
        assert_prefix("client", pipe.client_heard(), down)?;
        if pipe.is_open() {
            prop_assert_eq!((pipe.server_heard().len() as u64, pipe.client_heard().len() as u64), (up, down));
        }
    }
}
