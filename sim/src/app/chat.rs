//! Squall's chat as the app under test: the same server and client that run in production.
//!
//! What happens is recorded where the chat meets its world: at the message log's storage, at the outbox's storage, and
//! where a user would see an event.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use rusqlite::{Connection, OpenFlags};
use squall::Server;
use squall::chat::{self, ChatClient, ChatConfig, ChatEvent, ChatOptions};
use squall::engine::Heartbeat;
use squall::io::env::BoxFuture;
use squall::io::{ConnectUrl, ServerOptions};
use squall::store::{Log, MessageLog, SqliteLog, SqliteOutbox};
use tokio::sync::{mpsc, watch};

use crate::history::Kind;
use crate::plan::{Act, Plan, SERVER};

use super::recording::{RecordingLog, RecordingOutbox, content_hash};
use super::sabotage::{AcknowledgeFirst, HandlersEmit, Sabotage, SkipDuplicateCheck};
use super::{App, Machine};

/// Where the server listens on its machine.
const PORT: u16 = 3000;

/// How long a server that is asked to stop may take to drain; as `squall serve` gives it.
const GRACE: Duration = Duration::from_secs(5);

/// Squall's chat, or a copy of it with one thing broken on purpose.
#[derive(Debug, Clone, Copy, Default)]
pub struct Chat {
    sabotage: Option<Sabotage>,
}

impl Chat {
    /// The chat, with one thing broken.
    pub fn sabotaged(sabotage: Sabotage) -> Self {
        Self { sabotage: Some(sabotage) }
    }
}

impl App for Chat {
    fn server(&self, machine: Machine, plan: &Plan, mut stop: watch::Receiver<bool>) -> BoxFuture<()> {
        let options = ServerOptions {
            heartbeat: Heartbeat {
                ping_interval: plan.server.ping_interval.0,
                ping_timeout: plan.server.ping_timeout.0,
            },
            ..ServerOptions::default()
        };
        let (seed, sabotage) = (plan.seed, self.sabotage);
        Box::pin(async move {
            let server = Server::new(&machine.env, options);
            record_sockets(&machine, &server);
            put_chat_on(&machine, &server, sabotage, seed).await;
            let listener = machine.net.listen(PORT).expect("a process listens once on its own machine");
            let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
            tokio::select! {
                biased;
                () = stopped => server.shutdown(GRACE).await,
                served = server.serve(listener) => served.expect("a simulated listener does not fail"),
            }
        })
    }

    fn client(&self, machine: Machine, plan: &Plan, mut ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        let ack_timeout = plan.clients[&machine.name].ack_timeout.0;
        Box::pin(async move {
            let (client, mut events) = start_client(&machine, ack_timeout).await;
            let mut session = 0;
            loop {
                tokio::select! {
                    biased;
                    event = events.recv() => match event {
                        Some(event) => record_event(&machine, &mut session, event),
                        None => break,
                    },
                    op = ops.recv() => match op {
                        Some(act) => perform(&machine, &client, session, act).await,
                        None => break,
                    },
                }
            }
        })
    }
}

fn record_sockets(machine: &Machine, server: &Server) {
    let machine = machine.clone();
    let sessions = Arc::new(AtomicU32::new(0));
    server.on_connect(move |socket| {
        let machine = machine.clone();
        let session = sessions.fetch_add(1, Ordering::Relaxed) + 1;
        machine.record(session, Kind::Connected);
        socket.on_disconnect(move |_, reason| async move {
            machine.record(session, Kind::Disconnected { reason: reason.as_str() });
        });
        std::future::ready(())
    });
}

async fn put_chat_on(machine: &Machine, server: &Server, sabotage: Option<Sabotage>, seed: u64) {
    let env = &machine.env;
    let storage = SqliteLog::with_connection(open(machine)).expect("the schema is this program's");
    let open_log = async |storage| Log::open(env, storage).await.expect("a log that opened has a head");
    let recording = |storage: Box<dyn MessageLog>| RecordingLog::new(storage, machine.clone());
    let config = ChatConfig::default();
    match sabotage {
        None => chat::serve(env, server, &open_log(recording(Box::new(storage))).await, config),
        Some(Sabotage::SkipDuplicateCheck) => {
            let storage = SkipDuplicateCheck::new(storage);
            chat::serve(env, server, &open_log(recording(Box::new(storage))).await, config);
        }
        Some(Sabotage::AcknowledgeFirst) => {
            let log = open_log(recording(Box::new(storage))).await;
            chat::serve(env, server, &AcknowledgeFirst::new(env, log), config);
        }
        Some(Sabotage::HandlersEmit) => {
            let log = open_log(recording(Box::new(storage))).await;
            HandlersEmit::serve(env, server, &log, seed);
        }
    }
}

async fn start_client(
    machine: &Machine,
    ack_timeout: Duration,
) -> (ChatClient, mpsc::UnboundedReceiver<ChatEvent>) {
    let env = &machine.env;
    let outbox = SqliteOutbox::with_connection(open(machine), Arc::clone(&env.entropy))
        .expect("one client has the outbox");
    let outbox = RecordingOutbox::new(outbox, machine.clone());
    let url = ConnectUrl { host: SERVER.to_owned(), port: PORT };
    let options = ChatOptions { ack_timeout, ..ChatOptions::default() };
    let (client, events) = ChatClient::new(env, machine.net.clone(), url, options, outbox)
        .await
        .expect("an outbox that opened can be read");
    let (name, asked) = (machine.name.clone(), client.clone());
    machine.probe.set(move || wait_chain(&name, &asked));
    (client, events)
}

fn wait_chain(name: &str, client: &ChatClient) -> Vec<String> {
    let status = client.status();
    let mut chain = Vec::new();
    if let Some(oldest) = status.pending.first() {
        let (id, count, sends) = (&oldest.id, status.pending.len(), status.sends_of_oldest);
        chain.push(format!(
            "{name}: {count} in the outbox; {id}, sent {sends} times, waits for its acknowledgement"
        ));
    }
    let connection = if status.connection.connected { "connected" } else { "not connected" };
    chain.push(format!(
        "{name}: {connection}, waits for {:?}; shown up to {:?}",
        status.connection.waiting, status.shown
    ));
    chain
}

fn record_event(machine: &Machine, session: &mut u32, event: ChatEvent) {
    let kind = match event {
        ChatEvent::Connected => {
            *session += 1;
            Kind::Connected
        }
        ChatEvent::Disconnected(reason) => Kind::Disconnected { reason: reason.as_str() },
        ChatEvent::Message(shown) => Kind::Delivered {
            id: shown.id,
            room: shown.room.as_str().into(),
            offset: shown.offset,
            content: content_hash(&shown.content),
        },
        ChatEvent::Acknowledged { id, offset } => Kind::Acknowledged { id, offset },
        ChatEvent::Failed { id, reason } => Kind::Failed { id, reason },
        // Plans do not join or leave.
        ChatEvent::Joined { .. } | ChatEvent::Left { .. } => return,
        ChatEvent::NotJoined { room, reason } => Kind::Trouble { what: format!("room {room}: {reason}") },
        ChatEvent::Refused(why) => Kind::Trouble { what: format!("refused: {why}") },
        ChatEvent::GaveUp => Kind::Trouble { what: "gave up reconnecting".to_owned() },
        ChatEvent::OutboxBroken(error) => Kind::Trouble { what: format!("outbox: {error}") },
    };
    machine.record(*session, kind);
}

async fn perform(machine: &Machine, client: &ChatClient, session: u32, act: Act) {
    match act {
        Act::Connect => {
            machine.record(session, Kind::Did { act: "connect" });
            client.connect();
        }
        Act::Disconnect => {
            machine.record(session, Kind::Did { act: "disconnect" });
            client.disconnect();
        }
        Act::Say(say) => {
            if let Err(error) = client.say(&say.content).await {
                machine.record(session, Kind::Trouble { what: format!("outbox: {error}") });
            }
        }
        Act::Join(_) | Act::Leave(_) | Act::Emit(_) | Act::Broadcast(_) => {
            machine.record(
                session,
                Kind::Trouble { what: "this chat has one room and no other events".to_owned() },
            );
        }
        // The world reloads processes; nothing is nothing.
        Act::Reload | Act::Wait => {}
    }
}

/// Opens the machine's disk.
fn open(machine: &Machine) -> Connection {
    let flags = OpenFlags::default() | OpenFlags::SQLITE_OPEN_URI;
    Connection::open_with_flags(&machine.database, flags).expect("the world keeps the machine's disk open")
}
