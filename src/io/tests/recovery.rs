//! Connection state recovery, as the wire and the handlers see it.

use serde_json::Value;

use super::*;
use crate::io::ConnectError;
use crate::socket::Recovery;

fn recovering() -> World {
    world(ServerOptions { recovery: Some(Recovery::default()), ..ServerOptions::default() })
}

/// What a client learns from the answer to its CONNECT.
async fn answer(raw: &mut Raw) -> Value {
    let text = raw.next().await.expect("an answer");
    serde_json::from_str(text.strip_prefix("40").expect("the answer comes first")).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_up_its_socket_and_its_handlers_know_what_it_missed() {
    let world = recovering();
    let (sender, mut sockets) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        sender.send(socket).unwrap();
        std::future::ready(())
    });
    let mut raw = world.raw_engine().await;
    raw.send("40").await;
    let first = answer(&mut raw).await;
    let socket = sockets.recv().await.unwrap();
    assert!(!socket.recovered() && socket.replayed().is_empty());
    drop(raw);
    world.env.sleep(SECOND).await;
    world.server.emit("n", number(1));
    socket.emit("n", number(2));
    world.env.sleep(SECOND).await;

    let mut raw = world.raw_engine().await;
    raw.send(&format!("40{}", json!({ "pid": first["pid"] }))).await;

    assert_eq!(answer(&mut raw).await, first, "the same id, the same secret");
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",1,"#));
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",2,"#));
    let again = sockets.recv().await.unwrap();
    assert!(again.recovered() && again.id() == socket.id());
    let replayed = [("n".to_owned(), number(1).into()), ("n".to_owned(), number(2).into())];
    assert_eq!(again.replayed(), replayed);
    again.emit("n", number(3));
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",3,"#));
    socket.emit_here("n", number(4));
    socket.emit("n", number(5));
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",5,"#), "the id is whose, not the connection");
}

#[tokio::test(start_paused = true)]
async fn who_is_not_let_in_any_more_is_sent_nothing_of_what_it_missed() {
    let world = recovering();
    let mut raw = world.raw_engine().await;
    raw.send("40").await;
    let first = answer(&mut raw).await;
    drop(raw);
    world.env.sleep(SECOND).await;
    world.server.emit("secret", number(1));
    world.server.use_middleware(|socket| async move {
        assert!(socket.recovered());
        Err(ConnectError::new("banned"))
    });

    let mut raw = world.raw_engine().await;
    raw.send(&format!("40{}", json!({ "pid": first["pid"] }))).await;

    assert_eq!(raw.next().await.unwrap(), r#"44{"message":"banned"}"#);
}

#[tokio::test(start_paused = true)]
async fn what_is_noted_about_a_socket_and_its_rooms_are_there_when_it_is_taken_up_again() {
    let world = recovering();
    let (sender, mut sockets) = mpsc::unbounded_channel();
    world.server.use_middleware(|socket| async move {
        assert_eq!(socket.recovered(), socket.data() == json!({ "user": "alice" }));
        Ok(())
    });
    world.server.on_connect(move |socket| {
        sender.send(socket).unwrap();
        std::future::ready(())
    });
    let mut raw = world.raw_engine().await;
    raw.send("40").await;
    let first = answer(&mut raw).await;
    let socket = sockets.recv().await.unwrap();
    socket.set_data(json!({ "user": "alice" }));
    socket.join("lobby");
    drop(raw);
    world.env.sleep(SECOND).await;

    let mut raw = world.raw_engine().await;
    raw.send(&format!("40{}", json!({ "pid": first["pid"] }))).await;
    let again = sockets.recv().await.unwrap();

    assert_eq!(again.data(), json!({ "user": "alice" }));
    assert_eq!(again.rooms().await, ["lobby".into(), again.id().into()].into());
    again.set_data(7);
    assert_eq!(socket.data(), json!(7), "what is noted concerns the id");
}

#[tokio::test(start_paused = true)]
async fn what_was_noted_goes_with_the_session() {
    let world = recovering();
    let (sender, mut sockets) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        assert_eq!(socket.data(), json!({}));
        sender.send(socket).unwrap();
        std::future::ready(())
    });
    let mut raw = world.raw_engine().await;
    raw.send("40").await;
    let first = answer(&mut raw).await;
    sockets.recv().await.unwrap().set_data("alice");
    drop(raw);
    world.env.sleep(SECOND * 200).await;

    let mut raw = world.raw_engine().await;
    raw.send(&format!("40{}", json!({ "pid": first["pid"] }))).await;

    assert!(!sockets.recv().await.unwrap().recovered());
}
