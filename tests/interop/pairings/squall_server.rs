//! Squall's server as an actor of a case: does what the case asks for, tells what its handlers hear. What
//! `driver_server.mjs` is to the official library.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::future::{Ready, ready};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use futures_util::FutureExt;
use serde_json::{Value, json};
use squall::io::{Ack, AcksMissing, Broadcast, ConnectError, Incoming, ServerNamespace, ServerOptions};
use squall::socket::{Args, Recovery, RoomName};
use squall::{Env, Server, Socket};
use tokio::net::TcpListener;
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedSender;

use super::values::{answer_to_case, args_to_case, event_from_case, event_to_case, from_case};

/// A socket, and the answers it owes.
struct Connected {
    socket: Socket,
    unanswered: VecDeque<Ack>,
}

#[derive(Default)]
struct State {
    /// By the socket's id.
    sockets: BTreeMap<String, Connected>,
    /// By the namespace whose door they wait at.
    doors: BTreeMap<String, Arc<Notify>>,
}

/// The server of one case.
#[derive(Clone)]
pub(crate) struct SquallServer {
    env: Env,
    server: Option<Server>,
    state: Arc<Mutex<State>>,
    lines: UnboundedSender<Value>,
}

impl SquallServer {
    /// One that does not listen yet.
    pub(crate) fn new(lines: UnboundedSender<Value>) -> Self {
        Self { env: Env::tokio(), server: None, state: Arc::default(), lines }
    }

    /// Does what a case asks for.
    pub(crate) async fn play(&mut self, command: &Value) {
        let socket = self.socket(command);
        match (command["do"].as_str().unwrap_or_default(), socket) {
            ("listen", _) => self.listen(command).await,
            ("emit", socket) => self.emit(command, socket),
            ("ask", Some(socket)) => self.ask(command, socket),
            ("ask", None) => self.ask_many(command),
            ("fetch", _) => self.fetch(command),
            ("answer", Some(socket)) => self.answer(command, &socket),
            ("join", Some(socket)) => socket.join(text(&command["room"])),
            ("join", None) => self.target(command, None).sockets_join(text(&command["room"])),
            ("leave", Some(socket)) => socket.leave(text(&command["room"])),
            ("leave", None) => self.target(command, None).sockets_leave(text(&command["room"])),
            ("disconnect", Some(socket)) => socket.disconnect(command["close"] == true),
            ("disconnect", None) => self.target(command, None).disconnect_sockets(command["close"] == true),
            ("close", Some(socket)) => socket.close_connection(),
            ("admit", _) => self.door(text(&command["nsp"])).notify_one(),
            ("close", None) => self.close(),
            (unknown, _) => panic!("the server of a case was asked to {unknown}: {command}"),
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().expect("no one panics while holding it")
    }

    fn socket(&self, command: &Value) -> Option<Socket> {
        let sid = command["sid"].as_str()?;
        self.state().sockets.get(sid).map(|connected| connected.socket.clone())
    }

    fn door(&self, namespace: &str) -> Arc<Notify> {
        self.state().doors.entry(namespace.to_owned()).or_default().clone()
    }

    fn namespace(&self, command: &Value) -> ServerNamespace {
        self.server.as_ref().expect("a case begins with the server").of(text(&command["nsp"]))
    }

    async fn listen(&mut self, command: &Value) {
        let server = Server::new(&self.env, options(&command["options"]));
        self.server = Some(server.clone());
        // A case may emit one event several times; each is listened to once.
        let events: Arc<BTreeSet<String>> = Arc::new(texts(&command["events"]).map(str::to_owned).collect());
        for (name, door) in command["namespaces"].as_object().into_iter().flatten() {
            match name.strip_suffix('*').map(str::to_owned) {
                None => self.open(&server.of(name), door, &events),
                Some(prefix) => {
                    let matches = move |name: String, _auth| {
                        let matches = name.starts_with(&prefix);
                        async move { matches }
                    };
                    server.of_matching(matches).on_connect(self.greeter(door, &events));
                }
            }
        }
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a free port");
        let port = listener.local_addr().expect("a bound listener").port();
        self.env.spawn(async move {
            // It ends with the runtime of the case.
            drop(server.serve(listener).await);
        });
        self.tell(&json!({ "hears": { "listening": port } }));
    }

    fn open(&self, namespace: &ServerNamespace, door: &Value, events: &Arc<BTreeSet<String>>) {
        if let Some(token) = door["token"].as_str().map(str::to_owned) {
            let refusal = ConnectError {
                message: text(&door["refusal"]["message"]).to_owned(),
                data: door["refusal"].get("data").cloned(),
            };
            namespace.use_middleware(move |socket| {
                let is_known = socket.auth()["token"] == token.as_str();
                let decision = if is_known { Ok(()) } else { Err(refusal.clone()) };
                async move { decision }
            });
        }
        if !door["greets"].is_null() {
            let greeting = json!({ "event": door["greets"] });
            namespace.use_middleware(move |socket| {
                let (name, args) = event_from_case(&greeting);
                socket.emit(name, args);
                async { Ok(()) }
            });
        }
        if door["waits"] == true {
            let door = self.door(namespace.name());
            namespace.use_middleware(move |_socket| {
                let door = door.clone();
                async move {
                    door.notified().await;
                    Ok(())
                }
            });
        }
        namespace.on_connect(self.greeter(door, events));
    }

    /// What is done with each socket that connects.
    fn greeter(
        &self,
        door: &Value,
        events: &Arc<BTreeSet<String>>,
    ) -> impl Fn(Socket) -> Ready<()> + Send + Sync + 'static {
        let (here, door, events) = (self.clone(), door.clone(), events.clone());
        move |socket| {
            here.listen_to(&socket, &events);
            here.tell_more_of(&socket, &door);
            ready(())
        }
    }

    /// What a namespace of the case has its sockets tell besides.
    fn tell_more_of(&self, socket: &Socket, door: &Value) {
        if let Some(stopped) = door["stops"]["event"].as_str().map(str::to_owned) {
            let message = text(&door["stops"]["message"]).to_owned();
            socket.use_middleware(move |_socket, event| {
                ready(if event.name == stopped { Err(message.clone().into()) } else { Ok(event) })
            });
            let here = self.clone();
            socket.on_error(move |socket, error| {
                here.tell_of(&socket, &json!({ "stopped": error.source.to_string() }));
                ready(())
            });
        }
        if texts(&door["tells"]).any(|what| what == "any") {
            let here = self.clone();
            socket.on_any(move |socket, event| {
                here.tell_of(&socket, &json!({ "any": event_to_case(&event.name, &event.args) }));
                ready(())
            });
        }
        if texts(&door["tells"]).any(|what| what == "disconnecting") {
            let here = self.clone();
            socket.on_disconnecting(move |socket, reason, rooms| {
                let rooms = named(&socket, rooms);
                here.tell_of(&socket, &json!({ "disconnecting": reason.as_str(), "rooms": rooms }));
                ready(())
            });
        }
    }

    fn listen_to(&self, socket: &Socket, events: &BTreeSet<String>) {
        let connected = Connected { socket: socket.clone(), unanswered: VecDeque::new() };
        self.state().sockets.insert(socket.id().to_string(), connected);
        self.tell_of(socket, &json!(if socket.recovered() { "recovered" } else { "connection" }));
        for name in events {
            let here = self.clone();
            socket.on(name, move |socket, event| {
                here.hear(&socket, event);
                async {}
            });
        }
        let here = self.clone();
        socket.on_disconnect(move |socket, reason| {
            here.tell_of(&socket, &json!({ "disconnect": reason.as_str() }));
            async {}
        });
    }

    fn hear(&self, socket: &Socket, Incoming { name, args, ack }: Incoming) {
        if ack.is_wanted()
            && let Some(connected) = self.state().sockets.get_mut(&socket.id().to_string())
        {
            connected.unanswered.push_back(ack);
        }
        self.tell_of(socket, &event_to_case(&name, &args));
    }

    /// Several sockets: of the server all, of a socket all others, or some of them where the command says whom to.
    fn target(&self, command: &Value, socket: Option<Socket>) -> Broadcast {
        let all = || self.namespace(command).except("nobody is in this room");
        let mut target = socket.map_or_else(all, |socket| socket.broadcast());
        for room in texts(&command["to"]) {
            target = target.to(room);
        }
        for room in texts(&command["except"]) {
            target = target.except(room);
        }
        target
    }

    fn emit(&self, command: &Value, socket: Option<Socket>) {
        let (name, args) = event_from_case(command);
        let is_volatile = command["volatile"] == true;
        let is_broadcast = command["broadcast"] == true;
        match socket {
            Some(socket) if !is_broadcast && is_volatile => socket.volatile().emit(name, args),
            Some(socket) if !is_broadcast => socket.emit(name, args),
            // A broadcast of the server to everyone is what `emit` of the namespace is.
            None if !is_broadcast && !is_volatile => self.namespace(command).emit(name, args),
            socket if is_volatile => self.target(command, socket).volatile().emit(name, args),
            socket => self.target(command, socket).emit(name, args),
        }
    }

    fn ask_many(&self, command: &Value) {
        let (name, args) = event_from_case(command);
        let (here, name, nsp) = (self.clone(), name.to_owned(), command["nsp"].clone());
        let timeout = Duration::from_millis(command["timeout"].as_u64().expect("a case says how long"));
        let target = self.target(command, None).timeout(timeout);
        self.begin(async move {
            let answers = target.emit_with_ack(&name, args).await;
            here.tell(&json!({ "nsp": nsp, "hears": answers_to_case(&answers) }));
        });
    }

    fn fetch(&self, command: &Value) {
        let (here, nsp, target) = (self.clone(), command["nsp"].clone(), self.target(command, None));
        self.begin(async move {
            let mut sockets = Vec::new();
            for socket in target.fetch_sockets().await {
                let rooms = socket.rooms().await;
                sockets.push(named(&socket, rooms));
            }
            here.tell(&json!({ "nsp": nsp, "hears": { "sockets": sockets } }));
        });
    }

    /// Its first step is taken before anything that the case does next.
    fn begin(&self, future: impl Future<Output = ()> + Send + 'static) {
        let mut future = Box::pin(future);
        if (&mut future).now_or_never().is_none() {
            self.env.spawn(future);
        }
    }

    fn ask(&self, command: &Value, socket: Socket) {
        let (name, args) = event_from_case(command);
        let (here, name, asked) = (self.clone(), name.to_owned(), socket.clone());
        let timeout = command["timeout"].as_u64().map(Duration::from_millis);
        self.begin(async move {
            let answer = socket.emit_with_ack(&name, args, timeout).await;
            here.tell_of(&asked, &answer_to_case(&answer));
        });
    }

    fn answer(&self, command: &Value, socket: &Socket) {
        let owed =
            self.state().sockets.get_mut(&socket.id().to_string()).and_then(|of| of.unanswered.pop_front());
        let args = from_case(command["event"].as_array().map(Vec::as_slice).unwrap_or_default());
        owed.expect("the case answers what was heard").send(args);
    }

    fn close(&self) {
        let Some(server) = self.server.clone() else { return };
        self.env.spawn(async move { server.shutdown(Duration::from_secs(5)).await });
    }

    fn tell_of(&self, socket: &Socket, hears: &Value) {
        let (sid, nsp) = (socket.id().to_string(), socket.namespace());
        self.tell(&json!({ "sid": sid, "nsp": nsp, "hears": hears }));
    }

    fn tell(&self, line: &Value) {
        let mut line = line.clone();
        line["actor"] = json!("server");
        // A case that has ended no longer listens.
        drop(self.lines.send(line));
    }
}

fn options(official: &Value) -> ServerOptions {
    let mut options = ServerOptions::default();
    for (name, value) in official.as_object().into_iter().flatten() {
        let millis = || Duration::from_millis(value.as_u64().expect("milliseconds"));
        match name.as_str() {
            "pingInterval" => options.heartbeat.ping_interval = millis(),
            "pingTimeout" => options.heartbeat.ping_timeout = millis(),
            "connectTimeout" => options.connect_timeout = millis(),
            "maxHttpBufferSize" => {
                let size = value.as_u64().and_then(|size| usize::try_from(size).ok());
                options.max_http_buffer_size = size.expect("a number of bytes");
            }
            "path" => options.path = text(value).to_owned(),
            "connectionStateRecovery" => options.recovery = Some(recovery(value)),
            unknown => panic!("a case sets {unknown}, which no Squall server has"),
        }
    }
    options
}

fn recovery(official: &Value) -> Recovery {
    let mut recovery = Recovery::default();
    for (name, value) in official.as_object().into_iter().flatten() {
        match name.as_str() {
            "maxDisconnectionDuration" => {
                let window = value.as_u64().expect("milliseconds");
                recovery.max_disconnection_duration = Duration::from_millis(window);
            }
            "skipMiddlewares" => recovery.skip_middlewares = value == true,
            unknown => panic!("a case sets {unknown}, which no recovery of Squall has"),
        }
    }
    recovery
}

/// Rooms as the cases write them: without the one that is named as the socket's id.
fn named(socket: &Socket, rooms: BTreeSet<RoomName>) -> Vec<String> {
    rooms.iter().map(ToString::to_string).filter(|room| room != socket.id().as_str()).collect()
}

/// What many clients have answered. In which order they did is chance.
fn answers_to_case(answers: &Result<Vec<Args>, AcksMissing>) -> Value {
    let (came, error) = match answers {
        Ok(answers) => (answers, None),
        // How many are missing, the official server does not say.
        Err(missing) => (&missing.answers, Some("operation has timed out")),
    };
    let mut answers: Vec<Value> = came.iter().flat_map(args_to_case).collect();
    answers.sort_by_key(ToString::to_string);
    let mut hears = json!({ "answers": answers });
    if let Some(error) = error {
        hears["error"] = json!(error);
    }
    hears
}

fn text(value: &Value) -> &str {
    value.as_str().expect("the case was checked")
}

fn texts(value: &Value) -> impl Iterator<Item = &str> {
    value.as_array().into_iter().flatten().map(text)
}
