//! What official clients make of the server's own API: namespaces that match, middlewares, answers of many, and ends.

use std::time::Duration;

use serde_json::{Value, json};
use squall::io::{AcksMissing, ConnectError, ServerOptions};
use squall::socket::{Args, args};
use squall::{Env, Server, Socket};
use tokio::net::TcpListener;
use tokio::sync::mpsc;

use crate::node::{Node, Script};
use crate::official_server::within;
use crate::process::Deadline;
use crate::{PATIENCE, SCRIPTS};

/// Long enough for who answers at all, on a busy machine.
const ANSWERS: Duration = Duration::from_secs(5);

/// The sockets that came, and what their middlewares refused.
struct Tenants {
    sockets: mpsc::UnboundedReceiver<Socket>,
    refused: mpsc::UnboundedReceiver<String>,
}

/// Lets who knows the word into `/tenant-…`.
fn tenants(server: &Server) -> Tenants {
    let tenants = server.of_matching(|name, _auth| async move { name.starts_with("/tenant-") });
    tenants.use_middleware(|socket| async move {
        if socket.auth()["token"] == "open sesame" {
            return Ok(());
        }
        Err(ConnectError { message: "not you".to_owned(), data: Some(json!({ "code": 7 })) })
    });
    let (sender, sockets) = mpsc::unbounded_channel();
    let (refusals, refused) = mpsc::unbounded_channel();
    tenants.on_connect(move |socket| {
        let refusals = refusals.clone();
        socket.use_middleware(|_socket, event| async move {
            if event.name == "forbidden" { Err("no".into()) } else { Ok(event) }
        });
        socket.on_error(move |_socket, error| {
            drop(refusals.send(error.event.clone()));
            async {}
        });
        socket.on_typed("add", |_socket, (one, two): (i64, i64), ack| async move {
            ack.send(args![one + two]);
        });
        socket.join(["guests", user(&socket).as_str()]);
        drop(sender.send(socket));
        async {}
    });
    Tenants { sockets, refused }
}

fn user(socket: &Socket) -> String {
    socket.handshake().request.query["user"].clone()
}

/// What a script tells by that name.
fn told(script: &mut Script, name: &str) -> Value {
    script.until(|event| Ok((event["event"] == name).then(|| event.clone())))
}

/// Two things of these names, in whatever order they are told.
fn told_both(script: &mut Script, names: [&str; 2]) -> [Value; 2] {
    let mut found = names.map(|_| None);
    script.until(|event| {
        if let Some(place) = names.iter().position(|name| event["event"] == *name) {
            found[place] = Some(event.clone());
        }
        Ok(found.iter().all(Option::is_some).then(|| found.clone().map(Option::unwrap_or_default)))
    })
}

#[test]
fn official_clients_are_an_audience_that_is_matched_asked_and_dismissed() {
    let test = "official_clients_are_an_audience_that_is_matched_asked_and_dismissed";
    let Some(node) = Node::ready(test, &[SCRIPTS]) else { return };
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build();
    runtime.expect("a runtime").block_on(within(PATIENCE, story(node)));
}

async fn story(node: Node) {
    let env = Env::tokio();
    let server = Server::new(&env, ServerOptions::default());
    let mut tenants = tenants(&server);
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
    let url = format!("http://{}", listener.local_addr().expect("it is bound"));
    let serving = server.clone();
    env.spawn(async move { serving.serve(listener).await.expect("it serves to its end") });
    let mut script = node.run("audience.mjs", &[&url], Deadline::after(PATIENCE));

    let [answered, refused] = told_both(&mut script, ["answered", "refused"]);
    let error = "argument 1 is not valid: invalid type: string \"two\", expected i64";
    assert_eq!(answered, json!({ "event": "answered", "sum": 3, "misfit": { "error": error } }));
    let (why, data) = ("not you", json!({ "code": 7 }));
    assert_eq!(
        refused,
        json!({ "event": "refused", "user": "mallory", "message": why, "data": data, "active": false })
    );
    let mut sockets = Vec::new();
    while sockets.len() < 3 {
        sockets.push(tenants.sockets.recv().await.expect("the server lives"));
    }
    for socket in &sockets {
        assert_eq!(socket.handshake().request.headers["x-user"], user(socket).as_str());
        assert_eq!(socket.namespace(), "/tenant-a");
    }
    assert_eq!(tenants.refused.recv().await.as_deref(), Some("add"));
    assert_eq!(tenants.refused.recv().await.as_deref(), Some("forbidden"));

    ask_and_dismiss(&sockets[0], &mut script).await;
    server.shutdown(ANSWERS).await;
}

/// Whichever socket it is: its namespace is what counts.
async fn ask_and_dismiss(socket: &Socket, script: &mut Script) {
    let tenant = socket.nsp();
    let names = |answers: Vec<Args>| {
        let names = answers.iter().map(|answer| answer.get(0).expect("a name"));
        let mut names: Vec<String> = names.collect();
        names.sort();
        names
    };
    let talkers = tenant.to("guests").except("silent").timeout(PATIENCE);
    assert_eq!(
        talkers.emit_with_ack("?", Args::none()).await.map(names),
        Ok(names(vec![args!["alice"], args!["bob"]]))
    );
    let everyone = tenant.timeout(ANSWERS).emit_with_ack("?", Args::none()).await;
    let AcksMissing { answers, missing } = everyone.expect_err("one is silent");
    assert_eq!((names(answers), missing), (names(vec![args!["alice"], args!["bob"]]), 1));

    tenant.to("silent").disconnect_sockets(false);
    let gone = told(script, "disconnected");
    let dismissed = "io server disconnect";
    assert_eq!(
        gone,
        json!({ "event": "disconnected", "user": "silent", "reason": dismissed, "active": false })
    );
    for socket in tenant.to(["alice", "bob"]).fetch_sockets().await {
        socket.close_connection();
        let gone = told(script, "disconnected");
        assert_eq!((&gone["user"], &gone["reason"]), (&json!(user(&socket)), &json!("transport close")));
    }
}
