//! The clauses of Socket.IO v5 that the official suite checks, one a test, from bytes. Those of the transport below are
//! in `engine`.

use serde_json::Value;

use crate::stage::{Frame, SOCKET, Stage};

/// Sends CONNECT; the prefix of the answer stands before an object that has a `sid` and no more. Then comes the event.
async fn connects(connect: &str, prefix: &str, event: &str) {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(SOCKET).await;
    socket.send(connect).await;

    let answer = socket.text().await;
    let answer = answer.strip_prefix(prefix).expect("an answer to CONNECT");
    let answer: Value = serde_json::from_str(answer).expect("an answer in JSON");
    let keys: Vec<_> = answer.as_object().expect("an object").keys().collect();
    assert_eq!(keys, ["sid"]);
    assert!(answer["sid"].is_string());
    assert_eq!(socket.text().await, event);
}

#[tokio::test(start_paused = true)]
async fn the_main_namespace_lets_in() {
    connects("40", "40", r#"42["auth",{}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn the_main_namespace_hears_the_auth() {
    connects(r#"40{"token":"123"}"#, "40", r#"42["auth",{"token":"123"}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_custom_namespace_lets_in() {
    connects("40/custom,", "40/custom,", r#"42/custom,["auth",{}]"#).await;
}

#[tokio::test(start_paused = true)]
async fn a_custom_namespace_hears_the_auth() {
    let event = r#"42/custom,["auth",{"token":"abc"}]"#;
    connects(r#"40/custom,{"token":"abc"}"#, "40/custom,", event).await;
}

#[tokio::test(start_paused = true)]
async fn an_unknown_namespace_is_refused() {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(SOCKET).await;
    socket.send("40/random").await;
    assert_eq!(socket.text().await, r#"44/random,{"message":"Invalid namespace"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_no_connect_closes_the_connection() {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(SOCKET).await;
    socket.send("4abc").await;
    assert_eq!(socket.frame().await, Frame::Close);
}

#[tokio::test(start_paused = true)]
async fn who_joins_no_namespace_is_closed() {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(SOCKET).await;
    for _ in 0..3 {
        assert_eq!(socket.text().await, "2");
        socket.send("3").await;
    }
    assert_eq!(socket.frame().await, Frame::Close, "after the connect timeout, not for silence");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_the_main_namespace_keeps_the_connection() {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send("41").await;
    assert_eq!(socket.text().await, "2");
}

#[tokio::test(start_paused = true)]
async fn who_leaves_a_custom_namespace_keeps_the_others() {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send("40/custom").await;
    assert!(socket.text().await.starts_with("40/custom,{"));
    assert_eq!(socket.text().await, r#"42/custom,["auth",{}]"#);

    socket.send("41/custom").await;
    socket.send(r#"42["message","message to main namespace"]"#).await;

    assert_eq!(socket.text().await, r#"42["message-back","message to main namespace"]"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_comes_and_goes() {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send(r#"42["message",1,"2",{"3":[true]}]"#).await;
    assert_eq!(socket.text().await, r#"42["message-back",1,"2",{"3":[true]}]"#);
}

/// Sends a packet with two attachments; the same attachments follow the answer.
async fn answers_with_attachments(packet: &str, answer: &str) {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send(packet).await;
    socket.send_binary(&[1, 2, 3]).await;
    socket.send_binary(&[4, 5, 6]).await;
    assert_eq!(socket.text().await, answer);
    assert_eq!(socket.frame().await, Frame::Binary(vec![1, 2, 3]));
    assert_eq!(socket.frame().await, Frame::Binary(vec![4, 5, 6]));
}

#[tokio::test(start_paused = true)]
async fn an_event_with_attachments_comes_and_goes() {
    answers_with_attachments(
        r#"452-["message",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        r#"452-["message-back",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
    )
    .await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_asks_is_answered() {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send(r#"42456["message-with-ack",1,"2",{"3":[false]}]"#).await;
    assert_eq!(socket.text().await, r#"43456[1,"2",{"3":[false]}]"#);
}

#[tokio::test(start_paused = true)]
async fn an_event_with_attachments_that_asks_is_answered() {
    answers_with_attachments(
        r#"452-789["message-with-ack",{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
        r#"462-789[{"_placeholder":true,"num":0},{"_placeholder":true,"num":1}]"#,
    )
    .await;
}

/// A message that is no packet closes the connection.
async fn closes(message: &str) {
    let stage = Stage::new();
    let mut socket = stage.connected().await;
    socket.send(message).await;
    assert_eq!(socket.frame().await, Frame::Close);
}

#[tokio::test(start_paused = true)]
async fn an_unknown_type_closes_the_connection() {
    closes("4abc").await;
}

#[tokio::test(start_paused = true)]
async fn an_event_that_is_no_array_closes_the_connection() {
    closes("42{}").await;
}

#[tokio::test(start_paused = true)]
async fn an_ack_id_that_is_no_number_closes_the_connection() {
    closes(r#"42abc["message-with-ack",1,"2",{"3":[false]}]"#).await;
}
