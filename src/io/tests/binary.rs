//! Bytes among arguments.

use std::collections::BTreeMap;

use bytes::Bytes;

use crate::socket::args;

use super::*;

#[tokio::test(start_paused = true)]
async fn bytes_travel_both_ways_and_in_answers() {
    let world = world(ServerOptions::default());
    world.server.on_connect(|socket| async move {
        socket.emit("hello", args![Bytes::from_static(b"down")]);
        socket.on("up", |_socket, event| async move {
            let up: BTreeMap<u8, Bytes> = event.args.get(0).unwrap();
            event.ack.send(args!["got", up[&5]]);
        });
    });
    let (client, mut events) = world.connected().await;

    let Some(Event::Received { args, .. }) = events.recv().await else { panic!("the server says hello") };
    assert_eq!(args.get::<Bytes>(0).unwrap(), "down");
    let answer =
        client.emit_with_ack("up", args![BTreeMap::from([(5, Bytes::from_static(b"up"))])], None).await;
    assert_eq!(answer, Ok(args!["got", Bytes::from_static(b"up")]));
}

#[tokio::test(start_paused = true)]
async fn attachments_that_do_not_come_as_announced_cost_the_connection() {
    let world = world(ServerOptions::default());
    let mut reasons = report_disconnects(&world.server);
    let announced = r#"451-["a",{"_placeholder":true,"num":0}]"#;
    for second in ["42[\"b\"]", announced, "41"] {
        let mut raw = world.raw().await;
        raw.send(announced).await;
        raw.send(second).await;
        assert_eq!(reasons.recv().await, Some(DisconnectReason::ForcedClose), "for {second:?}");
    }

    let mut stray = world.raw().await;
    stray.send_binary(&[1]).await;
    assert_eq!(reasons.recv().await, Some(DisconnectReason::ForcedClose));

    let mut twice = world.raw().await;
    twice.send(announced).await;
    twice.send_binary(&[1]).await;
    twice.send_binary(&[2]).await;
    assert_eq!(reasons.recv().await, Some(DisconnectReason::ForcedClose));
}
