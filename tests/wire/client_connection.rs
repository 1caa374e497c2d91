//! What the official client's own suite says of connections on the wire (its `connection` and `socket`), said of our client.

use std::time::Duration;

use squall::socket::{ManagerOptions, ReconnectOptions};

use super::scripted::Scripted;

fn plain() -> ManagerOptions {
    ManagerOptions::default()
}

fn attempts(reconnection_attempts: u32) -> ManagerOptions {
    let reconnect = ReconnectOptions {
        reconnection_attempts: Some(reconnection_attempts),
        ..ReconnectOptions::default()
    };
    ManagerOptions { reconnect, ..plain() }
}

#[test]
fn a_socket_that_is_active_is_not_asked_for_again() {
    let mut client = Scripted::new(plain());
    for namespace in ["/", "/", "/foo", "/foo"] {
        client.connect(namespace);
    }
    client.open();
    client.connect("/");
    client.says(r#"40{"sid":"s"}"#);
    client.says(r#"40/foo,{"sid":"f"}"#);
    client.connect("/foo");
    client.disconnect("/");
    client.disconnect("/foo");

    assert_eq!(client.sent(), ["dial", "40", "40/foo,", "41", "41/foo,", "close"]);
}

#[test]
fn one_namespace_leaves_and_the_other_keeps_the_connection() {
    let mut client = Scripted::new(plain());
    client.connect("/foo");
    client.open();
    client.says(r#"40/foo,{"sid":"f"}"#);
    client.connect("/asd");
    client.disconnect("/foo");
    client.says(r#"40/asd,{"sid":"a"}"#);

    assert_eq!(client.sent(), ["dial", "40/foo,", "40/asd,", "41/foo,"]);
    assert_eq!(
        client.heard(),
        ["/foo: connect f", "/foo: disconnect io client disconnect", "/asd: connect a"]
    );
}

#[test]
fn a_namespace_opens_a_new_connection_when_the_old_one_is_closed() {
    let mut client = Scripted::connected(plain());
    client.disconnect("/");
    client.connect("/foo");
    client.open();

    assert_eq!(client.sent(), ["41", "close", "dial", "40/foo,"]);
}

#[test]
fn a_refusal_is_told_with_its_data_and_nothing_is_tried_again() {
    let mut client = Scripted::new(plain());
    client.connect("/no");
    client.open();
    client.says(r#"44/no,{"message":"Auth failed (custom namespace)","data":{"code":7}}"#);
    client.wait(Duration::from_secs(60));

    assert_eq!(client.sent(), ["dial", "40/no,", "close"]);
    assert_eq!(
        client.heard(),
        [r#"/no: connect_error {"message":"Auth failed (custom namespace)","data":{"code":7}}"#]
    );
}

#[test]
fn a_server_of_version_2_is_an_error() {
    let mut client = Scripted::new(plain());
    client.connect("/");
    client.open();
    client.says("40");

    assert_eq!(client.sent(), ["dial", "40", "close"]);
    assert_eq!(client.heard(), ["connect_error parse error", "waits for attempt 1"]);
}

#[test]
fn what_cannot_be_decoded_closes_the_connection_and_it_is_made_again() {
    let mut client = Scripted::connected(plain());
    client.says("4bad");
    client.wait(Duration::from_secs(1));
    client.open();
    client.says(r#"40{"sid":"s2"}"#);

    assert_eq!(client.sent(), ["close", "dial", "40"]);
    assert_eq!(
        client.heard(),
        ["disconnect parse error", "waits for attempt 1", "reconnect_attempt 1", "reconnect 1", "connect s2"]
    );
}

#[test]
fn attempts_are_counted_until_they_are_too_many() {
    let mut client = Scripted::new(attempts(2));
    client.connect("/timeout");
    client.hangs_up();
    for _ in 0..2 {
        client.wait(Duration::from_secs(2));
        client.hangs_up();
    }
    client.wait(Duration::from_secs(60));

    assert_eq!(client.sent(), ["dial"; 3]);
    assert_eq!(
        client.heard(),
        [
            "/timeout: connect_error transport close",
            "/timeout: waits for attempt 1",
            "/timeout: reconnect_attempt 1",
            "/timeout: connect_error transport close",
            "/timeout: waits for attempt 2",
            "/timeout: reconnect_attempt 2",
            "/timeout: connect_error transport close",
            "/timeout: reconnect_failed",
        ]
    );
    client.connect("/timeout");
    assert_eq!(client.sent(), ["dial"], "told to, it begins again");
}

#[test]
fn who_disconnects_while_it_waits_to_try_again_tries_no_more() {
    let mut client = Scripted::new(plain());
    client.connect("/");
    client.connect("/asd");
    client.hangs_up();
    client.disconnect("/");
    client.wait(Duration::from_secs(1));
    client.open();
    assert_eq!(client.sent(), ["dial", "dial", "40/asd,"], "the other one does");
    client.hangs_up();
    client.disconnect("/asd");
    client.wait(Duration::from_secs(60));

    assert_eq!(client.sent(), [""; 0]);
}

#[test]
fn a_ping_is_answered_and_an_id_is_new_at_each_connection() {
    let mut client = Scripted::connected(plain());
    client.wait(Duration::from_millis(300));
    client.says("2");
    client.wait(Duration::from_millis(300));
    client.hangs_up();
    client.wait(Duration::from_secs(1));
    client.open();
    client.says(r#"40{"sid":"s2"}"#);

    assert_eq!(client.sent(), ["3", "dial", "40"]);
    assert_eq!(client.heard().last().map(String::as_str), Some("connect s2"));
}
