//! Events that are sent until they are acknowledged.

use super::*;

/// Two retries, 5 s each.
fn retrying() -> Manager {
    manager_of(ManagerOptions {
        reconnect: without_jitter(),
        retries: Some(2),
        ack_timeout: Some(Duration::from_secs(5)),
        ..ManagerOptions::default()
    })
}

fn joined() -> Manager {
    let mut manager = retrying();
    join(&mut manager, at(0));
    manager
}

#[test]
fn retries_without_an_ack_timeout_are_an_error() {
    let options = ManagerOptions { retries: Some(3), ..ManagerOptions::default() };

    let error = Manager::new(options, counting()).err();

    assert_eq!(error, Some(OptionsError::RetriesWithoutAckTimeout));
}

#[test]
fn the_next_event_is_sent_when_the_one_before_is_acknowledged() {
    let mut manager = joined();

    assert_eq!(wire(&command(&mut manager, emit("one"), at(0))), [r#"20["one"]"#]);
    assert_eq!(command(&mut manager, emit_with_ack("two", 2, None), at(0)), []);
    assert_eq!(command(&mut manager, emit("three"), at(0)), []);

    assert_eq!(wire(&receive(&mut manager, ack(0), at(1))), [r#"21["two"]"#]);
    assert_eq!(receive(&mut manager, ack(0), at(1)), [], "acknowledged already");
    let outputs = receive(&mut manager, ack(1), at(2));
    assert_eq!(outputs[0], settled(2, Ok(args(&["ok"]))));
    assert_eq!(wire(&outputs), [r#"22["three"]"#]);
    receive(&mut manager, ack(2), at(3));
    assert_eq!(wait(&mut manager).0, None);
}

#[test]
fn an_event_is_tried_one_time_more_than_its_retries_and_blocks_the_others_meanwhile() {
    let mut manager = joined();
    command(&mut manager, emit_with_ack("one", 1, None), at(0));
    command(&mut manager, emit("two"), at(0));

    assert_eq!(wire(&give(&mut manager, ManagerInput::TimedOut, at(5))), [r#"21["one"]"#]);
    assert_eq!(receive(&mut manager, ack(0), at(6)), [], "an answer to the try before is late");
    assert_eq!(wire(&give(&mut manager, ManagerInput::TimedOut, at(10))), [r#"22["one"]"#]);
    let outputs = give(&mut manager, ManagerInput::TimedOut, at(15));

    assert_eq!(outputs[0], settled(1, Err(AckError::TimedOut)));
    assert_eq!(wire(&outputs), [r#"23["two"]"#]);
}

#[test]
fn a_loss_ends_a_try_and_the_next_is_made_on_the_next_connection() {
    let mut manager = joined();
    command(&mut manager, emit_with_ack("one", 1, None), at(0));
    command(&mut manager, emit("two"), at(0));

    for (id, second) in [(1, 1), (2, 10)] {
        let lost = close(&mut manager, at(second));
        assert!(!lost.iter().any(|output| matches!(output, ManagerOutput::Transmit(_))));
        assert_eq!(wire(&join(&mut manager, at(second)))[..], [format!("2{id}[\"one\"]")]);
    }
    let lost = close(&mut manager, at(20));

    assert_eq!(lost[1], settled(1, Err(AckError::Disconnected)), "it was the last try");
    assert_eq!(wire(&join(&mut manager, at(30))), [r#"23["two"]"#]);
}

#[test]
fn what_waits_for_the_connection_is_not_tried_and_does_not_time_out() {
    let mut manager = retrying();
    command(&mut manager, emit_with_ack("one", 1, None), at(0));
    assert_eq!(wait(&mut manager).0, None);

    assert_eq!(wire(&join(&mut manager, at(100))), [r#"20["one"]"#]);
    assert_eq!(wait(&mut manager).0, Some(at(105)));
}

#[test]
fn each_event_waits_for_its_own_time() {
    let mut manager = joined();
    command(&mut manager, emit("one"), at(0));
    command(&mut manager, emit_with_ack("two", 2, Some(60)), at(0));

    receive(&mut manager, ack(0), at(1));

    assert_eq!(wait(&mut manager).0, Some(at(61)), "and not for that of the one before");
}

#[test]
fn what_is_volatile_does_not_queue() {
    let mut manager = joined();
    command(&mut manager, emit("one"), at(0));
    let volatile = |ack| ManagerCommand::Emit {
        name: ByteString::from_static("now"),
        args: Args::none(),
        ack,
        volatile: true,
    };

    let outputs = command(&mut manager, volatile(None), at(0));
    assert_eq!(wire(&outputs), [r#"2["now"]"#]);
    assert!(matches!(&outputs[..], [ManagerOutput::TransmitVolatile(_)]), "if the transport is writable");
    close(&mut manager, at(1));
    assert_eq!(command(&mut manager, volatile(None), at(1)), [], "dropped");
    let asked = command(&mut manager, volatile(Some((EmitId(1), None))), at(1));
    assert_eq!(asked, [settled(1, Err(AckError::Disconnected))]);
    assert_eq!(wire(&join(&mut manager, at(2))), [r#"21["one"]"#]);
}

#[test]
fn an_ack_timeout_alone_is_that_of_every_emit_that_names_none() {
    let ack_timeout = Some(Duration::from_secs(5));
    let mut manager = manager_of(ManagerOptions { ack_timeout, ..ManagerOptions::default() });
    join(&mut manager, at(0));

    command(&mut manager, emit_with_ack("a", 1, None), at(0));
    command(&mut manager, emit_with_ack("b", 2, Some(2)), at(0));

    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(2)), [settled(2, Err(AckError::TimedOut))]);
    assert_eq!(give(&mut manager, ManagerInput::TimedOut, at(5)), [settled(1, Err(AckError::TimedOut))]);
}
