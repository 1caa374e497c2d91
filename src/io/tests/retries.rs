//! Events that are sent until they are acknowledged.

use crate::socket::OptionsError;

use super::*;

#[tokio::test(start_paused = true)]
async fn retries_keep_order_and_repeat_until_acknowledged() {
    let world = world(ServerOptions::default());
    let (sender, mut received) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let (sender, calls) = (sender.clone(), std::sync::atomic::AtomicU32::new(0));
        async move {
            socket.on("hello", move |_socket, event| {
                sender.send(event.args.get::<u64>(0).unwrap()).unwrap();
                // Every second event is acknowledged.
                if calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) % 2 == 1 {
                    event.ack.send(event.args);
                }
                async {}
            });
        }
    });
    let options = ClientOptions { retries: Some(3), ack_timeout: Some(SECOND), ..ClientOptions::default() };
    let (client, _events) = world.client_with(options);
    client.connect();

    client.emit("hello", number(1));
    client.emit("hello", number(2));
    let third = client.emit_with_ack("hello", number(3), None).await;

    assert_eq!(third.unwrap().get::<u64>(0).unwrap(), 3);
    for expected in [1, 1, 2, 2, 3, 3] {
        assert_eq!(received.recv().await, Some(expected));
    }
}

#[tokio::test(start_paused = true)]
async fn options_that_do_not_go_together_are_an_error_at_once() {
    let world = world(ServerOptions::default());
    let options = ClientOptions { retries: Some(3), ..ClientOptions::default() };

    let error = Client::new(&world.env, world.net.clone(), url(), options).err();

    assert_eq!(error, Some(OptionsError::RetriesWithoutAckTimeout));
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_is_dropped_while_not_connected() {
    let world = world(ServerOptions::default());
    echo(&world.server);
    let (sender, mut received) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        let sender = sender.clone();
        async move {
            socket.on("say", move |_socket, event| {
                sender.send(event.args.get::<u64>(0).unwrap()).unwrap();
                async {}
            });
        }
    });
    let (client, mut events) = world.client();
    client.volatile().emit("say", number(1));
    client.emit("say", number(2));
    client.connect();
    until_connected(&mut events).await;
    client.volatile().emit("say", number(3));

    assert_eq!((received.recv().await, received.recv().await), (Some(2), Some(3)));
}
