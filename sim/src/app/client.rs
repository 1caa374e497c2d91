//! A simulated user: does what the plan says with Squall's chat client. What it is shown is its [`Sight`]'s.

use std::sync::Arc;
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use squall::chat::wire::CHAT_MESSAGE;
use squall::chat::{ChatClient, ChatEvent, ChatOptions, ReceiveMode, SendMode};
use squall::io::{ClientOptions, ConnectUrl};
use squall::socket::{Args, ReconnectOptions};
use squall::store::{LogOffset, MemoryOutbox, MessageId, SqliteOutbox, StoreError};
use tokio::sync::mpsc;

use super::Machine;
use super::events::Events;
use super::recording::{RecordingOutbox, content_hash};
use super::sabotage::{Page, Sabotage, UndefinedIds};
use super::sight::Sight;
use crate::history::Kind;
use crate::plan::{Act, ClientPlan, Join, Name, Receive, SERVER, Say, Send, Transport};

/// Where the server listens on its machine.
pub(super) const PORT: u16 = 3000;

/// One life of a user's client.
pub(super) struct User {
    machine: Machine,
    options: ClientPlan,
    chat: ChatClient,
    /// Absent where the plan has no events.
    events: Option<Events>,
    sight: Arc<Sight>,
    /// How many messages were said past the outbox.
    said: u64,
}

/// Runs until the process is gone.
pub(super) async fn run(
    machine: Machine,
    plan: ClientPlan,
    has_events: bool,
    sabotage: Option<Sabotage>,
    mut ops: mpsc::UnboundedReceiver<Act>,
) {
    if sabotage == Some(Sabotage::ReplayOverlapsLive) {
        let outbox = loop {
            match open_outbox(&machine).and_then(|outbox| RecordingOutbox::new(outbox, machine.clone())) {
                Ok(outbox) => break outbox,
                Err(error) => machine.restart_after(error).await,
            }
        };
        return Page::run(machine, server(), options(&plan).client, outbox, ops).await;
    }
    let (chat, shown) = loop {
        match start(&machine, &plan, sabotage).await {
            Ok(started) => break started,
            Err(error) => machine.restart_after(error).await,
        }
    };
    let asked = chat.clone();
    machine.probe.set(move || wait_chain(&asked));
    let events = has_events.then(|| Events::new(&machine, chat.client(), &plan.rooms));
    let (events, heard) = match events {
        Some((events, heard)) => (Some(events), Some(heard)),
        None => (None, None),
    };
    let sight = Arc::new(Sight::new(&machine, plan.send));
    let watch = sight.watch(shown, heard);
    let mut user = User { machine, options: plan, chat, events, sight: sight.clone(), said: 0 };
    let act = async {
        while let Some(act) = ops.recv().await {
            user.perform(act).await;
        }
    };
    tokio::select! {
        biased;
        () = watch => {}
        () = act => {}
    }
}

fn server() -> ConnectUrl {
    ConnectUrl { secure: false, host: SERVER.to_owned(), port: PORT }
}

fn open_outbox(machine: &Machine) -> Result<SqliteOutbox, StoreError> {
    SqliteOutbox::with_connection(open(machine)?, machine.env.entropy.clone())
}

async fn start(
    machine: &Machine,
    plan: &ClientPlan,
    sabotage: Option<Sabotage>,
) -> Result<(ChatClient, mpsc::UnboundedReceiver<ChatEvent>), StoreError> {
    let (env, url) = (&machine.env, server());
    let (net, mut options) = (machine.net.clone(), options(plan));
    options.client.reconnect.reconnection &= sabotage != Some(Sabotage::StaysAway);
    match plan.send {
        Send::Outbox if sabotage == Some(Sabotage::UndefinedIds) => {
            let outbox = RecordingOutbox::new(UndefinedIds::new(open_outbox(machine)?), machine.clone())?;
            ChatClient::new(env, net, url, options, outbox).await
        }
        Send::Outbox => {
            let outbox = RecordingOutbox::new(open_outbox(machine)?, machine.clone())?;
            ChatClient::new(env, net, url, options, outbox).await
        }
        Send::Plain | Send::Retry | Send::Manual => {
            let outbox = RecordingOutbox::new(MemoryOutbox::new(env.entropy.clone()), machine.clone())?;
            ChatClient::new(env, net, url, options, outbox).await
        }
    }
}

fn options(plan: &ClientPlan) -> ChatOptions {
    let transport = |transport: &Transport| match transport {
        Transport::Polling => squall::engine::Transport::Polling,
        Transport::Websocket => squall::engine::Transport::WebSocket,
    };
    let reconnect = ReconnectOptions {
        reconnection: plan.reconnection,
        reconnection_attempts: plan.reconnection_attempts,
        reconnection_delay: plan.reconnection_delay.0,
        reconnection_delay_max: plan.reconnection_delay_max.0,
        ..ReconnectOptions::default()
    };
    let transports = plan.transports.iter().map(transport).collect();
    ChatOptions {
        client: ClientOptions { transports, reconnect, ..ClientOptions::default() },
        ack_timeout: plan.ack_timeout.0,
        rooms: plan.rooms.iter().map(ToString::to_string).collect(),
        send: match plan.send {
            Send::Outbox => SendMode::Outbox,
            Send::Retry => SendMode::Retry { retries: plan.retries },
            Send::Plain | Send::Manual => SendMode::Plain,
        },
        receive: match plan.receive {
            Receive::Resume => ReceiveMode::Resume,
            Receive::Live => ReceiveMode::Live,
        },
    }
}

fn wait_chain(client: &ChatClient) -> Vec<String> {
    let status = client.status();
    let mut chain = Vec::new();
    if let Some(oldest) = status.pending.first() {
        let (id, count, sends) = (&oldest.id, status.pending.len(), status.sends_of_oldest);
        chain.push(format!("{count} in the outbox; {id}, sent {sends} times, waits for its acknowledgement"));
    }
    let connection = if status.connection.connected { "connected" } else { "not connected" };
    chain.push(format!("{connection}, waits for {:?}", status.connection.waiting));
    chain
}

impl User {
    fn record(&self, kind: Kind) {
        self.sight.record(kind);
    }

    async fn perform(&mut self, act: Act) {
        match act {
            Act::Connect => {
                self.record(Kind::Did { act: "connect" });
                self.chat.connect();
                self.events.iter().for_each(Events::connect);
            }
            Act::Disconnect => {
                self.record(Kind::Did { act: "disconnect" });
                self.events.iter().for_each(Events::disconnect);
                self.chat.disconnect();
            }
            Act::Say(say) => self.say(say).await,
            Act::Join(Join { room, since }) => self.join(room, since.map(LogOffset)),
            Act::Leave(room) => {
                self.record(Kind::Asked { act: "leave", room: room.clone() });
                self.chat.leave(&room);
                self.events.iter_mut().for_each(|events| events.exit(&room));
            }
            Act::Emit(emit) => {
                if let Some(events) = &self.events {
                    events.emit(self.sight.session(), emit, self.options.ack_timeout.0);
                }
            }
            Act::Broadcast(broadcast) => {
                if let Some(events) = &self.events {
                    events.broadcast(self.sight.session(), broadcast);
                }
            }
            // The world reloads processes; nothing is nothing.
            Act::Reload | Act::Wait => {}
        }
    }

    fn join(&mut self, room: Name, since: Option<LogOffset>) {
        self.record(Kind::Asked { act: "join", room: room.clone() });
        if let Err(error) = self.chat.join(&room, since) {
            self.record(Kind::Trouble { what: format!("not let into {room}: {}", error.message) });
        }
        self.events.iter_mut().for_each(|events| events.enter(&room));
        self.sight.ask_since(room, since);
    }

    async fn say(&mut self, Say { room, content }: Say) {
        if self.options.send == Send::Manual {
            return self.say_by_hand(&room, content);
        }
        if let Err(error) = self.chat.say_in(&room, &content).await {
            self.record(Kind::Trouble { what: format!("outbox: {error}") });
        }
    }

    /// The tutorial's first way: `socket.timeout(..).emit(..)` in a loop, each message for itself.
    fn say_by_hand(&mut self, room: &Name, content: String) {
        self.said += 1;
        let (n, life) = (self.said, self.machine.process);
        let id = MessageId(format!("{}-by-hand-{life}-{n}", self.machine.name).into());
        self.record(Kind::Sent { id: id.clone(), room: room.clone(), n, content: content_hash(&content) });
        let args: Args =
            vec![content.into(), serde_json::Value::Null, serde_json::json!({ "room": room })].into();
        let retry = Retry {
            chat: self.chat.clone(),
            args,
            tries: self.options.retries.saturating_add(1),
            timeout: self.options.ack_timeout.0,
        };
        let (machine, session) = (self.machine.clone(), self.sight.session());
        self.machine.env.spawn(async move {
            let kind = match retry.run().await {
                Ok(offset) => Kind::Acknowledged { id, offset },
                Err(reason) => Kind::SendFailed { id, reason },
            };
            machine.record(session, kind);
        });
    }
}

/// A message that is sent again for as long as nobody answers.
struct Retry {
    chat: ChatClient,
    args: Args,
    tries: u32,
    timeout: Duration,
}

impl Retry {
    async fn run(self) -> Result<LogOffset, String> {
        let mut last = String::new();
        for _ in 0..self.tries {
            let answer =
                self.chat.client().emit_with_ack(CHAT_MESSAGE, self.args.clone(), Some(self.timeout)).await;
            match answer {
                Ok(answer) => {
                    let answer: serde_json::Value = answer.get(0).unwrap_or_default();
                    return answer["offset"].as_u64().map(LogOffset).ok_or_else(|| answer.to_string());
                }
                Err(error) => last = error.to_string(),
            }
        }
        Err(last)
    }
}

/// Opens the database on the machine's disk.
pub(super) fn open(machine: &Machine) -> Result<Connection, StoreError> {
    open_uri(&machine.database)
}

/// Opens a database on the machine's disk.
pub(super) fn open_uri(uri: &str) -> Result<Connection, StoreError> {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    Ok(Connection::open_with_flags(uri, flags)?)
}
