//! Connection state recovery with the official client and with the official server: who counts aloud is heard to the end,
//! each number once and in order, however often the connection breaks, and however often our server is killed.

use std::path::Path;
use std::time::Duration;

use serde_json::{Value, json};
use squall::io::{Event, ServerOptions};
use squall::socket::Recovery;
use squall::store::SqliteSessions;
use squall::{Env, Server};

use crate::node::Node;
use crate::official_server::{Way, connect_to, eager};
use crate::process::Deadline;
use crate::squall::free_port;
use crate::{PATIENCE, SCRIPTS};

const LAST: u64 = 200;
const TICK: Duration = Duration::from_millis(3);

fn runtime() -> tokio::runtime::Runtime {
    let mut builder = tokio::runtime::Builder::new_multi_thread();
    builder.worker_threads(1).enable_all().build().expect("a runtime")
}

#[test]
fn the_official_client_takes_up_its_socket_on_our_server() {
    let Some(node) = Node::ready("the_official_client_takes_up_its_socket_on_our_server", &[SCRIPTS]) else {
        return;
    };
    let runtime = runtime();
    let _inside = runtime.enter();
    let env = Env::tokio();
    let recovery = Some(Recovery::default());
    let server = Server::new(&env, ServerOptions { recovery, ..ServerOptions::default() });
    let listener = runtime.block_on(tokio::net::TcpListener::bind("127.0.0.1:0")).expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let (counting, serving) = (env.clone(), server.clone());
    server.on_connect(move |socket| {
        let env = counting.clone();
        async move {
            if !socket.recovered() {
                let counting = count(env.clone(), socket.server());
                env.spawn(counting);
            }
        }
    });
    env.spawn(async move { drop(serving.serve(listener).await) });

    let mut client = node.run("recovering_client.mjs", &[&url, &LAST.to_string()], Deadline::after(PATIENCE));
    let counted = client.until(|event| Ok((event["event"] == "counted").then(|| event.clone())));

    assert_eq!(counted["numbers"], json!((1..=LAST).collect::<Vec<u64>>()));
    assert_eq!(counted["fresh"], 1);
    assert!(counted["recovered"].as_u64() >= Some(5), "{counted}");
}

/// How often the server is killed.
const KILLS: u64 = 3;

#[test]
fn the_official_client_takes_up_its_socket_after_our_server_was_killed() {
    let name = "the_official_client_takes_up_its_socket_after_our_server_was_killed";
    let Some(node) = Node::ready(name, &[SCRIPTS]) else { return };
    let directory = tempfile::tempdir().expect("a directory");
    let path = directory.path().join("sessions.db");
    let (port, last) = (free_port(), KILLS * 1000 + LAST);
    let url = format!("http://127.0.0.1:{port}");
    let mut life = counting_life(&path, port, 0);
    let mut client = node.run("recovering_client.mjs", &[&url, &last.to_string()], Deadline::after(PATIENCE));

    for kill in 1..=KILLS {
        // Twice in each life, so that the socket is also taken up within it.
        for _ in 0..2 {
            client.until(|event| {
                let in_this_life = event["number"].as_u64().is_some_and(|number| number / 1000 + 1 == kill);
                Ok((event["event"] == "broke" && in_this_life).then_some(()))
            });
        }
        drop(life);
        life = counting_life(&path, port, kill);
    }
    let counted = client.until(|event| Ok((event["event"] == "counted").then(|| event.clone())));

    let numbers: Vec<u64> = serde_json::from_value(counted["numbers"].clone()).expect("numbers");
    let first = |life: u64| life * 1000 + 1;
    let heard = |life| numbers.iter().copied().filter(move |number| number / 1000 == life);
    for life in 0..=KILLS {
        // What a server that is killed has not stored, nobody hears of: a prefix of what it said.
        let count = heard(life).count() as u64;
        assert!(heard(life).eq(first(life)..first(life) + count) && count > 20, "{counted}");
    }
    assert!(numbers.is_sorted());
    assert_eq!(counted["fresh"], 1);
    assert!(counted["recovered"].as_u64() >= Some(2 * KILLS), "{counted}");
}

/// A server that counts, from its first moment on, in a room in which its only client is. It dies with its runtime.
fn counting_life(path: &Path, port: u16, life: u64) -> tokio::runtime::Runtime {
    let runtime = runtime();
    runtime.block_on(async {
        let env = Env::tokio();
        let store = SqliteSessions::open(path).expect("the one before is dead");
        let server = Server::with_session_store(&env, ServerOptions::default(), store);
        let counting = env.clone();
        server.on_connect(move |socket| {
            if socket.recovered() {
                assert_eq!(socket.data(), json!({ "user": "alice" }));
            } else {
                socket.set_data(json!({ "user": "alice" }));
                socket.join("numbers");
                counting.spawn(count_in_room(counting.clone(), socket.server(), life));
            }
            std::future::ready(())
        });
        if life > 0 {
            env.spawn(count_in_room(env.clone(), server.clone(), life));
        }
        let listener = tokio::net::TcpListener::bind(("127.0.0.1", port)).await.expect("it is free again");
        env.spawn(async move { drop(server.serve(listener).await) });
    });
    runtime
}

async fn count_in_room(env: Env, server: Server, life: u64) {
    for number in 1..=LAST {
        server.to("numbers").emit("count", vec![json!(life * 1000 + number)]);
        env.sleep(TICK).await;
    }
}

async fn count(env: Env, server: Server) {
    for number in 1..=LAST {
        server.emit("count", vec![json!(number)]);
        env.sleep(TICK).await;
    }
}

#[test]
fn we_take_up_our_socket_on_the_official_server() {
    let Some(node) = Node::ready("we_take_up_our_socket_on_the_official_server", &[SCRIPTS]) else { return };
    let port = free_port();
    let arguments = [port.to_string(), LAST.to_string()];
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let mut server = node.run("recovering_server.mjs", &arguments, Deadline::after(PATIENCE));
    server.until(|event| Ok((event["event"] == "listening").then_some(())));

    let (numbers, recovered) = runtime().block_on(async {
        let (client, mut events) = connect_to(port, eager(Way::WebSocket));
        client.connect();
        let (mut numbers, mut recovered) = (Vec::new(), 0);
        while numbers.len() < LAST as usize {
            let event = events.recv().await.expect("the client lives");
            if let Event::Connected { recovered: again, .. } = event {
                recovered += usize::from(again);
            } else if let Event::Received { args, .. } = event {
                numbers.extend(args.values().first().and_then(Value::as_u64));
            }
        }
        (numbers, recovered)
    });

    assert_eq!(numbers, (1..=LAST).collect::<Vec<u64>>());
    assert!(recovered >= 5, "{recovered}");
}
