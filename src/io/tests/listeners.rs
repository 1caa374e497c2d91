//! What an application registers at a socket, and when it runs.

use crate::io::{Incoming, Socket};
use crate::socket::{AckError, Args, args};

use super::*;

/// What handlers did, in order.
#[derive(Clone)]
struct Notes(mpsc::UnboundedSender<String>);

impl Notes {
    fn add(&self, note: impl std::fmt::Display) {
        self.0.send(note.to_string()).unwrap();
    }
}

/// A server whose sockets are set up so, and a client of it.
async fn set_up(
    with: impl Fn(&Env, &Socket, Notes) + Send + Sync + 'static,
) -> (World, Client, mpsc::UnboundedReceiver<String>) {
    let world = world(ServerOptions::default());
    let (sender, notes) = mpsc::unbounded_channel();
    let env = world.env.clone();
    world.server.on_connect(move |socket| {
        with(&env, &socket, Notes(sender.clone()));
        async {}
    });
    let (client, _events) = world.connected().await;
    (world, client, notes)
}

async fn expect(notes: &mut mpsc::UnboundedReceiver<String>, expected: &[&str]) {
    for note in expected {
        assert_eq!(notes.recv().await.as_deref(), Some(*note));
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_sent_is_heard_at_once() {
    let (_world, _client, mut notes) = set_up(|_env, socket, notes| {
        let outgoing = notes.clone();
        socket.on_any_outgoing(move |name, args| outgoing.add(format!("{name} {:?}", args.values())));
        socket.emit("a", args![1]);
        socket.volatile().emit("b", args![]);
        socket.emit_here("c", args![]);
        let asking = socket.clone();
        socket.spawn(async move {
            drop(asking.emit_with_ack("d", args![], Some(SECOND)).await);
            asking.off_any_outgoing();
            asking.emit("e", args![]);
            notes.add("forgotten");
        });
    })
    .await;

    expect(&mut notes, &["a [Number(1)]", "b []", "c []", "d []", "forgotten"]).await;
}

#[tokio::test(start_paused = true)]
async fn several_handlers_of_an_event_run_one_after_another_and_the_first_answer_counts() {
    let (_world, client, mut notes) = set_up(|env, socket, notes| {
        for name in ["first", "second"] {
            let (env, notes) = (env.clone(), notes.clone());
            socket.on("a", move |_socket, event| {
                let (env, notes) = (env.clone(), notes.clone());
                async move {
                    notes.add(format!("{name} begins"));
                    env.sleep(SECOND).await;
                    notes.add(format!("{name} ends"));
                    event.ack.send(args![name]);
                }
            });
        }
    })
    .await;

    assert_eq!(client.emit_with_ack("a", Args::none(), None).await, Ok(args!["first"]));
    client.emit("a", Args::none());

    let once = ["first begins", "first ends", "second begins", "second ends"];
    expect(&mut notes, &[once, once].concat()).await;
}

#[tokio::test(start_paused = true)]
async fn once_is_once_and_off_is_off() {
    let (_world, client, mut notes) = set_up(|_env, socket, notes| {
        let (once, always, gone) = (notes.clone(), notes.clone(), notes.clone());
        socket.once("a", |_socket, _event| async move { once.add("once") });
        socket.on("a", move |socket, _event| {
            always.add("always");
            socket.once("a", |_socket, event| async move { event.ack.send(args!["from the next on"]) });
            async {}
        });
        socket.on("b", move |socket, _event| {
            gone.add("b");
            socket.off("b");
            async {}
        });
    })
    .await;

    for _ in 0..2 {
        client.emit("b", Args::none());
    }
    let unanswered = client.emit_with_ack("a", Args::none(), Some(SECOND)).await;
    assert_eq!(unanswered, Err(AckError::TimedOut), "who was registered meanwhile hears the next event");
    assert_eq!(client.emit_with_ack("a", Args::none(), None).await, Ok(args!["from the next on"]));
    expect(&mut notes, &["b", "once", "always", "always"]).await;
    assert!(notes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn who_hears_all_hears_it_first_even_what_no_one_handles() {
    let (_world, client, mut notes) = set_up(|_env, socket, notes| {
        let (any, own) = (notes.clone(), notes.clone());
        socket.on("a", move |_socket, event| {
            own.add("handled");
            event.ack.send(Args::none());
            async {}
        });
        socket.on("stop", |socket, _event| async move { socket.off_any() });
        socket.on_any(move |_socket, event| {
            any.add(format!("{} {}", event.name, event.args.len()));
            async {}
        });
    })
    .await;

    client.emit("nobody's", args![1, 2]);
    client.emit("a", Args::none());
    client.emit("stop", Args::none());
    client.emit_with_ack("a", Args::none(), None).await.unwrap();

    expect(&mut notes, &["nobody's 2", "a 0", "handled", "stop 0", "handled"]).await;
    assert!(notes.try_recv().is_err());
}

#[tokio::test(start_paused = true)]
async fn middlewares_pass_change_or_refuse_an_event_in_order() {
    let (_world, client, mut notes) = set_up(|env, socket, notes| {
        let env = env.clone();
        let (failed, handled) = (notes.clone(), notes);
        socket.use_middleware(move |_socket, event| {
            let env = env.clone();
            async move {
                env.sleep(SECOND).await;
                let number: u64 = event.args.get(0)?;
                Ok(Incoming { args: args![number + 1], ..event })
            }
        });
        socket.use_middleware(|_socket, event| async move {
            if event.args.get::<u64>(0)? == 3 {
                event.ack.send(args!["no"]);
                return Err("three is refused".into());
            }
            Ok(event)
        });
        socket.on_error(move |_socket, error| {
            failed.add(error);
            async {}
        });
        socket.on("a", move |_socket, event| {
            handled.add(event.args.get::<u64>(0).unwrap());
            event.ack.send(args!["yes"]);
            async {}
        });
    })
    .await;

    assert_eq!(client.emit_with_ack("a", args![1], None).await, Ok(args!["yes"]));
    assert_eq!(client.emit_with_ack("a", args![2], None).await, Ok(args!["no"]));
    assert_eq!(client.emit_with_ack("a", Args::none(), Some(5 * SECOND)).await, Err(AckError::TimedOut));
    assert_eq!(client.emit_with_ack("a", args![3], None).await, Ok(args!["yes"]));

    let refused = r#"event "a" is refused: three is refused"#;
    let unread = r#"event "a" is refused: argument 0 is missing"#;
    expect(&mut notes, &["2", refused, unread, "4"]).await;
}

#[tokio::test(start_paused = true)]
async fn a_typed_handler_gets_what_fits_and_a_client_hears_what_does_not() {
    let (_world, client, mut notes) = set_up(|_env, socket, notes| {
        let failed = notes.clone();
        socket.on_error(move |_socket, error| {
            failed.add(format!("{}: {}", error.event, error.source));
            async {}
        });
        socket.on_typed("add", move |_socket, (one, two): (u8, u8), ack| {
            notes.add(format!("{one}, {two}"));
            ack.send(args![one + two]);
            async {}
        });
    })
    .await;

    assert_eq!(client.emit_with_ack("add", args![1, 2], None).await, Ok(args![3]));
    let missing = client.emit_with_ack("add", args![1], None).await;
    let wrong = client.emit_with_ack("add", args![1, "two"], None).await;

    assert_eq!(missing, Ok(args![json!({ "error": "argument 1 is missing" })]));
    let error = r#"argument 1 is not valid: invalid type: string "two", expected u8"#;
    assert_eq!(wrong, Ok(args![json!({ "error": error })]));
    expect(&mut notes, &["1, 2", "add: argument 1 is missing", &format!("add: {error}")]).await;
}

#[tokio::test(start_paused = true)]
async fn who_is_gone_says_its_rooms_then_its_end_and_can_still_speak_to_them() {
    let (world, client, mut notes) = set_up(|_env, socket, notes| {
        socket.join(["attic", "lobby"]);
        let (last, event, going) = (notes.clone(), notes.clone(), notes);
        socket.on_disconnect(|_socket, reason| async move { last.add(reason) });
        socket.on_disconnecting(|socket, reason, rooms| async move {
            let own = socket.id().as_str();
            let others: Vec<&str> =
                rooms.iter().map(|room| room.as_str()).filter(|room| *room != own).collect();
            assert_eq!(others.len() + 1, rooms.len());
            going.add(format!("{reason} from {others:?}"));
            socket.to(rooms.iter().cloned().collect::<Vec<_>>()).emit("farewell", number(7));
        });
        socket.on("bye", move |_socket, _event| {
            event.add("bye");
            async {}
        });
    })
    .await;
    let (_other, mut other_events) = world.connected().await;

    client.emit("bye", Args::none());
    client.disconnect();

    let reason = "client namespace disconnect";
    expect(&mut notes, &["bye", &format!("{reason} from [\"attic\", \"lobby\"]"), reason]).await;
    assert_eq!(next_number(&mut other_events).await, 7);
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_given_up_when_the_client_goes_not_when_its_end_is_handled() {
    let (world, client, mut notes) = set_up(|env, socket, notes| {
        let (env, gone) = (env.clone(), notes.clone());
        socket.on("a", move |socket, _event| {
            let (env, notes) = (env.clone(), notes.clone());
            async move {
                let before = env.clock.monotonic();
                notes.add(socket.emit_with_ack("?", Args::none(), None).await.unwrap_err());
                notes.add(format!("after {:?}", env.clock.monotonic().since(before)));
            }
        });
        socket.on_disconnect(|_socket, reason| async move { gone.add(reason) });
    })
    .await;
    client.emit("a", Args::none());
    client.emit("a", Args::none());
    world.env.sleep(3 * SECOND).await;

    client.disconnect();

    let error = "socket has been disconnected";
    expect(&mut notes, &[error, "after 3s", error, "after 0ns", "client namespace disconnect"]).await;
}

#[tokio::test(start_paused = true)]
async fn what_is_registered_after_the_end_is_not_kept() {
    let world = world(ServerOptions::default());
    let (sender, mut sockets) = mpsc::unbounded_channel();
    world.server.on_connect(move |socket| {
        sender.send(socket).unwrap();
        async {}
    });
    let (client, _events) = world.connected().await;
    let socket = sockets.recv().await.unwrap();
    client.disconnect();
    world.env.sleep(SECOND).await;
    let kept = std::sync::Arc::new(());

    for _ in 0..3 {
        let (kept, itself) = (kept.clone(), socket.clone());
        socket.on("late", move |_socket, _event| {
            let _both = (&kept, &itself);
            async {}
        });
    }

    assert_eq!(std::sync::Arc::strong_count(&kept), 1);
}

#[tokio::test(start_paused = true)]
async fn what_a_handler_takes_away_may_speak_to_the_socket_when_it_is_dropped() {
    /// Registers something when it is dropped.
    struct Farewell(Socket);
    impl Drop for Farewell {
        fn drop(&mut self) {
            self.0.on("b", |_socket, event| async move { event.ack.send(args!["heard"]) });
        }
    }
    let (_world, client, _notes) = set_up(|_env, socket, _notes| {
        let farewell = Farewell(socket.clone());
        socket.on("a", move |socket, _event| {
            let _held = &farewell;
            async move { socket.off("a") }
        });
    })
    .await;

    client.emit("a", Args::none());

    assert_eq!(client.emit_with_ack("b", Args::none(), Some(SECOND)).await, Ok(args!["heard"]));
}
