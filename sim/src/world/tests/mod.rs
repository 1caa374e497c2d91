//! The world as processes see it, from both ends of a connection, with apps of a few lines.

/// Each of these is a test on every backend. What is seen must be the same, to the millisecond.
macro_rules! on_both_backends {
    ($($(#[$attribute:meta])* $test:ident,)*) => {
        mod on_turmoil {
            $($(#[$attribute])* #[test] fn $test() { super::$test(crate::plan::Backend::Turmoil); })*
        }
        mod on_event {
            $($(#[$attribute])* #[test] fn $test() { super::$test(crate::plan::Backend::Event); })*
        }
    };
}

mod clocks;
mod core;
mod determinism;
mod faults;
mod impairments;
mod machines;
mod overlaps;
mod pauses;
mod processes;
mod scopes;
mod traffic;
mod triggers;

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use squall::io::env::BoxFuture;
use squall::io::net::{Connector, Listener};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::sync::{mpsc, watch};

use super::net::ProcessStream;
use super::{Outcome, RunOptions, run};
use crate::app::{App, Machine};
use crate::plan::{
    Act, AppKind, Backend, ClientPlan, Connections, Fault, FaultAct, Guarantee, Name, NetworkPlan, Op, Pair,
    Path, Plan, SERVER, ServerPlan,
};
use crate::units::Span;

const PORT: u16 = 80;

fn span(text: &str) -> Span {
    text.parse().expect("a duration")
}

/// A server and one client, 20 ms apart. The run lasts until `lasts` and the quiet after it.
fn plan(backend: Backend, lasts: &str, faults: Vec<Fault>) -> Plan {
    let alice = Name::from("alice");
    Plan {
        version: 1,
        scenario: "test".to_owned(),
        seed: 7,
        backend,
        app: AppKind::Chat,
        guarantee: Guarantee::ExactlyOnce,
        server: ServerPlan {
            ping_interval: span("25s"),
            ping_timeout: span("20s"),
            fsync: "5ms".parse().expect("a range"),
            recovery: None,
            store_sessions: false,
        },
        clients: BTreeMap::from([(alice.clone(), ClientPlan::default())]),
        network: NetworkPlan { latency: "20ms".parse().expect("a range") },
        ops: vec![Op { at: span(lasts), who: alice, act: Act::Say("the end".into()) }],
        faults,
        heals: None,
        core: None,
        settle: span("10s"),
    }
}

fn fault(at: &str, until: &str, what: FaultAct) -> Fault {
    let lasts = Span(span(until).0.saturating_sub(span(at).0));
    Fault { at: span(at).0.into(), lasts: Some(lasts), what }
}

fn instant(at: &str, what: FaultAct) -> Fault {
    Fault { at: span(at).0.into(), lasts: None, what }
}

fn stall() -> FaultAct {
    FaultAct::Stall(Path::between(["alice".into(), SERVER.into()]))
}

fn one_way(from: &str, to: &str) -> FaultAct {
    FaultAct::Stall(Path::one_way([from.into(), to.into()]))
}

fn partition() -> FaultAct {
    FaultAct::Partition(Pair { between: ["alice".into(), SERVER.into()] })
}

fn reset() -> FaultAct {
    FaultAct::Reset(Connections { between: [SERVER.into(), "alice".into()], connection: None })
}

fn up() -> Path {
    Path::one_way(["alice".into(), SERVER.into()])
}

fn both() -> Path {
    Path::between(["alice".into(), SERVER.into()])
}

fn kill(name: &str) -> FaultAct {
    FaultAct::Kill(name.into())
}

fn shutdown(name: &str) -> FaultAct {
    FaultAct::Shutdown(name.into())
}

/// What processes noticed, in order.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, machine: &Machine, what: impl AsRef<str>) {
        let line = format!("{} {}: {}", machine.env.clock.monotonic(), machine.name, what.as_ref());
        self.0.lock().expect("no one panics while holding it").push(line);
    }

    /// All of them, or those of one process.
    fn of(&self, name: &str) -> Vec<String> {
        let notes = self.0.lock().expect("no one panics while holding it");
        let of = format!(" {name}: ");
        notes.iter().filter(|note| note.contains(&of)).map(|note| note.replace(&of, " ")).collect()
    }
}

type ServerMain = dyn Fn(Machine, watch::Receiver<bool>) -> BoxFuture<()> + Send + Sync;
type ClientMain = dyn Fn(Machine, mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> + Send + Sync;

/// An app of two functions.
struct Scene {
    server: Box<ServerMain>,
    client: Box<ClientMain>,
}

impl App for Scene {
    fn server(&self, machine: Machine, _plan: &Plan, stop: watch::Receiver<bool>) -> BoxFuture<()> {
        (self.server)(machine, stop)
    }

    fn client(&self, machine: Machine, _plan: &Plan, ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        (self.client)(machine, ops)
    }
}

/// Plays a plan with a server and a client of a few lines; a client that is through with its lines goes on, idle.
fn play<S, C>(
    plan: &Plan,
    server: impl Fn(Machine, watch::Receiver<bool>) -> S + Send + Sync + 'static,
    client: impl Fn(Machine) -> C + Send + Sync + 'static,
) -> Outcome
where
    S: Future<Output = ()> + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    play_with(&RunOptions::default(), plan, server, client)
}

/// As [`play`].
fn play_with<S, C>(
    options: &RunOptions,
    plan: &Plan,
    server: impl Fn(Machine, watch::Receiver<bool>) -> S + Send + Sync + 'static,
    client: impl Fn(Machine) -> C + Send + Sync + 'static,
) -> Outcome
where
    S: Future<Output = ()> + Send + 'static,
    C: Future<Output = ()> + Send + 'static,
{
    let scene = Scene {
        server: Box::new(move |machine, stop| Box::pin(server(machine, stop))),
        client: Box::new(move |machine, ops| {
            let lines = client(machine);
            Box::pin(async move {
                let _ops = ops;
                lines.await;
                std::future::pending().await
            })
        }),
    };
    run(plan, &scene, options)
}

/// A client of a few lines, which note what they see.
fn noting<F>(
    notes: &Notes,
    lines: impl Fn(Machine, Notes) -> F + Send + Sync + 'static,
) -> impl Fn(Machine) -> F + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine| lines(machine, notes.clone())
}

/// A client that connects after a second, and notes when it is connected.
fn dials_at_1_s(notes: &Notes) -> impl Fn(Machine) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine| {
        let notes = notes.clone();
        Box::pin(async move {
            at(&machine, 1000).await;
            let _stream = connected(&machine).await;
            notes.note(&machine, "connected");
            std::future::pending().await
        })
    }
}

/// A server that sends back what it gets, and notes what it sees.
fn echo(notes: &Notes) -> impl Fn(Machine, watch::Receiver<bool>) -> BoxFuture<()> + Send + Sync + 'static {
    let notes = notes.clone();
    move |machine, _stop| {
        let notes = notes.clone();
        Box::pin(async move {
            let mut listener = machine.net.listen(PORT).expect("the port is free");
            while let Ok((mut stream, _)) = listener.accept().await {
                notes.note(&machine, "accepted");
                let (notes, env) = (notes.clone(), machine.env.clone());
                let machine = machine.clone();
                env.spawn(async move {
                    loop {
                        let heard = hear(&mut stream).await;
                        notes.note(&machine, &heard);
                        if heard.starts_with('!') || stream.write_all(heard.as_bytes()).await.is_err() {
                            return;
                        }
                    }
                });
            }
        })
    }
}

/// What a read gives: text, or `!` and how it failed.
async fn hear(stream: &mut ProcessStream) -> String {
    let mut bytes = vec![0; 256 << 10];
    match stream.read(&mut bytes).await {
        Ok(0) => "!EOF".to_owned(),
        Ok(length) => String::from_utf8(bytes[..length].to_vec()).expect("the scenes speak text"),
        Err(error) => format!("!{:?}", error.kind()),
    }
}

/// What a write gives: `wrote`, or `!` and how it failed.
async fn say(stream: &mut ProcessStream, text: &str) -> String {
    match stream.write_all(text.as_bytes()).await {
        Ok(()) => "wrote".to_owned(),
        Err(error) => format!("!{:?}", error.kind()),
    }
}

async fn connect(machine: &Machine) -> Result<ProcessStream, String> {
    machine.net.connect(SERVER, PORT).await.map_err(|error| format!("!{:?}", error.kind()))
}

async fn connected(machine: &Machine) -> ProcessStream {
    connect(machine).await.expect("someone listens")
}

/// Waits for a moment of the run.
async fn at(machine: &Machine, ms: u64) {
    machine.env.clock.sleep_until(squall::engine::Time::from_start(Duration::from_millis(ms))).await;
}
