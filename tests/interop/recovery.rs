//! Connection state recovery with the official client and with the official server: who counts aloud is heard to the end,
//! each number once and in order, however often the connection breaks.

use std::time::Duration;

use serde_json::{Value, json};
use squall::io::{Event, ServerOptions};
use squall::socket::Recovery;
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
