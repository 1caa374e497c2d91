//! What the official client's own suite says of events on the wire (its `retry` and `socket`), said of our client.

use std::time::Duration;

use bytes::Bytes;
use serde_json::json;
use squall::args;
use squall::socket::{AckId, ManagerCommand, ManagerOptions};

use super::scripted::Scripted;

const TRY: Duration = Duration::from_millis(50);

fn retries(retries: u32, ack_timeout: Duration) -> ManagerOptions {
    ManagerOptions { retries: Some(retries), ack_timeout: Some(ack_timeout), ..ManagerOptions::default() }
}

fn plain() -> ManagerOptions {
    ManagerOptions::default()
}

#[test]
fn retries_send_the_next_only_after_the_answer() {
    let mut client = Scripted::new(retries(1, TRY));
    client.connect("/");
    for number in 1..=3 {
        client.ask("echo", args![number], None);
    }
    client.open();
    assert_eq!(client.sent(), ["dial", "40"]);
    client.says(r#"40{"sid":"s"}"#);
    assert_eq!(client.sent(), [r#"420["echo",1]"#]);
    client.says("430[1]");
    assert_eq!(client.sent(), [r#"421["echo",2]"#]);
    client.says("431[2]");
    assert_eq!(client.sent(), [r#"422["echo",3]"#]);
    client.says("432[3]");
    client.disconnect("/");

    assert_eq!(client.sent(), ["41", "close"]);
    assert_eq!(
        client.heard(),
        ["connect s", "answer 1 [1]", "answer 2 [2]", "answer 3 [3]", "disconnect io client disconnect"]
    );
}

#[test]
fn retries_end_with_an_error_after_the_last_try() {
    let mut client = Scripted::connected(retries(3, TRY));

    client.ask("ack", args![], None);
    client.wait(4 * TRY);

    assert_eq!(client.sent(), [r#"420["ack"]"#, r#"421["ack"]"#, r#"422["ack"]"#, r#"423["ack"]"#]);
    assert_eq!(client.heard(), ["answer 1 operation has timed out"]);
}

#[test]
fn the_queue_of_retries_waits_for_the_connection() {
    let mut client = Scripted::new(retries(3, TRY / 5));
    client.ask("echo", args![1], None);
    client.wait(10 * TRY);
    assert!(client.heard().is_empty(), "no try was made, and so none was in vain");

    client.connect("/");
    client.open();
    client.says(r#"40{"sid":"s"}"#);
    client.says("430[1]");

    assert_eq!(client.sent(), ["dial", "40", r#"420["echo",1]"#]);
    assert_eq!(client.heard(), ["connect s", "answer 1 [1]"]);
}

#[test]
fn an_event_of_the_connect_handler_is_sent_once() {
    let mut client = Scripted::new(retries(3, TRY));
    client.connect("/");
    client.open();
    client.says(r#"40{"sid":"s"}"#);
    client.ask("echo", args![json!(null)], None);
    client.says("430[null]");
    client.wait(4 * TRY);

    assert_eq!(client.sent(), ["dial", "40", r#"420["echo",null]"#]);
}

/// The reference implementation's flag leaks to a later emit when the queue is busy.
#[test]
fn the_timeout_of_one_emit_is_not_that_of_the_next() {
    let mut client = Scripted::connected(retries(1, 8 * TRY));
    client.ask("first", args![], Some(TRY));
    client.ask("second", args![], None);
    client.wait(TRY);
    client.says("431[]");
    assert_eq!(client.sent(), [r#"420["first"]"#, r#"421["first"]"#, r#"422["second"]"#]);

    client.wait(7 * TRY);
    assert!(client.sent().is_empty(), "the second waits longer");
    client.wait(TRY);

    assert_eq!(client.sent(), [r#"423["second"]"#]);
}

#[test]
fn what_was_emitted_before_goes_before_what_the_connect_handler_emits() {
    let mut client = Scripted::new(plain());
    client.ask("echo", args!["first"], None);
    client.connect("/");
    client.open();
    client.says(r#"40{"sid":"s"}"#);
    client.ask("echo", args!["second"], None);

    assert_eq!(client.sent(), ["dial", "40", r#"420["echo","first"]"#, r#"421["echo","second"]"#]);
}

#[test]
fn volatile_events_leave_at_once_or_never() {
    let mut client = Scripted::new(plain());
    client.emit_volatile("getId", args![]);
    client.connect("/");
    client.emit_volatile("getId", args![]);
    client.open();
    client.says(r#"40{"sid":"s"}"#);
    assert_eq!(client.sent(), ["dial", "40"]);

    client.emit_volatile("getId", args![]);

    assert_eq!(client.sent(), [r#"42["getId"]"#]);
}

#[test]
fn an_emit_that_timed_out_before_the_connection_is_never_sent() {
    let mut client = Scripted::new(plain());
    client.ask("event", args![], Some(TRY));
    client.wait(TRY);
    assert_eq!(client.heard(), ["answer 1 operation has timed out"]);

    client.connect("/");
    client.open();
    client.says(r#"40{"sid":"s"}"#);

    assert_eq!(client.sent(), ["dial", "40"]);
}

#[test]
fn an_answer_counts_in_time_and_once() {
    let mut client = Scripted::connected(plain());
    client.ask("echo", args![42], Some(TRY));
    client.ask("echo", args![43], Some(TRY));
    client.says("431[43]");
    client.wait(TRY);
    client.says("430[42]");
    client.says("431[43]");

    assert_eq!(client.heard(), ["answer 2 [43]", "answer 1 operation has timed out"]);
}

#[test]
fn a_disconnect_fails_what_was_sent_and_keeps_what_is_emitted_after_it() {
    let mut client = Scripted::connected(plain());
    client.ask("echo", args!["a"], None);
    client.disconnect("/");
    assert_eq!(client.heard(), ["disconnect io client disconnect", "answer 1 socket has been disconnected"]);
    client.ask("echo", args!["b"], None);
    assert_eq!(client.sent(), [r#"420["echo","a"]"#, "41", "close"]);

    client.connect("/");
    client.open();
    client.says(r#"40{"sid":"s2"}"#);
    client.says(r#"431["b"]"#);

    assert_eq!(client.sent(), ["dial", "40", r#"421["echo","b"]"#]);
    assert_eq!(client.heard(), ["connect s2", r#"answer 2 ["b"]"#]);
}

/// The reference implementation sends it twice: from its buffer, and by the queue that is drained at the connection.
#[test]
fn what_is_emitted_on_a_link_that_is_found_dead_is_sent_once() {
    let mut client = Scripted::connected(retries(3, Duration::from_secs(60)));
    client.wait(Duration::from_millis(500));
    assert_eq!(client.heard()[0], "disconnect ping timeout");
    client.ask("echo", args!["123"], None);
    client.wait(Duration::from_secs(1));
    client.open();
    client.says(r#"40{"sid":"s2"}"#);
    client.wait(Duration::from_millis(400));

    assert_eq!(client.sent(), ["close", "dial", "40", r#"420["echo","123"]"#]);
}

#[test]
fn the_server_is_answered_with_its_id() {
    let mut client = Scripted::connected(plain());
    client.says(r#"420["ack"]"#);
    assert_eq!(client.heard(), ["ack [] asks 0"]);
    for _ in 0..2 {
        client.command("/", ManagerCommand::Ack { id: AckId(0), args: args![5, json!({"test": true})] });
    }

    assert_eq!(client.sent(), [r#"430[5,{"test":true}]"#], "once");
}

#[test]
fn texts_and_bytes_are_what_was_sent() {
    let mut client = Scripted::connected(plain());
    client.says(r#"42["takeUtf8","てすと"]"#);
    client.says(r#"42["false",false]"#);
    client.says(r#"451-["doge",{"_placeholder":true,"num":0}]"#);
    client.says_bytes(b"asdf");
    assert_eq!(
        client.heard(),
        [r#"takeUtf8 ["てすと"]"#, "false [false]", r#"doge [{"_placeholder":true,"num":0}] b"asdf""#]
    );

    client.emit("jsonbuff", args![("lol", Bytes::from_static(&[1, 2]), "gotcha")]);
    client.emit("abuff2", args!["please arrive second"]);

    assert_eq!(
        client.sent(),
        [
            r#"451-["jsonbuff",["lol",{"_placeholder":true,"num":0},"gotcha"]]"#,
            r#"b"\x01\x02""#,
            r#"42["abuff2","please arrive second"]"#
        ]
    );
}
