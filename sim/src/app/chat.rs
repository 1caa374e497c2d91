//! Squall's chat as the app under test: the same server and client that run in production.
//!
//! What happens is recorded where the chat meets its world: at the message log's storage, at the outbox's storage, and
//! where a user would see an event.

use std::collections::BTreeSet;
use std::time::Duration;

use squall::Server;
use squall::chat::{self, ChatConfig};
use squall::engine::Heartbeat;
use squall::io::ServerOptions;
use squall::io::env::BoxFuture;
use squall::socket::Recovery;
use squall::store::{Log, MessageLog, SqliteLog, StoreError};
use tokio::sync::{mpsc, watch};

use crate::plan::{Act, Name, Plan};
use crate::units::Span;

use super::client::{self, PORT, open};
use super::events;
use super::members::Members;
use super::peers::Peers;
use super::recording::RecordingLog;
use super::sabotage::{
    AcknowledgeFirst, HandlersEmit, Sabotage, Showing, SkipDuplicateCheck, Tutorial, leave_commits_unsynced,
};
use super::sessions::RecordingSessions;
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
        let stored = recovery.filter(|_| plan.server.store_sessions);
        let rooms = rooms(plan);
        let events = events::are_in(plan).then(|| events::names(plan));
        Box::pin(async move {
            let members = Members::default();
            let server = match stored {
                Some(Span(window)) => {
                    let sessions = open_sessions(&machine, &members, window).await;
                    Server::with_session_store(&machine.env, options, sessions)
                }
                None => Server::new(&machine.env, options),
            };
            let peers = Peers::of(&machine, &server);
            put_chat_on(&machine, &server, sabotage, &rooms, seed).await;
            if let Some(events) = events {
                events::serve(&machine, &server, events, recovery.map(|recovery| recovery.0), members);
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
        let has_events = events::are_in(plan);
        let options = plan.clients[&machine.name].clone();
        Box::pin(client::run(machine, options, has_events, self.sabotage, ops))
    }
}

async fn open_sessions(machine: &Machine, members: &Members, window: Duration) -> RecordingSessions {
    loop {
        match RecordingSessions::open(machine, members, window) {
            Ok(sessions) => return sessions,
            Err(error) => machine.restart_after(error).await,
        }
    }
}

async fn put_chat_on(
    machine: &Machine,
    server: &Server,
    sabotage: Option<Sabotage>,
    rooms: &BTreeSet<Name>,
    seed: u64,
) {
    let env = &machine.env;
    let log = loop {
        match open_log(machine, sabotage, rooms).await {
            Ok(log) => break log,
            Err(error) => machine.restart_after(error).await,
        }
    };
    match sabotage {
        None | Some(Sabotage::SkipDuplicateCheck | Sabotage::UnsyncedCommits | Sabotage::StaysAway) => {
            chat::serve(env, server, &log, ChatConfig::default());
        }
        Some(Sabotage::AcknowledgeFirst) => {
            chat::serve(env, server, &AcknowledgeFirst::new(env, log), ChatConfig::default());
        }
        Some(Sabotage::HandlersEmit) => HandlersEmit::serve(env, server, &log, seed),
        Some(Sabotage::ReplayOverlapsLive) => Tutorial::serve(env, server, &log, Showing::Overlapping),
        Some(Sabotage::OffsetOverAHole) => Tutorial::serve(env, server, &log, Showing::Beside),
        Some(Sabotage::UndefinedIds) => Tutorial::serve(env, server, &log, Showing::ByCursor),
    }
}

async fn open_log(
    machine: &Machine,
    sabotage: Option<Sabotage>,
    rooms: &BTreeSet<Name>,
) -> Result<Log, StoreError> {
    let mut connection = open(machine)?;
    if sabotage == Some(Sabotage::UnsyncedCommits) {
        leave_commits_unsynced(&mut connection)?;
    }
    let storage = SqliteLog::with_connection(connection)?;
    let storage: Box<dyn MessageLog> = match sabotage {
        Some(Sabotage::SkipDuplicateCheck) => Box::new(SkipDuplicateCheck::new(storage)),
        Some(
            Sabotage::AcknowledgeFirst
            | Sabotage::HandlersEmit
            | Sabotage::ReplayOverlapsLive
            | Sabotage::OffsetOverAHole
            | Sabotage::UndefinedIds
            | Sabotage::UnsyncedCommits
            | Sabotage::StaysAway,
        )
        | None => Box::new(storage),
    };
    Log::open(&machine.env, RecordingLog::new(storage, machine.clone(), rooms)?).await
}

/// Every room that someone is in or says something in.
fn rooms(plan: &Plan) -> BTreeSet<Name> {
    let at_the_start = plan.clients.values().flat_map(|client| client.rooms.iter().cloned());
    let said_in = plan.ops.iter().filter_map(|op| match &op.act {
        Act::Say(say) => Some(say.room.clone()),
        Act::Connect
        | Act::Disconnect
        | Act::Join(_)
        | Act::Leave(_)
        | Act::Emit(_)
        | Act::Broadcast(_)
        | Act::Reload
        | Act::Wait => None,
    });
    at_the_start.chain(said_in).collect()
}
