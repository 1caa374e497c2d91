//! Plain Socket.IO beside the chat: events that the server echoes or relays, over rooms, in a namespace of their own.
//!
//! Who is in a room is kept here a second time, by what clients say of themselves and by the handlers, so that a history
//! knows who is to hear an event without asking the server under test.

use std::collections::BTreeSet;
use std::future::ready;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::Bytes;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use squall::engine::Sid;
use squall::io::{Client, Event, Incoming, ServerNamespace};
use squall::socket::{Args, DisconnectReason};
use squall::store::MessageId;
use squall::{Server, Socket};
use tokio::sync::mpsc;

use super::Machine;
use super::members::{Introduction, Member, Members};
use crate::history::{Kind, Listener, content_digest};
use crate::plan::{Act, Broadcast, Emit, Name, Plan, attachment};

/// The namespace of the events.
const NAMESPACE: &str = "/events";

/// What a server calls an event that it passes on.
pub(super) const HEARD: &str = "heard";

/// The event that asks for [`Broadcast`].
const RELAY: &str = "relay";

/// Whether a plan has any event.
pub(super) fn are_in(plan: &Plan) -> bool {
    plan.ops.iter().any(|op| matches!(op.act, Act::Emit(_) | Act::Broadcast(_)))
}

/// What travels with an event: to whom it is to go.
#[derive(Serialize, Deserialize, Default)]
struct Address {
    room: Option<Name>,
    #[serde(default)]
    except: Vec<Name>,
    #[serde(default)]
    volatile: bool,
}

/// An event as its handler reads it.
struct Arrival {
    id: MessageId,
    content: u64,
    /// What is passed on: text, and bytes if there were any.
    said: Args,
    address: Address,
}

impl Arrival {
    fn read(args: &Args) -> Option<Self> {
        let text: String = args.get(0).ok()?;
        let (bytes, address) = match args.len() {
            2 => (None, args.get(1).ok()?),
            _ => (Some(args.get::<Bytes>(1).ok()?), args.get(2).ok()?),
        };
        let content = content_digest(&text, bytes.as_deref());
        let said = said(&text, bytes)?;
        Some(Self { id: MessageId(text.into()), content, said, address })
    }
}

fn said(text: &str, bytes: Option<Bytes>) -> Option<Args> {
    let args = Args::one(text).ok()?;
    match bytes {
        Some(bytes) => args.and(&bytes).ok(),
        None => Some(args),
    }
}

/// A socket that its client asked for over a connection which it has given up since: nobody will hear anything of it.
struct Late;

/// The server's side.
#[derive(Clone)]
struct Floor {
    machine: Machine,
    namespace: ServerNamespace,
    /// How long a socket that is away can be taken up again.
    recovery: Option<Duration>,
    members: Members,
}

/// Puts the events of a plan on a server.
pub(super) fn serve(
    machine: &Machine,
    server: &Server,
    events: BTreeSet<Name>,
    recovery: Option<Duration>,
    members: Members,
) {
    let namespace = server.of(NAMESPACE);
    let floor = Floor { machine: machine.clone(), namespace: namespace.clone(), recovery, members };
    let registered = floor.clone();
    namespace.use_middleware(move |socket| {
        let floor = registered.clone();
        async move {
            floor.think().await;
            // Before the hub has the socket: whoever hears an event is known here by then.
            floor.register(&socket);
            Ok(())
        }
    });
    namespace.on_connect(move |socket| {
        floor.welcome(&socket, &events);
        ready(())
    });
}

/// The names of the events that a plan emits.
pub(super) fn names(plan: &Plan) -> BTreeSet<Name> {
    let name = |act: &Act| if let Act::Emit(emit) = act { Some(emit.event.clone()) } else { None };
    plan.ops.iter().filter_map(|op| name(&op.act)).collect()
}

impl Floor {
    /// What a look into a database would take, where what comes meanwhile must not be missed.
    async fn think(&self) {
        if self.recovery.is_some() {
            let mut milliseconds = [0];
            self.machine.env.entropy.fill(&mut milliseconds);
            self.machine.env.sleep(Duration::from_millis(milliseconds[0].into())).await;
        }
    }

    fn register(&self, socket: &Socket) {
        let Ok(introduction) = serde_json::from_value::<Introduction>(socket.auth().clone()) else { return };
        let noted = socket.data();
        let before = self.members.with(|members| {
            let of_it = |member: &Member| member.introduction.name == introduction.name;
            if members.values().any(|member| of_it(member) && member.introduction.asked > introduction.asked)
            {
                return Err(Late);
            }
            if !socket.recovered() {
                members.retain(|_, member| !of_it(member));
            }
            let member = Member { introduction: introduction.clone(), away: None };
            Ok(members.insert(socket.id().clone(), member))
        });
        let Ok(before) = before else { return };
        let before = before.map(|member| member.introduction);
        if let (Some(before), true) = (&before, socket.recovered()) {
            assert_eq!(noted, json!(before), "what was noted about a socket is there when it is taken up");
        }
        // What it said of its rooms while it was away. Noted is never more than is true, whenever the server dies.
        let rooms = introduction.rooms.clone();
        rooms.iter().for_each(|room| socket.join(&**room));
        socket.set_data(introduction);
        let before = before.map(|before| before.rooms).unwrap_or_default();
        before.difference(&rooms).for_each(|room| socket.leave(&**room));
    }

    fn welcome(&self, socket: &Socket, events: &BTreeSet<Name>) {
        let asked =
            self.members.with(|members| members.get(socket.id()).map(|member| member.introduction.asked));
        self.on(socket, "enter", |floor, socket, args| {
            if let Ok(room) = args.get::<Name>(0) {
                socket.join(&*room);
                floor.with_rooms(socket, |rooms| rooms.insert(room));
            }
        });
        self.on(socket, "exit", |floor, socket, args| {
            if let Ok(room) = args.get::<Name>(0) {
                floor.with_rooms(socket, |rooms| rooms.remove(&room));
                socket.leave(&*room);
            }
        });
        self.on(socket, RELAY, |floor, socket, args| {
            if let Some(arrival) = Arrival::read(args) {
                floor.relay(socket, arrival);
            }
        });
        for event in events {
            self.on(socket, event, |floor, socket, args| {
                if let Some(arrival) = Arrival::read(args) {
                    floor.echo(socket, arrival);
                }
            });
        }
        let floor = self.clone();
        socket.on_disconnect(move |socket, reason| {
            floor.lose(&socket, asked, reason);
            ready(())
        });
    }

    /// Who is away hears what it can, if its socket is taken up again. One that has been taken up already is not away.
    fn lose(&self, socket: &Socket, asked: Option<(u32, u64)>, reason: DisconnectReason) {
        let now = self.machine.env.clock.monotonic();
        let over = matches!(
            reason,
            DisconnectReason::ParseError
                | DisconnectReason::ClientNamespaceDisconnect
                | DisconnectReason::ServerNamespaceDisconnect
        );
        self.members.with(|members| {
            let Some(member) = members.get_mut(socket.id()) else { return };
            if Some(member.introduction.asked) != asked {
                return;
            }
            match self.recovery {
                Some(recovery) if !over => member.away = Some(now + recovery),
                Some(_) | None => drop(members.remove(socket.id())),
            }
        });
    }

    /// Each event is answered with its own arguments.
    fn on(
        &self,
        socket: &Socket,
        event: &str,
        handle: impl Fn(&Self, &Socket, &Args) + Send + Sync + 'static,
    ) {
        let floor = self.clone();
        socket.on(event, move |socket, Incoming { args, ack, .. }| {
            handle(&floor, &socket, &args);
            ack.send(Arrival::read(&args).map_or(args, |arrival| arrival.said));
            ready(())
        });
    }

    fn echo(&self, socket: &Socket, arrival: Arrival) {
        let Arrival { id, content, said, address } = arrival;
        self.machine.record(0, Kind::Arrived { id: id.clone(), content });
        let audience = match &address.room {
            Some(room) => self.listeners(|_, member| member.introduction.rooms.contains(room)),
            None => self.listeners(|sid, _| sid == socket.id()),
        };
        self.record_relayed(id, audience, Vec::new(), address.volatile);
        match &address.room {
            Some(room) if address.volatile => self.namespace.to(&**room).volatile().emit(HEARD, said),
            Some(room) => self.namespace.to(&**room).emit(HEARD, said),
            None if address.volatile => socket.volatile().emit(HEARD, said),
            None => socket.emit(HEARD, said),
        }
    }

    fn relay(&self, socket: &Socket, arrival: Arrival) {
        let Arrival { id, content, said, address } = arrival;
        self.machine.record(0, Kind::Arrived { id: id.clone(), content });
        let is_excepted =
            |member: &Member| address.except.iter().any(|room| member.introduction.rooms.contains(room));
        let is_excluded = |sid: &Sid, member: &Member| sid == socket.id() || is_excepted(member);
        let excluded = self.listeners(is_excluded).into_iter().map(|listener| listener.client).collect();
        let is_in = |member: &Member| {
            address.room.as_ref().is_none_or(|room| member.introduction.rooms.contains(room))
        };
        let audience = self.listeners(|sid, member| is_in(member) && !is_excluded(sid, member));
        self.record_relayed(id, audience, excluded, address.volatile);
        let mut broadcast = match &address.room {
            Some(room) => socket.to(&**room),
            None => socket.broadcast(),
        };
        for room in &address.except {
            broadcast = broadcast.except(&**room);
        }
        if address.volatile {
            broadcast = broadcast.volatile();
        }
        broadcast.emit(HEARD, said);
    }

    fn record_relayed(&self, id: MessageId, audience: Vec<Listener>, excluded: Vec<Name>, volatile: bool) {
        self.machine.record(0, Kind::Relayed { id, audience, excluded, volatile });
    }

    fn listeners(&self, is: impl Fn(&Sid, &Member) -> bool) -> Vec<Listener> {
        self.members.listeners(self.machine.env.clock.monotonic(), is)
    }

    fn with_rooms<T>(&self, socket: &Socket, change: impl FnOnce(&mut BTreeSet<Name>) -> T) {
        let changed = self.members.with(|members| {
            let introduction = &mut members.get_mut(socket.id())?.introduction;
            change(&mut introduction.rooms);
            Some(introduction.clone())
        });
        changed.into_iter().for_each(|introduction| socket.set_data(introduction));
    }
}

/// The client's side.
pub(super) struct Events {
    machine: Machine,
    client: Client,
    rooms: BTreeSet<Name>,
    /// How often it has asked for its socket.
    asked: Arc<AtomicU64>,
}

impl Events {
    /// Over the connection of the chat.
    pub(super) fn new(
        machine: &Machine,
        chat: &Client,
        rooms: &[Name],
    ) -> (Self, mpsc::UnboundedReceiver<Event>) {
        let (client, events) = chat.of(NAMESPACE);
        let rooms = rooms.iter().cloned().collect();
        let events_of = Self { machine: machine.clone(), client, rooms, asked: Arc::default() };
        events_of.introduce();
        (events_of, events)
    }

    fn introduce(&self) {
        let (name, rooms) = (self.machine.name.clone(), self.rooms.clone());
        let (process, asked) = (self.machine.process, Arc::clone(&self.asked));
        // Asked for, as the chat's is: else this namespace's CONNECT would overtake it, and a connection of the client is
        // recorded when the chat's is answered.
        self.client.set_auth_with(move || {
            let nth = asked.fetch_add(1, Ordering::Relaxed);
            ready(Some(json!({ "name": name, "rooms": rooms, "asked": (process, nth) })))
        });
    }

    pub(super) fn connect(&self) {
        self.client.connect();
    }

    pub(super) fn disconnect(&self) {
        self.client.disconnect();
    }

    pub(super) fn enter(&mut self, room: &Name) {
        self.rooms.insert(room.clone());
        self.introduce();
        self.tell("enter", room);
    }

    pub(super) fn exit(&mut self, room: &Name) {
        self.rooms.remove(room);
        self.introduce();
        self.tell("exit", room);
    }

    /// While it is not connected, its introduction says the same when it is; to say it twice changes nothing.
    fn tell(&self, event: &str, room: &Name) {
        self.client.emit(event, vec![json!(room)]);
    }

    pub(super) fn emit(&self, session: u32, emit: Emit, ack_timeout: Duration) {
        let address = Address { room: emit.room, except: Vec::new(), volatile: emit.volatile };
        let (id, args) = self.say(session, &emit.content, emit.binary, &address);
        if !emit.ack {
            return self.send(&emit.event, args, emit.volatile);
        }
        let (machine, client, event) = (self.machine.clone(), self.client.clone(), emit.event);
        self.machine.env.spawn(async move {
            let answer = if address.volatile {
                client.volatile().emit_with_ack(&event, args, Some(ack_timeout)).await
            } else {
                client.emit_with_ack(&event, args, Some(ack_timeout)).await
            };
            let kind = match answer {
                Ok(answer) => Kind::Answered { id, content: digest(&answer).unwrap_or_default() },
                Err(error) => Kind::SendFailed { id, reason: error.to_string() },
            };
            machine.record(session, kind);
        });
    }

    pub(super) fn broadcast(&self, session: u32, broadcast: Broadcast) {
        let Broadcast { content, room, except, binary, volatile } = broadcast;
        let (_, args) = self.say(session, &content, binary, &Address { room, except, volatile });
        self.send(RELAY, args, volatile);
    }

    fn say(&self, session: u32, text: &str, binary: Option<u32>, address: &Address) -> (MessageId, Args) {
        let bytes = binary.map(|length| Bytes::from(attachment(text, length)));
        let content = content_digest(text, bytes.as_deref());
        let id = MessageId(text.into());
        self.machine.record(session, Kind::Emitted { id: id.clone(), volatile: address.volatile, content });
        let args = said(text, bytes).and_then(|args| args.and(address).ok());
        (id, args.expect("text, bytes and names have a JSON form"))
    }

    fn send(&self, event: &str, args: Args, volatile: bool) {
        if volatile {
            self.client.volatile().emit(event, args);
        } else {
            self.client.emit(event, args);
        }
    }
}

/// Writes down what the namespace says.
pub(super) fn hear(machine: &Machine, session: u32, event: Event) {
    if let Event::Connected { recovered, sid } = &event {
        let socket = sid.as_str().into();
        machine.record(session, Kind::Resumed { recovered: *recovered, socket });
    }
    if let Event::Received { name, args, .. } = event
        && name == HEARD
        && let (Ok(text), Some(content)) = (args.get::<String>(0), digest(&args))
    {
        machine.record(session, Kind::Heard { id: MessageId(text.into()), content });
    }
}

fn digest(said: &Args) -> Option<u64> {
    // What follows is an attachment or an offset, and text can be read as bytes.
    let is_attached = said.values().get(1).is_some_and(Value::is_object);
    let bytes = is_attached.then(|| said.get::<Bytes>(1).ok()).flatten();
    Some(content_digest(&said.get::<String>(0).ok()?, bytes.as_deref()))
}
