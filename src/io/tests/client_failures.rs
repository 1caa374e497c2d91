//! Why an attempt to connect failed, as a client says it.

use std::io::ErrorKind;

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use crate::engine::{CloseReason, Transport};
use crate::io::ConnectFailure;
use crate::io::net::Listener;

use super::*;

/// What a client by this transport says of its first attempt, where this is the answer to its first request. Without an
/// answer the stream ends.
async fn failure(transport: Transport, answer: Option<String>) -> ConnectFailure {
    let (env, net) = (Env::tokio(), TestNet::default());
    let mut listener = net.listen();
    env.spawn(async move {
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 1024]).await.unwrap() > 0);
        if let Some(answer) = answer {
            stream.write_all(answer.as_bytes()).await.unwrap();
        }
    });
    first_failure(&env, net, transport).await
}

async fn first_failure(env: &Env, net: TestNet, transport: Transport) -> ConnectFailure {
    let options = ClientOptions { transports: vec![transport], ..ClientOptions::default() };
    let (client, mut events) = Client::new(env, net, url(), options).unwrap();
    client.connect();
    match events.recv().await {
        Some(Event::ConnectFailed(why)) => why,
        other => panic!("{other:?}"),
    }
}

fn answer(status: &str, body: &str) -> Option<String> {
    Some(format!("HTTP/1.1 {status}\r\ncontent-length: {}\r\n\r\n{body}", body.len()))
}

const BOTH: [Transport; 2] = [Transport::Polling, Transport::WebSocket];

fn is_network(why: &ConnectFailure, expected: ErrorKind) -> bool {
    matches!(why, ConnectFailure::Network { kind, .. } if *kind == expected)
}

#[tokio::test(start_paused = true)]
async fn where_no_one_listens_the_network_says_so() {
    for transport in BOTH {
        let why = first_failure(&Env::tokio(), TestNet::default(), transport).await;
        assert!(is_network(&why, ErrorKind::ConnectionRefused), "{transport}: {why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_stream_that_ends_before_the_answer_is_a_failure_of_the_network() {
    for transport in BOTH {
        let why = failure(transport, None).await;
        assert!(is_network(&why, ErrorKind::UnexpectedEof), "{transport}: {why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_http_has_its_status() {
    for transport in BOTH {
        assert_eq!(failure(transport, answer("403 Forbidden", "no")).await, ConnectFailure::Status(403));
    }
    // A page of something else answers a poll and has no WebSocket.
    assert_eq!(failure(Transport::WebSocket, answer("200 OK", "hi")).await, ConnectFailure::Status(200));
}

#[tokio::test(start_paused = true)]
async fn who_speaks_something_else_is_told_apart() {
    for (transport, answer) in [
        (Transport::Polling, answer("200 OK", "<html>")),
        (Transport::Polling, Some("SSH-2.0-OpenSSH\r\n".to_owned())),
        (Transport::WebSocket, Some("SSH-2.0-OpenSSH\r\n".to_owned())),
        (Transport::WebSocket, answer("101 Switching Protocols", "")),
    ] {
        let why = failure(transport, answer.clone()).await;
        assert!(matches!(why, ConnectFailure::Protocol(_)), "{answer:?}: {why:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn an_attempt_that_takes_too_long_is_a_timeout_and_one_that_is_ended_is_closed() {
    let (env, net) = (Env::tokio(), TestNet::default());
    let _listener = net.listen();
    assert_eq!(first_failure(&env, net.clone(), Transport::Polling).await, ConnectFailure::TimedOut);
    assert_eq!(ConnectFailure::TimedOut.to_string(), "timeout", "as the official client says it");

    let (client, mut events) = Client::new(&env, net, url(), ClientOptions::default()).unwrap();
    client.connect();
    client.close_connection();
    let closed = ConnectFailure::Closed(CloseReason::ForcedClose);
    assert_eq!(events.recv().await, Some(Event::ConnectFailed(closed)));
}
