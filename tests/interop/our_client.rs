//! The other way round: what our client makes of the official server, which is asked what it heard, on each transport.

use std::io::ErrorKind;
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::json;
use squall::Client;
use squall::io::{ClientOptions, ConnectFailure, Event};
use squall::socket::{AckError, Args, args};
use tokio::sync::mpsc::UnboundedReceiver;

use crate::PATIENCE;
use crate::official_server::{connect_to, eager, run, run_with};

#[test]
fn the_official_server_acknowledges_us_and_we_acknowledge_it() {
    run("the_official_server_acknowledges_us_and_we_acknowledge_it", async |mut pair| {
        let sent = vec![json!(1), json!("2"), json!({ "3": ["4", null] }), json!("안녕 🦀\u{2028}")];
        let answer = pair.client.emit_with_ack("echo", sent.clone(), None).await.expect("an answer");
        assert_eq!(answer.values(), sent);
        assert_eq!(pair.told("connected")["auth"], json!({ "token": "grüß dich" }));

        pair.client.emit("ask me", vec![json!("who is there?")]);
        let ack = pair
            .heard(|event| {
                let Event::Received { name, args, ack } = event else { return None };
                assert_eq!((name.as_str(), args), ("question", &args!["who is there?"]));
                Some(ack.expect("the server asks for an answer"))
            })
            .await;
        pair.client.ack(ack, vec![json!({ "name": "squall" })]);
        assert_eq!(pair.told("answered")["answer"], json!({ "name": "squall" }));
    });
}

/// The third argument of the notes' example.
#[derive(Debug, PartialEq, Serialize, Deserialize)]
struct Complex {
    #[serde(rename = "3")]
    three: String,
    #[serde(rename = "5")]
    five: Bytes,
}

#[test]
fn bytes_travel_to_the_official_server_and_back_and_in_answers() {
    run("bytes_travel_to_the_official_server_and_back_and_in_answers", async |mut pair| {
        let complex = Complex { three: "4".to_owned(), five: Bytes::from_static(&[6]) };
        pair.client.emit("hello", args![1, "2", complex]);
        let greeted =
            json!({ "event": "greeted", "args": [1, "2"], "three": "4", "isBuffer": true, "five": "06" });
        assert_eq!(pair.told("greeted"), greeted);
        let back = pair
            .heard(|event| {
                let Event::Received { args, .. } = event else { return None };
                Some(args.clone())
            })
            .await;
        assert_eq!(back, args![1, "2", complex]);

        let long = Bytes::from((0..100_000).map(|n| n as u8).collect::<Vec<u8>>());
        let sent = args![long, "between", [Bytes::new(), Bytes::from_static(b"\0\x1e4")]];
        let answer = pair.client.emit_with_ack("echo", sent.clone(), None).await.expect("an answer");
        assert_eq!(answer, sent);
    });
}

#[test]
fn what_was_emitted_while_the_official_server_was_down_arrives_in_order_when_it_is_back() {
    let test = "what_was_emitted_while_the_official_server_was_down_arrives_in_order_when_it_is_back";
    run(test, async |mut pair| {
        pair.connected().await;
        pair.upgraded();
        pair.client.emit("note", vec![json!("before")]);
        assert_eq!(pair.told("noted")["text"], "before");

        pair.kill_server();
        let reason = pair
            .heard(|event| {
                let Event::Disconnected(reason) = event else { return None };
                Some(*reason)
            })
            .await;
        assert_eq!(reason, pair.way.end());
        for n in 0..20 {
            pair.client.emit("note", vec![json!(format!("meanwhile {n}"))]);
        }
        // An attempt was refused: it is not only the first that finds the server.
        let refused = |why: &ConnectFailure| {
            matches!(why, ConnectFailure::Network { kind: ErrorKind::ConnectionRefused, .. })
        };
        pair.heard(|event| matches!(event, Event::ConnectFailed(why) if refused(why)).then_some(())).await;
        pair.start_server();

        pair.connected().await;
        pair.client.emit("note", vec![json!("after")]);
        for n in 0..20 {
            assert_eq!(pair.told("noted")["text"], format!("meanwhile {n}"));
        }
        assert_eq!(pair.told("noted")["text"], "after");
    });
}

/// Asks the server for something and waits until it has done it.
async fn done(client: &Client, name: &str, args: Args) {
    client.emit_with_ack(name, args, Some(PATIENCE)).await.expect("the server says that it is done");
}

/// The texts that a client is told, up to the last.
async fn told_until(events: &mut UnboundedReceiver<Event>, last: &str) -> Vec<String> {
    let mut told = Vec::new();
    loop {
        let event = events.recv().await.expect("the client lives");
        if let Event::Received { name, args, .. } = event
            && name == "told"
        {
            let text: String = args.get(0).expect("a text");
            if text == last {
                return told;
            }
            told.push(text);
        }
    }
}

#[test]
fn we_hear_what_the_official_server_sends_to_our_rooms() {
    run("we_hear_what_the_official_server_sends_to_our_rooms", async |mut pair| {
        let (other, mut others) = connect_to(pair.port, eager(pair.way));
        other.connect();
        done(&pair.client, "join", args!["some room"]).await;
        done(&other, "join", args!["another room"]).await;

        done(&other, "to room", args!["some room", "to us"]).await;
        done(&other, "to room", args!["another room", "to the other"]).await;
        done(&pair.client, "to others", args!["not to us"]).await;
        done(&pair.client, "leave", args!["some room"]).await;
        done(&other, "to room", args!["some room", "to nobody"]).await;
        done(&other, "to others", args!["end for us"]).await;
        done(&pair.client, "to others", args!["end for the other"]).await;

        assert_eq!(told_until(&mut pair.events, "end for us").await, ["to us"]);
        assert_eq!(told_until(&mut others, "end for the other").await, ["to the other", "not to us"]);
    });
}

#[test]
fn the_official_server_refuses_a_namespace_with_its_reason_and_lets_us_in_with_another_token() {
    let test = "the_official_server_refuses_a_namespace_with_its_reason_and_lets_us_in_with_another_token";
    run(test, async |pair| {
        for (name, error) in [
            ("/nowhere", json!({ "message": "Invalid namespace" })),
            ("/members", json!({ "message": "members only", "data": { "code": 7 } })),
        ] {
            let (namespace, mut events) = pair.client.of(name);
            namespace.connect();
            assert_eq!(events.recv().await, Some(Event::ConnectError(error)), "{name}");
        }

        let (members, mut events) = pair.client.of("members");
        members.set_auth(Some(json!({ "token": "member" })));
        members.connect();
        assert!(matches!(events.recv().await, Some(Event::Connected { .. })));
        let answer = members.emit_with_ack("whoami", args![], Some(PATIENCE)).await;
        assert_eq!(answer, Ok(args!["/members"]));
        let answer = pair.client.emit_with_ack("echo", args!["still here"], Some(PATIENCE)).await;
        assert_eq!(answer, Ok(args!["still here"]));
    });
}

/// Each event twice at most, one at a time.
fn retrying(ack_timeout: Duration) -> impl Fn(ClientOptions) -> ClientOptions {
    move |options| ClientOptions { retries: Some(1), ack_timeout: Some(ack_timeout), ..options }
}

#[test]
fn with_retries_the_next_event_is_on_the_wire_only_after_the_acknowledgement() {
    let test = "with_retries_the_next_event_is_on_the_wire_only_after_the_acknowledgement";
    run_with(test, retrying(PATIENCE), async |mut pair| {
        pair.connected().await;
        pair.upgraded();
        for n in 1..=3 {
            pair.client.emit("slow", args![n]);
        }
        let server = pair.server.as_mut().expect("the server runs");
        let mut story = Vec::new();
        while story.len() < 6 {
            let event = server.event();
            match event["event"].as_str() {
                Some("packet") => story.push(event["data"].clone()),
                Some("acknowledged") => story.push(event["n"].clone()),
                Some(_) | None => {}
            }
        }
        let expected = [
            json!("20[\"slow\",1]"),
            json!(1),
            json!("21[\"slow\",2]"),
            json!(2),
            json!("22[\"slow\",3]"),
            json!(3),
        ];
        assert_eq!(story, expected);
    });
}

#[test]
fn with_retries_an_event_is_sent_again_until_its_answer_arrives_or_its_tries_are_spent() {
    let test = "with_retries_an_event_is_sent_again_until_its_answer_arrives_or_its_tries_are_spent";
    run_with(test, retrying(Duration::from_millis(500)), async |mut pair| {
        let answer = pair.client.emit_with_ack("losing answers", args![1], None).await;
        assert_eq!(answer, Ok(args!["done"]), "the second try is the last");
        let given_up = pair.client.emit_with_ack("losing answers", args![100], None).await;
        assert_eq!(given_up, Err(AckError::TimedOut));
        pair.client.emit("note", args!["what waited behind it"]);

        let server = pair.server.as_mut().expect("the server runs");
        let mut tries = 0;
        server.until(|event| {
            tries += u32::from(event["event"] == "did it");
            Ok((event["event"] == "noted").then_some(()))
        });
        assert_eq!(tries, 4, "two events, two tries each");
    });
}
