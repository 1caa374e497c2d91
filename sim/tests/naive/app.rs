//! A chat as someone writes it who has never heard of simulation. Each message that a client says takes its chance and its
//! time from wherever is nearest, and who hears it first is up to a `HashMap`.
//!
//! What chance decided is noted, so that a test can tell that there was any.
#![expect(
    clippy::disallowed_methods,
    clippy::disallowed_types,
    reason = "the subject is code that does this"
)]

use std::collections::{BTreeMap, HashMap};
use std::future::ready;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant, SystemTime};

use squall::engine::Transport;
use squall::io::env::BoxFuture;
use squall::io::{ClientOptions, ConnectUrl, ServerOptions};
use squall::{Client, Server, Socket, args};
use squall_sim::app::{App, Machine};
use squall_sim::plan::{Act, Plan, SERVER};
use tokio::sync::{mpsc, watch};

const PORT: u16 = 3000;

/// What chance and time decide for naive code.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Habit {
    /// Who comes first in a `HashMap`.
    MapOrder,
    /// Which of two futures that are ready an unbiased `select!` takes.
    Select,
    /// What the thread's generator gives.
    ThreadRng,
    /// What a hash without a key of its own comes to.
    Hash,
    /// What `SystemTime::now` shows.
    Date,
    /// What `Instant::now` shows.
    Instant,
}

/// The app, and what was decided in its runs, in order.
#[derive(Default)]
pub(crate) struct Naive {
    decided: Decided,
}

type Decided = Arc<Mutex<BTreeMap<Habit, Vec<String>>>>;

impl Naive {
    /// All that was decided so far.
    pub(crate) fn decided(&self) -> BTreeMap<Habit, Vec<String>> {
        self.decided.lock().expect("no one panics while holding it").clone()
    }
}

/// Notes what was decided, and gives it back.
fn note(decided: &Decided, habit: Habit, what: String) -> String {
    decided.lock().expect("no one panics while holding it").entry(habit).or_default().push(what.clone());
    what
}

impl App for Naive {
    fn server(&self, machine: Machine, _: &Plan, _: watch::Receiver<bool>) -> BoxFuture<()> {
        let server = Server::new(&machine.env, ServerOptions::default());
        let present = Present::default();
        let decided = Arc::clone(&self.decided);
        server.on_connect(move |socket| {
            welcome(&socket, &present, &decided);
            async {}
        });
        Box::pin(async move {
            let listener = machine.net.listen(PORT).expect("the port is free");
            server.serve(listener).await.expect("a simulated listener does not fail");
        })
    }

    fn client(&self, machine: Machine, _: &Plan, ops: mpsc::UnboundedReceiver<Act>) -> BoxFuture<()> {
        let decided = Arc::clone(&self.decided);
        Box::pin(async move {
            // What its user does is of no interest.
            let _ops = ops;
            let options =
                ClientOptions { transports: vec![Transport::WebSocket], ..ClientOptions::default() };
            let url = ConnectUrl { secure: false, host: SERVER.to_owned(), port: PORT };
            let (client, events) =
                Client::new(&machine.env, machine.net.clone(), url, options).expect("defaults go together");
            drop(events);
            client.connect();
            loop {
                machine.env.sleep(Duration::from_millis(500)).await;
                client.emit("say", args![machine.name.as_ref(), what_is_at_hand(&decided).await]);
            }
        })
    }
}

/// Who is connected, by name.
type Present = Arc<Mutex<HashMap<String, Socket>>>;

fn welcome(socket: &Socket, present: &Present, decided: &Decided) {
    let (present, decided) = (Arc::clone(present), Arc::clone(decided));
    socket.on("say", move |socket, event| {
        if let (Ok(who), Ok(said)) = (event.args.get::<String>(0), event.args.get::<String>(1)) {
            let mut present = present.lock().expect("no one panics while holding it");
            present.insert(who, socket);
            tell_all(&present, &said, &decided);
        }
        async {}
    });
}

/// Each is told in the order of the map, and how many were told before.
fn tell_all(present: &HashMap<String, Socket>, said: &str, decided: &Decided) {
    let order: Vec<&str> = present.keys().map(String::as_str).collect();
    note(decided, Habit::MapOrder, order.join(" "));
    for (before, socket) in present.values().enumerate() {
        socket.emit("heard", args![before, said, now(decided)]);
    }
}

fn now(decided: &Decided) -> String {
    let elapsed =
        SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).expect("no simulated date is so early");
    note(decided, Habit::Date, elapsed.as_nanos().to_string())
}

async fn what_is_at_hand(decided: &Decided) -> String {
    let mut taken = String::new();
    for _ in 0..16 {
        taken.push(tokio::select! {
            () = ready(()) => 'a',
            () = ready(()) => 'b',
        });
    }
    let said = [
        note(decided, Habit::Select, taken),
        note(decided, Habit::ThreadRng, rand::random::<u64>().to_string()),
        note(decided, Habit::Hash, RandomState::new().hash_one("key").to_string()),
        note(decided, Habit::Instant, format!("{:?}", Instant::now())),
        now(decided),
    ];
    said.join(" ")
}
