//! Plays one case with one pair of implementations: has them do what the steps say, waits for what they must hear, and in
//! the end looks at what passed on the wire and at what was heard besides.
//!
//! Promise: what is heard in a place is heard in that order and completely; no wait is longer than [`PATIENCE`].
#![expect(clippy::disallowed_methods, reason = "real processes answer in real time")]

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use super::Pairing;
use super::actor::Actor;
use super::case::{Case, Line, Step, Subject, Way};
use super::likeness::{is_like, is_packet_like};
use super::official::Official;
use super::proxy::{Passed, Proxy};
use super::request::Request;
use super::squall_client::SquallClient;
use super::squall_server::SquallServer;
use super::wire::{Direction, Layer};

/// Far longer than a step takes on a busy machine.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

/// A case that is played.
pub(crate) struct Stage<'c> {
    id: String,
    case: &'c Case,
    pairing: Pairing,
    way: Way,
    official: Option<Arc<Official>>,
    server: SquallServer,
    server_port: u16,
    clients: BTreeMap<String, Actor>,
    lines: UnboundedReceiver<Value>,
    teller: UnboundedSender<Value>,
    /// What was heard and not yet asked for, by where: a socket's id, or a client, a wire or the server and its namespace.
    heard: BTreeMap<String, VecDeque<Value>>,
    /// The socket ids that a client had in a namespace.
    sids: BTreeMap<String, Vec<String>>,
}

/// Plays a case to its end.
///
/// # Errors
/// What was otherwise than the case says.
pub(crate) async fn play(
    id: &str,
    case: &Case,
    pairing: Pairing,
    way: Way,
    official: Option<Arc<Official>>,
) -> Result<(), String> {
    let steps = case.steps(pairing)?;
    let (teller, lines) = unbounded_channel();
    if let Some(official) = &official {
        official.listen(id, teller.clone());
    }
    let mut stage = Stage {
        id: id.to_owned(),
        case,
        pairing,
        way,
        official,
        server: SquallServer::new(teller.clone()),
        server_port: 0,
        clients: BTreeMap::new(),
        lines,
        teller,
        heard: BTreeMap::new(),
        sids: BTreeMap::new(),
    };
    let mut result = stage.open().await;
    for (number, step) in steps.iter().enumerate() {
        if result.is_err() {
            break;
        }
        let done = stage.step(step).await;
        result = done.map_err(|error| format!("step {}, {} {}: {error}", number + 1, step.verb, step.value));
    }
    if result.is_ok() {
        result = stage.judge().await;
    }
    if let Some(official) = &stage.official {
        official.end(id);
    }
    result.map_err(|error| format!("{error}\n{}", stage.story()))
}

impl Stage<'_> {
    async fn open(&mut self) -> Result<(), String> {
        let mut namespaces = self.case.namespaces.clone();
        namespaces.entry("/".to_owned()).or_insert_with(|| json!({}));
        let mut events: Vec<&Value> = Vec::new();
        for step in &self.case.steps {
            events.extend(step.values().flat_map(|value| [value, &value["event"]]).map(|value| &value[0]));
        }
        events.retain(|name| name.is_string());
        let options = if self.case.server.is_null() { json!({}) } else { self.case.server.clone() };
        let command =
            json!({ "do": "listen", "options": options, "namespaces": namespaces, "events": events });
        self.command_server(command).await;
        let port = loop {
            let line = self.line().await?;
            if let Some(port) = line["hears"]["listening"].as_u64() {
                break port;
            }
        };
        self.server_port = u16::try_from(port).map_err(|error| error.to_string())?;
        Ok(())
    }

    async fn command_server(&mut self, mut command: Value) {
        command["actor"] = json!("server");
        command["case"] = json!(self.id);
        match &self.official {
            Some(official) if !self.pairing.squall_server => official.play(&command),
            Some(_) | None => self.server.play(&command).await,
        }
    }

    async fn step(&mut self, step: &Step) -> Result<(), String> {
        match &step.subject {
            Subject::Wire(client) if step.verb == "hears" => {
                self.hears(&[place(&format!("{client}'s wire"), step)], step).await
            }
            Subject::Wire(client) => self.wire(client, step).await,
            Subject::Client(client) if step.verb == "hears" => self.hears(&[place(client, step)], step).await,
            Subject::Client(client) => self.act(client, step).await,
            Subject::Socket(client) => {
                let place = place(client, step);
                while !self.sids.contains_key(&place) {
                    let line = self.line().await?;
                    self.file(line);
                }
                let sids = self.sids[&place].clone();
                if step.verb == "hears" {
                    return self.hears(&sids, step).await;
                }
                let command = json!({ "sid": sids.last() });
                self.command_server(command_of(command, step)?).await;
                Ok(())
            }
            Subject::Server if step.verb == "hears" => self.hears(&[place("server", step)], step).await,
            Subject::Server => {
                self.command_server(command_of(json!({}), step)?).await;
                Ok(())
            }
        }
    }

    /// Has a client do something; it is made when it first does.
    async fn act(&mut self, client: &str, step: &Step) -> Result<(), String> {
        self.need(client).await?;
        let mut command = command_of(json!({ "case": self.id, "actor": client }), step)?;
        command["case"] = json!(self.id);
        match (self.clients.get_mut(client).and_then(|actor| actor.squall.as_mut()), &self.official) {
            (Some(squall), _) => squall.play(&command),
            (None, Some(official)) => official.play(&command),
            (None, None) => unreachable!("without Node no official client is asked for"),
        }
        Ok(())
    }

    async fn need(&mut self, client: &str) -> Result<&mut Actor, String> {
        if !self.clients.contains_key(client) {
            let actor = self.make(client).await?;
            self.clients.insert(client.to_owned(), actor);
        }
        Ok(self.clients.get_mut(client).expect("it was just made"))
    }

    async fn make(&self, client: &str) -> Result<Actor, String> {
        let proxy = Proxy::start(self.server_port).await.map_err(|error| error.to_string())?;
        let mut options = json!({ "reconnection": false, "transports": self.way.transports() });
        for (name, value) in self.case.client.as_object().into_iter().flatten() {
            options[name] = value.clone();
        }
        let squall = self
            .pairing
            .squall_client
            .then(|| SquallClient::new(client, &options, proxy.port, self.teller.clone()));
        if let (None, Some(official)) = (&squall, &self.official) {
            let url = format!("http://127.0.0.1:{}", proxy.port);
            let create =
                json!({ "do": "create", "case": self.id, "actor": client, "url": url, "options": options });
            official.play(&create);
        }
        Ok(Actor::new(proxy, squall))
    }

    /// Waits until this is what was heard next in one of the places.
    async fn hears(&mut self, places: &[String], step: &Step) -> Result<(), String> {
        loop {
            for place in places {
                let heard = self.heard.entry(place.clone()).or_default();
                if heard.front().is_some_and(|heard| is_like(&step.value, heard)) {
                    heard.pop_front();
                    return Ok(());
                }
            }
            if let [only] = places
                && let Some(other) = self.heard[only].front()
            {
                return Err(format!("heard {other}"));
            }
            let line = self.line().await?;
            self.file(line);
        }
    }

    async fn line(&mut self) -> Result<Value, String> {
        match tokio::time::timeout(PATIENCE, self.lines.recv()).await {
            Ok(Some(line)) if line["gone"] == true => Err("the Node driver is gone".to_owned()),
            Ok(Some(line)) => Ok(line),
            Ok(None) => unreachable!("the stage holds a sender itself"),
            Err(_) => Err(format!("nothing more was heard within {PATIENCE:?}")),
        }
    }

    /// Puts what was heard where a step looks for it.
    fn file(&mut self, line: Value) {
        let is_of_server = line["actor"] == "server";
        let sid = line["sid"].as_str().unwrap_or_default().to_owned();
        let mut place = sid.clone();
        if sid.is_empty() || !is_of_server {
            place = format!(
                "{} in {}",
                line["actor"].as_str().unwrap_or_default(),
                line["nsp"].as_str().unwrap_or_default()
            );
        }
        if !is_of_server && (line["hears"] == "connect" || line["hears"] == "recovered") {
            let sids = self.sids.entry(place.clone()).or_default();
            // Who is recovered has the id of before.
            sids.retain(|known| *known != sid);
            sids.push(sid);
        }
        self.heard.entry(place).or_default().push_back(line["hears"].clone());
    }

    /// Has something happen on a client's wire, or beside it.
    async fn wire(&mut self, client: &str, step: &Step) -> Result<(), String> {
        let is_request = matches!(step.verb.as_str(), "posts" | "polls");
        if !is_request {
            return self.need(client).await?.wire(&step.verb, &step.value).await;
        }
        let sid = self.need(client).await?.session().ok_or("no session was opened on this wire")?;
        let path = self.case.server["path"].as_str().unwrap_or("/socket.io/");
        let target = format!("{path}?EIO=4&transport=polling&sid={sid}");
        let request = Request::of_step(&step.verb, &step.value);
        let (port, teller) = (self.server_port, self.teller.clone());
        let (actor, nsp) = (format!("{client}'s wire"), step.namespace.clone());
        tokio::spawn(async move {
            let hears = request.send(port, target).await;
            // A case that has ended no longer listens.
            drop(teller.send(json!({ "actor": actor, "nsp": nsp, "hears": hears })));
        });
        Ok(())
    }

    /// What passed is what the case says, and nothing was heard besides.
    async fn judge(&mut self) -> Result<(), String> {
        let (wire, engine) = (self.case.wire.as_deref(), self.case.engine.as_deref());
        for (lines, is_of_layer) in [(wire, is_of_socket as fn(&Passed) -> bool), (engine, is_of_engine)] {
            for direction in [Direction::ToServer, Direction::ToClient] {
                if let Some(lines) = lines {
                    self.compare(lines, direction, is_of_layer).await?;
                }
            }
        }
        while let Ok(line) = self.lines.try_recv() {
            self.file(line);
        }
        let besides: Vec<_> = self.heard.iter().filter(|(_, heard)| !heard.is_empty()).collect();
        if besides.is_empty() { Ok(()) } else { Err(format!("heard besides: {besides:?}")) }
    }

    async fn compare(
        &self,
        lines: &[Line],
        direction: Direction,
        is_of_layer: impl Fn(&Passed) -> bool,
    ) -> Result<(), String> {
        let sign = format!("{} ", direction.sign());
        let expected: Vec<&str> =
            lines.iter().filter_map(|line| line.of(self.pairing)?.strip_prefix(&sign)).collect();
        let first = ["client", "alice"].iter().find_map(|name| self.clients.get(*name));
        let proxy = &first.ok_or("nobody has a wire")?.proxy;
        loop {
            let passed = proxy.passed();
            let found: Vec<&str> = passed
                .iter()
                .filter(|passed| passed.direction == direction && is_of_layer(passed))
                .map(|passed| passed.packet.as_str())
                .collect();
            let is_right =
                expected.iter().zip(&found).all(|(expected, found)| is_packet_like(expected, found));
            if is_right && found.len() == expected.len() {
                return Ok(());
            }
            let may_come = is_right && found.len() < expected.len();
            if !may_come || tokio::time::timeout(PATIENCE, proxy.changed()).await.is_err() {
                return Err(format!("on the wire, {sign}: {found:#?}\nexpected: {expected:#?}"));
            }
        }
    }

    /// All that is known, for who reads a failure.
    fn story(&self) -> String {
        let mut story = format!("heard and not asked for: {:#?}\n", self.heard);
        for (name, actor) in &self.clients {
            let lines: Vec<String> = actor
                .proxy
                .passed()
                .iter()
                .map(|passed| format!("  {} {}", passed.direction.sign(), passed.packet))
                .collect();
            story += &format!("the wire of {name}:\n{}\n", lines.join("\n"));
        }
        story
    }
}

fn is_of_engine(passed: &Passed) -> bool {
    passed.layer != Layer::Http
}

fn is_of_socket(passed: &Passed) -> bool {
    passed.layer == Layer::Socket
}

/// Where someone hears something.
fn place(who: &str, step: &Step) -> String {
    format!("{who} in {}", step.namespace)
}

/// What an actor is told for a step.
fn command_of(mut command: Value, Step { namespace, verb, value, .. }: &Step) -> Result<Value, String> {
    let (name, key) = match verb.as_str() {
        "emits" => ("emit", "event"),
        "broadcasts" => ("emit", "event"),
        "asks" => ("ask", "event"),
        "answers" => ("answer", "event"),
        "connects" => ("connect", ""),
        "disconnects" => ("disconnect", ""),
        "closes" => ("close", ""),
        "fetches" => ("fetch", ""),
        "authenticates" => ("auth", "auth"),
        "joins" => ("join", "room"),
        "leaves" => ("leave", "room"),
        "admits" => ("admit", ""),
        unknown => return Err(format!("nobody {unknown}")),
    };
    let mut fields = match value {
        Value::Object(fields) if key != "auth" => fields.clone(),
        Value::Null => Map::new(),
        value @ (Value::Bool(_)
        | Value::Number(_)
        | Value::String(_)
        | Value::Array(_)
        | Value::Object(_)) => Map::from_iter([(key.to_owned(), value.clone())]),
    };
    fields.insert("do".to_owned(), json!(name));
    fields.insert("nsp".to_owned(), json!(namespace));
    if verb == "broadcasts" {
        fields.insert("broadcast".to_owned(), json!(true));
    }
    command.as_object_mut().expect("a command is an object").extend(fields);
    Ok(command)
}
