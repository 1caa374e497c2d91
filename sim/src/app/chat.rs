//! Squall's chat as the app under test: the same server and client that run in production.
//!
//! What happens is recorded where the chat meets its world: at the message log's storage, at the outbox's storage, and
//! where a user would see an event.

use std::time::Duration;

use squall::Server;
use squall::chat::{self, ChatConfig};
use squall::engine::Heartbeat;
use squall::io::ServerOptions;
use squall::io::env::BoxFuture;
use squall::socket::Recovery;
use squall::store::{Log, MessageLog, SqliteLog};
use tokio::sync::{mpsc, watch};

use crate::plan::{Act, Plan};

use super::client::{self, PORT, Resuming, open};
use super::events;
use super::peers::Peers;
use super::recording::RecordingLog;
use super::sabotage::{AcknowledgeFirst, HandlersEmit, Sabotage, Showing, SkipDuplicateCheck, Tutorial};
use super::{App, Machine};

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
            recovery: plan
                .server
                .recovery
                .map(|recovery| Recovery { max_disconnection_duration: recovery.0, ..Recovery::default() }),
            ..ServerOptions::default()
        };
        let (seed, sabotage, recovery) = (plan.seed, self.sabotage, plan.server.recovery);
        let events = events::are_in(plan).then(|| events::names(plan));
        Box::pin(async move {
            let server = Server::new(&machine.env, options);
            let peers = Peers::of(&machine, &server);
            put_chat_on(&machine, &server, sabotage, seed).await;
            if let Some(events) = events {
                events::serve(&machine, &server, events, recovery.map(|recovery| recovery.0));
            }
            let listener = machine.net.listen(PORT).expect("a process listens once on its own machine");
            let stopped = async { drop(stop.wait_for(|stop| *stop).await) };
            tokio::select! {
                biased;
                () = stopped => server.shutdown(GRACE).await,
                served = server.serve(peers.listener(listener)) => served.expect("a simulated listener does not fail"),
            }
        })
    }

    fn client(&self, machine: Machine, plan: &Plan, ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        let events = events::are_in(plan).then(|| Resuming(plan.server.recovery.is_some()));
        let options = plan.clients[&machine.name].clone();
        Box::pin(client::run(machine, options, events, self.sabotage, ops))
    }
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
        Some(Sabotage::ReplayOverlapsLive) => {
            let log = open_log(recording(Box::new(storage))).await;
            Tutorial::serve(env, server, &log, Showing::Overlapping);
        }
        Some(Sabotage::OffsetOverAHole) => {
            let log = open_log(recording(Box::new(storage))).await;
            Tutorial::serve(env, server, &log, Showing::Beside);
        }
        Some(Sabotage::UndefinedIds) => {
            let log = open_log(recording(Box::new(storage))).await;
            Tutorial::serve(env, server, &log, Showing::ByCursor);
        }
    }
}
