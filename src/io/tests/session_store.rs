//! A server that keeps its sessions in a store: over a restart, and when the store fails.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::SystemTime;

use serde_json::Value;

use super::*;
use crate::engine::Time;
use crate::io::env::{Blocking, BoxFuture, Clock};
use crate::io::{SessionStore, SessionStoreError, Socket};
use crate::socket::stored::model::SessionModel;
use crate::socket::stored::{SessionBatch, StoredSessions};

/// How long a commit takes to become durable.
const FSYNC: Duration = Duration::from_millis(20);

/// A store that outlives its server, and fails when told to.
#[derive(Clone, Default)]
struct Shelf {
    model: Arc<Mutex<SessionModel>>,
    fails: Arc<AtomicBool>,
    /// Whether it was told to forget, and could.
    forgot: Arc<AtomicBool>,
    /// How often a server was done with it, and that in a job, which may wait for a disk.
    closed: Arc<AtomicU64>,
}

thread_local! {
    /// Whether a job runs.
    static WORKING: Cell<bool> = const { Cell::new(false) };
}

impl Shelf {
    fn check(&self) -> Result<(), SessionStoreError> {
        if self.fails.load(Ordering::Relaxed) { Err("no space".into()) } else { Ok(()) }
    }
}

fn since_1970(now: SystemTime) -> Duration {
    now.duration_since(SystemTime::UNIX_EPOCH).unwrap()
}

/// As one server has it.
struct Lent(Shelf);

impl Drop for Lent {
    fn drop(&mut self) {
        self.0.closed.fetch_add(u64::from(WORKING.get()), Ordering::Relaxed);
    }
}

impl SessionStore for Lent {
    fn load(&mut self, now: SystemTime) -> Result<Option<StoredSessions>, SessionStoreError> {
        self.0.check()?;
        Ok(self.0.model.lock().unwrap().load(since_1970(now)))
    }

    fn commit(&mut self, batch: &SessionBatch, now: SystemTime) -> Result<(), SessionStoreError> {
        self.0.check()?;
        self.0.model.lock().unwrap().commit(batch, since_1970(now));
        Ok(())
    }

    fn clear(&mut self) -> Result<(), SessionStoreError> {
        self.0.check()?;
        *self.0.model.lock().unwrap() = SessionModel::default();
        self.0.forgot.store(true, Ordering::Relaxed);
        Ok(())
    }
}

/// Does the work at once, and says so when it would be durable.
struct SlowDisk(Arc<dyn Clock>);

impl Blocking for SlowDisk {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let durable: Time = self.0.monotonic() + FSYNC;
        let clock = self.0.clone();
        Box::pin(async move {
            WORKING.set(true);
            job();
            WORKING.set(false);
            clock.sleep_until(durable).await;
        })
    }
}

/// A server with that store, and the sockets that connect.
fn storing(shelf: &Shelf) -> (World, mpsc::UnboundedReceiver<Socket>) {
    let env = Env::tokio();
    let env = Env { blocking: Arc::new(SlowDisk(env.clock.clone())), ..env };
    let server = Server::with_session_store(&env, ServerOptions::default(), Lent(shelf.clone()));
    let (sender, sockets) = mpsc::unbounded_channel();
    server.on_connect(move |socket| {
        drop(sender.send(socket));
        std::future::ready(())
    });
    (World::of(env, TestNet::default(), server), sockets)
}

async fn ask(world: &World, auth: Value) -> (Raw, Value) {
    let mut raw = world.raw_engine().await;
    raw.send(&format!("40{auth}")).await;
    let text = raw.next().await.expect("an answer");
    let answer = serde_json::from_str(text.strip_prefix("40").expect("the answer comes first")).unwrap();
    (raw, answer)
}

fn pid(answer: &Value) -> Value {
    json!({ "pid": answer["pid"] })
}

#[tokio::test(start_paused = true)]
async fn a_client_takes_up_its_socket_at_a_server_that_was_killed() {
    let shelf = Shelf::default();
    let (world, mut sockets) = storing(&shelf);
    let (_raw, first) = ask(&world, json!({})).await;
    let socket = sockets.recv().await.unwrap();
    socket.set_data(json!({ "user": "alice" }));
    socket.join("lobby");
    world.server.to("lobby").emit("n", number(1));
    world.env.sleep(SECOND).await;
    let (world, mut sockets) = storing(&shelf);
    world.server.use_middleware(|socket| async move {
        assert_eq!(socket.data(), json!({ "user": "alice" }));
        Ok(())
    });
    world.server.to("lobby").emit("n", number(2));

    let (mut raw, answer) = ask(&world, pid(&first)).await;

    assert_eq!(answer, first, "the same id, the same secret");
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",1,"#));
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",2,"#));
    let again = sockets.recv().await.unwrap();
    assert!(again.recovered() && again.id() == socket.id());
    assert_eq!(again.rooms().await, ["lobby".into(), again.id().into()].into());
}

#[tokio::test(start_paused = true)]
async fn what_is_told_survives_a_server_that_is_killed_at_once() {
    let shelf = Shelf::default();
    let (world, _sockets) = storing(&shelf);
    let (mut raw, first) = ask(&world, json!({})).await;
    world.server.emit("n", number(1));
    let told = raw.next().await.unwrap();
    let offset = serde_json::from_str::<Value>(&told[2..]).unwrap()[2].clone();

    // As if it had been killed in this moment: it does not hear that anyone is gone.
    let (world, _sockets) = storing(&shelf);
    let (_raw, answer) = ask(&world, json!({ "pid": first["pid"], "offset": offset })).await;

    assert_eq!(answer, first);
}

#[tokio::test(start_paused = true)]
async fn a_server_whose_store_fails_goes_on_and_recovers_nobody_after_a_restart() {
    let shelf = Shelf::default();
    let (world, _sockets) = storing(&shelf);
    let (mut raw, first) = ask(&world, json!({})).await;
    shelf.fails.store(true, Ordering::Relaxed);

    world.server.emit("n", number(1));
    assert!(raw.next().await.unwrap().starts_with(r#"42["n",1,"#), "nobody waits for a store that failed");
    let (_raw, again) = ask(&world, pid(&first)).await;
    assert_eq!(again, first, "this server knows everything");

    world.env.sleep(SECOND * 5).await;
    assert!(!shelf.forgot.load(Ordering::Relaxed));
    shelf.fails.store(false, Ordering::Relaxed);
    world.env.sleep(SECOND * 2).await;
    assert!(shelf.forgot.load(Ordering::Relaxed), "it is asked until it can");
    assert_eq!(shelf.closed.load(Ordering::Relaxed), 1, "and closed as it is used");
    let (world, _sockets) = storing(&shelf);
    let (_raw, other) = ask(&world, pid(&first)).await;
    assert_ne!(other["sid"], first["sid"]);
}

#[tokio::test(start_paused = true)]
async fn a_store_that_cannot_be_loaded_keeps_nobody_out() {
    let shelf = Shelf::default();
    let (world, _sockets) = storing(&shelf);
    let (_raw, first) = ask(&world, json!({})).await;
    shelf.fails.store(true, Ordering::Relaxed);

    let (world, _sockets) = storing(&shelf);
    let (_raw, other) = ask(&world, pid(&first)).await;

    assert_ne!(other["sid"], first["sid"]);
    shelf.fails.store(false, Ordering::Relaxed);
    world.env.sleep(SECOND * 2).await;
    assert!(shelf.forgot.load(Ordering::Relaxed), "a later server must not take it for all there was");
}

#[tokio::test(start_paused = true)]
async fn who_sends_much_waits_for_the_store_too() {
    let (world, mut sockets) = storing(&Shelf::default());
    let (mut raw, _) = ask(&world, json!({})).await;
    let socket = sockets.recv().await.unwrap();
    let sending = async {
        for _ in 0..200 {
            socket.emit("large", vec![json!("x".repeat(100_000))]);
            socket.writable().await;
        }
        socket.emit("last", number(1));
    };
    let reading = async {
        while let Some(text) = raw.next().await {
            if text.starts_with(r#"42["last""#) {
                return;
            }
        }
        panic!("its reader is not slow, and was cut off");
    };

    tokio::join!(sending, reading);
}
