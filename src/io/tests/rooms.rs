//! Who hears what is sent to many.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};

use crate::io::Socket;
use crate::socket::Args;

use super::*;

/// The first argument of the next event, a name.
async fn next_name(events: &mut mpsc::UnboundedReceiver<Event>) -> String {
    loop {
        if let Event::Received { name, .. } = events.recv().await.expect("the client lives") {
            return name;
        }
    }
}

/// Clients that call themselves by their names, in rooms, and their sockets on the server.
struct Cast {
    world: World,
    sockets: Arc<Mutex<BTreeMap<String, Socket>>>,
    clients: Vec<Client>,
}

impl Cast {
    fn new() -> Self {
        let world = world(ServerOptions::default());
        let sockets = Arc::new(Mutex::new(BTreeMap::new()));
        let named = sockets.clone();
        world.server.on_connect(move |socket| {
            let named = named.clone();
            async move {
                socket.on("join", move |socket, event| {
                    named.lock().unwrap().insert(event.args.get(0).unwrap(), socket.clone());
                    socket.join(event.args.get::<String>(1).unwrap());
                    event.ack.send(Args::none());
                    async {}
                });
            }
        });
        Self { world, sockets, clients: Vec::new() }
    }

    async fn enter(&mut self, name: &str, room: &str) -> mpsc::UnboundedReceiver<Event> {
        let (client, events) = self.world.connected().await;
        client.emit_with_ack("join", vec![json!(name), json!(room)], None).await.unwrap();
        self.clients.push(client);
        events
    }

    fn socket(&self, name: &str) -> Socket {
        self.sockets.lock().unwrap()[name].clone()
    }
}

#[tokio::test(start_paused = true)]
async fn a_room_a_broadcast_and_everyone_are_different_audiences() {
    let mut cast = Cast::new();
    let mut alice = cast.enter("alice", "lobby").await;
    let mut bob = cast.enter("bob", "lobby").await;
    let mut carol = cast.enter("carol", "attic").await;

    cast.socket("alice").to("lobby").emit("to lobby, not alice", Args::none());
    cast.socket("alice").broadcast().emit("not alice", Args::none());
    cast.socket("alice").except("attic").emit("neither alice nor attic", Args::none());
    cast.world.server.to("lobby").to("attic").emit("to both rooms", Args::none());
    cast.world.server.except("lobby").emit("not to lobby", Args::none());
    cast.socket("bob").leave("lobby");
    cast.world.server.to("lobby").emit("to lobby without bob", Args::none());
    cast.world.server.emit("end", Args::none());

    for expected in ["to both rooms", "to lobby without bob", "end"] {
        assert_eq!(next_name(&mut alice).await, expected);
    }
    for expected in ["to lobby, not alice", "not alice", "neither alice nor attic", "to both rooms", "end"] {
        assert_eq!(next_name(&mut bob).await, expected);
    }
    for expected in ["not alice", "to both rooms", "not to lobby", "end"] {
        assert_eq!(next_name(&mut carol).await, expected);
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_volatile_is_dropped_where_something_waits() {
    let mut cast = Cast::new();
    let mut alice = cast.enter("alice", "lobby").await;
    let socket = cast.socket("alice");
    cast.world.env.sleep(SECOND).await;

    socket.volatile().emit("nothing waited", Args::none());
    socket.volatile().emit("that one waited", Args::none());
    cast.world.server.volatile().emit("that one too", Args::none());
    cast.world.env.sleep(SECOND).await;
    cast.world.server.to("lobby").volatile().emit("nothing waits again", Args::none());

    assert_eq!(next_name(&mut alice).await, "nothing waited");
    assert_eq!(next_name(&mut alice).await, "nothing waits again");
}
