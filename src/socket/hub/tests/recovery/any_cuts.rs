//! Any events, cuts and returns: who is told that it is recovered has got all that was sent to it, once and in order.

use proptest::prelude::*;

use super::*;

/// What may happen to two clients, each on at most one connection that it knows of.
#[derive(Debug, Clone)]
enum Act {
    Broadcast {
        volatile: bool,
    },
    Emit {
        who: usize,
    },
    /// The client's connection breaks when it has read all but the last few packets; whether the server knows.
    Break {
        who: usize,
        unread: usize,
        told: bool,
    },
    Return {
        who: usize,
        guarded: bool,
    },
    Pass {
        seconds: u64,
    },
}

fn arbitrary_act() -> impl Strategy<Value = Act> {
    let who = || 0..2_usize;
    prop_oneof![
        6 => any::<bool>().prop_map(|volatile| Act::Broadcast { volatile }),
        3 => who().prop_map(|who| Act::Emit { who }),
        3 => (who(), 0..4_usize, any::<bool>()).prop_map(|(who, unread, told)| Act::Break { who, unread, told }),
        4 => (who(), any::<bool>()).prop_map(|(who, guarded)| Act::Return { who, guarded }),
        1 => (0..80_u64).prop_map(|seconds| Act::Pass { seconds }),
    ]
}

#[derive(Default)]
struct Client {
    socket: Option<Sid>,
    known: Known,
    connection: Option<ConnectionId>,
    unread: Vec<HubOutput>,
    /// What was sent to its session and is not volatile, in order.
    owed: Vec<String>,
}

proptest! {
    /// What a client has got since its session began is what was sent to it, with nothing left out and nothing twice, as
    /// long as it is told that it is recovered.
    #[test]
    fn any_cuts_leave_no_hole(acts in proptest::collection::vec(arbitrary_act(), 0..60)) {
        let mut hub = recovering(Recovery { max_bytes: 1500, ..Recovery::default() });
        let (mut clients, mut now, mut said, mut connections) = ([Client::default(), Client::default()], 0, 0, 0);
        for act in acts {
            let outputs = match act {
                Act::Pass { seconds } => {
                    now += seconds;
                    give(&mut hub, HubInput::TimedOut, at(now))
                }
                Act::Broadcast { volatile } => {
                    said += 1;
                    let (audience, name) = (Audience::all(Namespace::MAIN), "a".into());
                    let text = format!("{}{said}", if volatile { "volatile " } else { "" });
                    if !volatile {
                        clients.iter_mut().for_each(|client| client.owed.push(text.clone()));
                    }
                    let broadcast = HubCommand::Broadcast { audience, name, args: args(&[&text]), volatile };
                    give(&mut hub, HubInput::Command(broadcast), at(now))
                }
                Act::Emit { who } => {
                    let Some(socket) = clients[who].socket.clone() else { continue };
                    said += 1;
                    let args = args(&[&said.to_string()]);
                    clients[who].owed.push(said.to_string());
                    let emit = HubCommand::Emit { socket, name: "a".into(), args, ack: None, volatile: false };
                    give(&mut hub, HubInput::Command(emit), at(now))
                }
                Act::Break { who, unread, told } => {
                    let client = &mut clients[who];
                    let Some(connection) = client.connection.take() else { continue };
                    let read = client.unread.len().saturating_sub(unread);
                    client.known.read(connection, &std::mem::take(&mut client.unread)[..read]);
                    if !told {
                        continue;
                    }
                    give(&mut hub, HubInput::Closed(connection, CloseReason::TransportError), at(now))
                }
                Act::Return { who, guarded } => {
                    if clients[who].connection.is_some() {
                        continue;
                    }
                    connections += 1;
                    let connection = ConnectionId(connections);
                    if guarded {
                        give(&mut hub, HubInput::Command(HubCommand::Guard(Namespace::MAIN)), at(now));
                    }
                    let mut outputs = ask(&mut hub, connection, clients[who].known.auth(), at(now));
                    if let [HubOutput::Event(HubEvent::Asked { socket, .. })] = &outputs[..] {
                        let admit = HubCommand::Admit(socket.clone());
                        outputs = give(&mut hub, HubInput::Command(admit), at(now));
                    }
                    let client = &mut clients[who];
                    client.connection = Some(connection);
                    let before = client.known.pid.clone();
                    let answer = outputs.iter().position(|output| matches!(output, HubOutput::Transmit(..))).unwrap();
                    let recovered = client.known.read(connection, &outputs[answer..=answer]).unwrap();
                    prop_assert_eq!(before == client.known.pid, recovered);
                    if !recovered {
                        (client.owed, client.known.events) = (Vec::new(), Vec::new());
                        client.known.offset = None;
                    }
                    outputs.remove(answer);
                    for output in &outputs {
                        if let HubOutput::Event(HubEvent::Connected { socket, .. }) = output {
                            client.socket = Some(socket.clone());
                        }
                    }
                    outputs
                }
            };
            for client in &mut clients {
                let Some(connection) = client.connection else { continue };
                for output in &outputs {
                    if let HubOutput::Transmit(to, encoded) | HubOutput::TransmitVolatile(to, encoded) = output
                        && *to == connection
                    {
                        client.unread.push(HubOutput::Transmit(connection, encoded.clone()));
                    }
                }
            }
        }
        for client in &mut clients {
            let Some(connection) = client.connection else { continue };
            client.known.read(connection, &std::mem::take(&mut client.unread));
            client.known.events.retain(|event| !event.starts_with("volatile"));
            prop_assert_eq!(&client.known.events, &client.owed);
        }
    }
}
