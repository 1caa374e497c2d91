//! The way in, byte by byte.

use tokio::io::{AsyncReadExt, AsyncWriteExt};

use super::*;
use crate::engine::Transport;
use crate::io::CorsOptions;

const HANDSHAKE: &str = "Connection: keep-alive, Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n\
                         Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n";

/// Sends a request and gives the answer, up to the end of the stream.
async fn request(world: &World, line: &str, headers: &str) -> String {
    let mut stream = world.net.connect("server", 3000).await.unwrap();
    let request = format!("{line} HTTP/1.1\r\nHost: server\r\n{headers}\r\n");
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut answer = Vec::new();
    // Ends by the header timeout where the server would wait for another request.
    stream.read_to_end(&mut answer).await.unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test(start_paused = true)]
async fn a_websocket_request_is_accepted_with_and_without_the_last_slash() {
    let world = world(ServerOptions::default());
    for path in ["/socket.io/", "/socket.io"] {
        let mut stream = world.net.connect("server", 3000).await.unwrap();
        let request =
            format!("GET {path}?EIO=4&transport=websocket HTTP/1.1\r\nHost: server\r\n{HANDSHAKE}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();

        let mut answer = [0; 129];
        stream.read_exact(&mut answer).await.unwrap();

        assert_eq!(
            String::from_utf8_lossy(&answer),
            // The key is the one of RFC 6455 §1.3, and so is the answer to it. There is no Date.
            "HTTP/1.1 101 Switching Protocols\r\nconnection: Upgrade\r\nupgrade: websocket\r\n\
             sec-websocket-accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn refusals_have_the_codes_of_engine_io() {
    let world = world(ServerOptions::default());
    for (line, code, message) in [
        ("GET /socket.io/", 0, "Transport unknown"),
        ("GET /socket.io/?EIO=4&transport=abc", 0, "Transport unknown"),
        ("GET /socket.io/?EIO=4&transport=polling&sid=x", 1, "Session ID unknown"),
        ("POST /socket.io/?EIO=4&transport=polling&sid=x", 1, "Session ID unknown"),
        ("POST /socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"),
        ("OPTIONS /socket.io/?EIO=4&transport=polling", 2, "Bad handshake method"),
        ("GET /socket.io/?EIO=4&transport=websocket", 3, "Bad request"),
        ("GET /socket.io/?EIO=3&transport=polling", 5, "Unsupported protocol version"),
        ("GET /socket.io/?transport=polling", 5, "Unsupported protocol version"),
    ] {
        let answer = request(&world, line, "").await;
        assert!(answer.starts_with("HTTP/1.1 400 Bad Request\r\n"), "{line}: {answer}");
        assert!(answer.contains("content-type: application/json\r\n"), "{line}: {answer}");
        let body = format!("\r\n\r\n{{\"code\":{code},\"message\":\"{message}\"}}");
        assert!(answer.ends_with(&body), "{line}: {answer}");
        assert!(!answer.to_lowercase().contains("\r\ndate:"), "{line}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_refused_upgrade_is_told_in_words_and_closed() {
    let world = world(ServerOptions::default());
    let without_key = "Connection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n";
    let before = world.env.clock.monotonic();
    for (line, headers, message) in [
        ("GET /socket.io/?EIO=4", HANDSHAKE, "Transport unknown"),
        ("GET /socket.io/?EIO=4&transport=websocket&sid=x", HANDSHAKE, "Session ID unknown"),
        ("POST /socket.io/?EIO=4&transport=websocket", HANDSHAKE, "Bad handshake method"),
        ("GET /socket.io/?EIO=4&transport=websocket", without_key, "Bad request"),
        ("GET /socket.io/?EIO=3&transport=websocket", HANDSHAKE, "Unsupported protocol version"),
        ("GET /socket.io/?transport=websocket", HANDSHAKE, "Unsupported protocol version"),
    ] {
        let length = message.len();
        assert_eq!(
            request(&world, line, headers).await,
            format!(
                "HTTP/1.1 400 Bad Request\r\ncontent-type: text/html\r\nconnection: close\r\n\
                 content-length: {length}\r\n\r\n{message}"
            ),
            "{line}"
        );
    }
    assert_eq!(world.env.clock.monotonic(), before, "the streams were closed at once");
}

#[tokio::test(start_paused = true)]
async fn other_paths_are_not_found() {
    let world = world(ServerOptions::default());
    for path in ["/", "/socket.io/x", "/socket.iox", "/engine.io/?EIO=4&transport=websocket"] {
        let answer = request(&world, &format!("GET {path}"), HANDSHAKE).await;
        assert!(answer.starts_with("HTTP/1.1 404 Not Found\r\n"), "{path}: {answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn garbage_hurts_its_sender_only() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let (client, _events) = world.connected().await;
    for garbage in ["\0\u{1}\u{2}\r\n\r\n".to_owned(), "GET\r\n\r\n".to_owned(), "x".repeat(100_000)] {
        let (mut reader, mut writer) = tokio::io::split(world.net.connect("server", 3000).await.unwrap());
        // The server stops reading in the middle of it.
        drop(writer.write_all(garbage.as_bytes()).await);
        let mut answer = String::new();
        reader.read_to_string(&mut answer).await.unwrap();
        assert!(answer.is_empty() || answer.starts_with("HTTP/1.1 4"), "{answer}");
    }

    assert!(client.emit_with_ack("echo", number(1), None).await.is_ok());
}

#[tokio::test(start_paused = true)]
async fn who_does_not_finish_a_request_is_closed() {
    let world = world(ServerOptions::default());
    for begun in ["", "GET /socket.io/ HTTP/1.1\r\nHost: s"] {
        let before = world.env.clock.monotonic();
        let mut stream = world.net.connect("server", 3000).await.unwrap();
        stream.write_all(begun.as_bytes()).await.unwrap();

        let mut answer = Vec::new();
        stream.read_to_end(&mut answer).await.unwrap();

        assert_eq!(world.env.clock.monotonic().since(before).as_secs(), 10);
    }
}

#[tokio::test(start_paused = true)]
async fn who_is_not_allowed_hears_why() {
    let world = world(ServerOptions::default());
    world.server.allow_request(|request| async move {
        match request.headers().get("authorization") {
            Some(token) if token == "good" => Ok(()),
            Some(_) => Err("Wrong token".to_owned()),
            None => Err(String::new()),
        }
    });
    let polling = "GET /socket.io/?EIO=4&transport=polling";
    let websocket = "GET /socket.io/?EIO=4&transport=websocket";
    let with_token = format!("{HANDSHAKE}Authorization: bad\r\n");
    for (line, headers, begins, ends) in [
        (polling, "Authorization: bad\r\n", "HTTP/1.1 403 ", r#"{"code":4,"message":"Wrong token"}"#),
        (polling, "", "HTTP/1.1 403 ", r#"{"code":4,"message":"Forbidden"}"#),
        (websocket, &*with_token, "HTTP/1.1 400 ", "\r\n\r\nWrong token"),
        // It is asked before the version is looked at, as by the reference implementation.
        (&polling.replace("EIO=4", "EIO=3"), "", "HTTP/1.1 403 ", r#"{"code":4,"message":"Forbidden"}"#),
    ] {
        let answer = request(&world, line, headers).await;
        assert!(answer.starts_with(begins) && answer.ends_with(ends), "{answer}");
    }

    let answer = request(&world, polling, "Authorization: good\r\n").await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    let answer = request(&world, &polling.replace("EIO=4", "EIO=3"), "Authorization: good\r\n").await;
    assert!(answer.ends_with(r#"{"code":5,"message":"Unsupported protocol version"}"#), "{answer}");
}

#[tokio::test(start_paused = true)]
async fn pages_of_other_origins_are_told_whether_they_may() {
    let world = world(ServerOptions { cors: Some(CorsOptions::default()), ..ServerOptions::default() });
    for (line, begins) in [
        ("OPTIONS /socket.io/?EIO=4&transport=polling", "HTTP/1.1 204 No Content\r\n"),
        ("GET /socket.io/?EIO=4&transport=polling", "HTTP/1.1 200 OK\r\n"),
        ("GET /socket.io/?EIO=4", "HTTP/1.1 400 Bad Request\r\n"),
    ] {
        let answer = request(&world, line, "Origin: http://page\r\n").await;
        assert!(answer.starts_with(begins), "{answer}");
        assert!(answer.contains("\r\naccess-control-allow-origin: *\r\n"), "{answer}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_server_that_only_polls_offers_no_upgrade() {
    let transports = vec![Transport::Polling];
    let world = world(ServerOptions { transports, ..ServerOptions::default() });

    let answer = request(&world, "GET /socket.io/?EIO=4&transport=polling", "").await;
    assert!(answer.contains(r#""upgrades":[]"#), "{answer}");
    let answer = request(&world, "GET /socket.io/?EIO=4&transport=websocket", HANDSHAKE).await;
    assert!(answer.ends_with("\r\n\r\nTransport unknown"), "{answer}");
}
