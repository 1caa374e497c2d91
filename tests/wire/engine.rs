//! The clauses of Engine.IO v4 that the official suite checks, one a test, from bytes: on Engine.IO alone and below
//! Socket.IO. What is echoed is the first one's only.

use serde_json::{Value, json};

use crate::stage::{ENGINE, Frame, PING_INTERVAL, PING_TIMEOUT, SOCKET, Stage};

const BOTH: [&str; 2] = [ENGINE, SOCKET];

/// What an `open` packet must say, but for the id.
fn assert_open(packet: &str, upgrades: &[&str]) {
    let open = packet.strip_prefix('0').expect("an open packet");
    let mut open: Value = serde_json::from_str(open).expect("a handshake in JSON");
    assert!(open["sid"].take().is_string(), "{packet}");
    let expected = json!({
        "sid": null, "upgrades": upgrades, "pingInterval": 300, "pingTimeout": 200, "maxPayload": 1_000_000
    });
    assert_eq!(open, expected);
}

#[tokio::test(start_paused = true)]
async fn polling_opens_a_session() {
    let stage = Stage::new();
    for path in BOTH {
        let (status, body) = stage.request("GET", &format!("{path}?EIO=4&transport=polling"), "").await;
        assert_eq!(status, 200);
        assert_open(&body, &["websocket"]);
    }
}

#[tokio::test(start_paused = true)]
async fn polling_with_another_version_is_refused() {
    let stage = Stage::new();
    for path in BOTH {
        for query in ["transport=polling", "EIO=abc&transport=polling"] {
            assert_eq!(stage.request("GET", &format!("{path}?{query}"), "").await.0, 400, "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn an_unknown_transport_is_refused() {
    let stage = Stage::new();
    for path in BOTH {
        for query in ["EIO=4", "EIO=4&transport=abc"] {
            assert_eq!(stage.request("GET", &format!("{path}?{query}"), "").await.0, 400, "{query}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_handshake_by_another_method_is_refused() {
    let stage = Stage::new();
    for path in BOTH {
        for method in ["POST", "PUT"] {
            let target = format!("{path}?EIO=4&transport=polling");
            assert_eq!(stage.request(method, &target, "").await.0, 400, "{method}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_opens_a_session() {
    let stage = Stage::new();
    for path in BOTH {
        let mut socket = stage.websocket(&format!("{path}?EIO=4&transport=websocket")).await;
        assert_open(&socket.text().await, &[]);
    }
}

/// Such a request for a WebSocket is refused, and its stream closed.
async fn refuses_websocket(query: &str) {
    let stage = Stage::new();
    for path in BOTH {
        let mut http = stage.dial();
        http.start_upgrade(&format!("{path}?{query}")).await;
        let answer = http.rest().await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{query}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_with_another_version_is_refused() {
    refuses_websocket("transport=websocket").await;
    refuses_websocket("EIO=abc&transport=websocket").await;
}

#[tokio::test(start_paused = true)]
async fn a_websocket_for_an_unknown_transport_is_refused() {
    refuses_websocket("EIO=4").await;
    refuses_websocket("EIO=4&transport=abc").await;
}

/// What is posted comes back by poll.
async fn echoes_by_polling(body: &str) {
    let stage = Stage::new();
    let session = stage.open(ENGINE).await;
    assert_eq!(stage.request("POST", &session, body).await, (200, "ok".to_owned()));
    assert_eq!(stage.request("GET", &session, "").await, (200, body.to_owned()));
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_one_packet_comes_and_goes() {
    echoes_by_polling("4hello").await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_several_packets_comes_and_goes() {
    echoes_by_polling("4test1\x1e4test2\x1e4test3").await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_of_text_and_bytes_comes_and_goes() {
    echoes_by_polling("4hello\x1ebAQIDBA==").await;
}

#[tokio::test(start_paused = true)]
async fn a_payload_that_is_none_ends_the_session() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        assert_eq!(stage.request("POST", &session, "abc").await.0, 400);
        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_second_poll_ends_the_session() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        let mut first = stage.dial();
        first.start("GET", &session, "").await;
        stage.sleep(PING_INTERVAL / 2).await;

        assert_eq!(stage.request("GET", &session, "").await.0, 400);

        assert_eq!(first.answer().await, (200, "1".to_owned()));
        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_cancelled_poll_ends_the_session() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        let mut cancelled = stage.dial();
        cancelled.start("GET", &session, "").await;
        stage.sleep(PING_INTERVAL / 2).await;

        drop(cancelled);
        stage.sleep(PING_INTERVAL / 10).await;

        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_text_packet_comes_and_goes_on_a_websocket() {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(ENGINE).await;
    socket.send("4hello").await;
    assert_eq!(socket.text().await, "4hello");
}

#[tokio::test(start_paused = true)]
async fn bytes_come_and_go_on_a_websocket_as_they_are() {
    let stage = Stage::new();
    let mut socket = stage.open_websocket(ENGINE).await;
    socket.send_binary(&[1, 2, 3, 4]).await;
    assert_eq!(socket.frame().await, Frame::Binary(vec![1, 2, 3, 4]));
}

#[tokio::test(start_paused = true)]
async fn a_frame_that_is_no_packet_closes_the_websocket() {
    let stage = Stage::new();
    for path in BOTH {
        let mut socket = stage.open_websocket(path).await;
        socket.send("abc").await;
        assert_eq!(socket.frame().await, Frame::Close);
    }
}

#[tokio::test(start_paused = true)]
async fn who_polls_is_pinged_again_and_again() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        for _ in 0..3 {
            assert_eq!(stage.request("GET", &session, "").await, (200, "2".to_owned()));
            assert_eq!(stage.request("POST", &session, "3").await.0, 200);
        }
    }
}

#[tokio::test(start_paused = true)]
async fn who_polls_and_does_not_answer_a_ping_has_no_session() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        stage.sleep(PING_INTERVAL + PING_TIMEOUT).await;
        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_is_pinged_again_and_again() {
    let stage = Stage::new();
    for path in BOTH {
        let mut socket = stage.open_websocket(path).await;
        for _ in 0..3 {
            assert_eq!(socket.text().await, "2");
            socket.send("3").await;
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_websocket_that_does_not_answer_a_ping_is_closed() {
    let stage = Stage::new();
    for path in BOTH {
        let mut socket = stage.open_websocket(path).await;
        assert_eq!(socket.text().await, "2");
        assert_eq!(socket.frame().await, Frame::Close);
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_packet_frees_the_poll_and_ends_the_session() {
    let stage = Stage::new();
    for path in BOTH {
        let session = stage.open(path).await;
        let mut poll = stage.dial();
        poll.start("GET", &session, "").await;
        stage.sleep(PING_INTERVAL / 2).await;

        assert_eq!(stage.request("POST", &session, "1").await, (200, "ok".to_owned()));

        assert_eq!(poll.answer().await, (200, "6".to_owned()));
        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

/// On two connections at once either may be heard first, and the suite's test of this asks for one order.
#[tokio::test(start_paused = true)]
async fn a_poll_and_a_close_packet_at_once_are_answered_in_the_order_in_which_they_come() {
    let stage = Stage::new();
    for (path, poll_first) in BOTH.into_iter().flat_map(|path| [(path, true), (path, false)]) {
        let session = stage.open(path).await;
        let (mut poll, mut post) = (stage.dial(), stage.dial());
        if poll_first {
            poll.start("GET", &session, "").await;
            post.start("POST", &session, "1").await;
        } else {
            post.start("POST", &session, "1").await;
            stage.sleep(PING_INTERVAL / 2).await;
            poll.start("GET", &session, "").await;
        }

        assert_eq!(post.answer().await, (200, "ok".to_owned()));
        let answer = poll.answer().await;
        if poll_first {
            assert_eq!(answer, (200, "6".to_owned()));
        } else {
            assert_eq!(answer, (400, r#"{"code":1,"message":"Session ID unknown"}"#.to_owned()));
        }
    }
}

#[tokio::test(start_paused = true)]
async fn a_close_packet_closes_the_websocket() {
    let stage = Stage::new();
    for path in BOTH {
        let mut socket = stage.open_websocket(path).await;
        socket.send("1").await;
        assert_eq!(socket.frame().await, Frame::Close);
    }
}

/// Upgrades a session; its WebSocket and the targets of HTTP requests and of WebSockets that name it.
async fn upgraded(stage: &Stage, path: &str) -> (crate::stage::WebSocket, String, String) {
    let session = stage.open(path).await;
    let target = session.replace("transport=polling", "transport=websocket");
    let mut socket = stage.websocket(&target).await;
    socket.send("2probe").await;
    assert_eq!(socket.text().await, "3probe");
    socket.send("5").await;
    (socket, session, target)
}

#[tokio::test(start_paused = true)]
async fn a_session_moves_from_polling_to_a_websocket() {
    let stage = Stage::new();
    for path in BOTH {
        let (mut socket, _, _) = upgraded(&stage, path).await;
        assert_eq!(socket.text().await, "2", "the heartbeat is there");
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_requests_are_refused() {
    let stage = Stage::new();
    for path in BOTH {
        let (_socket, session, _) = upgraded(&stage, path).await;
        assert_eq!(stage.request("GET", &session, "").await.0, 400);
    }
}

#[tokio::test(start_paused = true)]
async fn after_an_upgrade_another_websocket_is_closed() {
    let stage = Stage::new();
    for path in BOTH {
        let (mut socket, _, target) = upgraded(&stage, path).await;
        assert_eq!(stage.websocket(&target).await.frame().await, Frame::Close);
        assert_eq!(socket.text().await, "2", "the first goes on");
    }
}
