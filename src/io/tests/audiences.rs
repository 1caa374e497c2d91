//! What is asked of many sockets at once, through the API.

use crate::io::{AcksMissing, Socket};
use crate::socket::{Args, RoomName, args};

use super::*;

/// Clients that are connected, in their order, and their sockets.
struct Crowd {
    world: World,
    clients: Vec<(Client, mpsc::UnboundedReceiver<Event>)>,
    sockets: Vec<Socket>,
}

async fn crowd(size: usize) -> Crowd {
    let world = world(ServerOptions::default());
    let (sender, mut connected) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        sender.send(socket).unwrap();
        async {}
    });
    let (mut clients, mut sockets) = (Vec::new(), Vec::new());
    for _ in 0..size {
        clients.push(world.connected().await);
        sockets.push(connected.recv().await.unwrap());
    }
    Crowd { world, clients, sockets }
}

impl Crowd {
    /// Answers every event with a number.
    fn answer(&mut self, number: u64) {
        let (client, mut events) = self.clients.remove(0);
        self.world.env.spawn(async move {
            while let Some(event) = events.recv().await {
                if let Event::Received { ack: Some(id), .. } = event {
                    client.ack(id, args![number]);
                }
            }
        });
    }
}

#[tokio::test(start_paused = true)]
async fn a_broadcast_gives_the_answers_of_all() {
    let mut crowd = crowd(3).await;
    (0..3).for_each(|number| crowd.answer(number));

    let everyone = crowd.world.server.timeout(SECOND).emit_with_ack("?", args!["a"]).await;
    let others = crowd.sockets[0].broadcast().timeout(SECOND).emit_with_ack("?", Args::none()).await;

    let numbers = |answers: Vec<Args>| {
        let mut numbers: Vec<u64> = answers.iter().map(|answer| answer.get(0).unwrap()).collect();
        numbers.sort_unstable();
        numbers
    };
    assert_eq!(everyone.map(numbers), Ok(vec![0, 1, 2]));
    assert_eq!(others.map(numbers), Ok(vec![1, 2]));
    assert_eq!(crowd.world.server.to("nowhere").emit_with_ack("?", Args::none()).await, Ok(vec![]));
}

#[tokio::test(start_paused = true)]
async fn who_does_not_answer_in_time_is_missing_and_who_has_gone_is_not() {
    let mut crowd = crowd(3).await;
    crowd.answer(7);
    let before = crowd.world.env.clock.monotonic();
    let partial = crowd.world.server.timeout(SECOND).emit_with_ack("?", Args::none()).await;

    assert_eq!(partial, Err(AcksMissing { answers: vec![args![7]], missing: 2 }));
    assert_eq!(crowd.world.env.clock.monotonic().since(before), SECOND);

    let asking = crowd.world.server.timeout(60 * SECOND);
    let gone: Vec<_> = crowd.clients.drain(..).collect();
    let (complete, ()) = tokio::join!(asking.emit_with_ack("?", Args::none()), async {
        crowd.world.env.sleep(SECOND).await;
        drop(gone);
    });
    assert_eq!(complete, Ok(vec![args![7]]));
    assert!(crowd.world.env.clock.monotonic().since(before) < 10 * SECOND, "no one waited for the time");
}

#[tokio::test(start_paused = true)]
async fn many_sockets_are_found_moved_and_disconnected() {
    let mut crowd = crowd(3).await;
    let io = crowd.world.server.clone();
    let ids = |sockets: &[Socket]| sockets.iter().map(|socket| socket.id().clone()).collect::<Vec<_>>();
    let all = ids(&crowd.sockets);
    crowd.sockets[0].join(["lobby", "attic"]);
    crowd.sockets[2].join("lobby".to_owned());

    assert_eq!(ids(&io.fetch_sockets().await), all);
    assert_eq!(ids(&io.r#in("lobby").fetch_sockets().await), [all[0].clone(), all[2].clone()]);
    assert_eq!(ids(&crowd.sockets[0].to(["lobby", "attic"]).fetch_sockets().await), all[2..]);

    io.r#in(vec!["attic"]).sockets_join(["cellar"]);
    io.except("attic").sockets_leave("lobby");
    let rooms = |names: &[&str]| names.iter().map(|&name| RoomName::from(name)).collect();
    assert_eq!(crowd.sockets[0].rooms().await, rooms(&[all[0].as_str(), "attic", "cellar", "lobby"]));
    assert_eq!(crowd.sockets[2].rooms().await, rooms(&[all[2].as_str()]));

    io.local().except("cellar").disconnect_sockets(true);
    for (_client, events) in &mut crowd.clients[1..] {
        assert_eq!(until_disconnected(events).await, DisconnectReason::IoServerDisconnect);
    }
    assert_eq!(ids(&io.fetch_sockets().await), all[..1]);
    assert!(crowd.sockets[1].rooms().await.is_empty());
}

#[tokio::test(start_paused = true)]
async fn who_joined_a_room_hears_what_is_sent_to_it_next() {
    let mut crowd = crowd(2).await;
    let io = crowd.world.server.clone();

    io.sockets_join("lobby");
    io.to("lobby").emit("first", number(1));
    io.sockets_leave("lobby");
    io.to("lobby").emit("second", number(2));
    io.emit("third", number(3));

    for (_client, events) in &mut crowd.clients {
        assert_eq!(next_number(events).await, 1);
        assert_eq!(next_number(events).await, 3);
    }
}
