//! The cases: YAML files under `tests/interop/cases`, one a group. `README.md` there explains every key.

use std::collections::BTreeMap;
use std::path::Path;

use serde::Deserialize;
use serde_json::Value;

use super::Pairing;

/// One case, as it is written.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Case {
    /// What holds, in words with `_`.
    pub(crate) name: String,
    /// Where the implementations differ, and why.
    #[serde(default)]
    pub(crate) differs: Option<String>,
    /// On which ways it runs; one if nothing is said.
    #[serde(default = "websocket")]
    pub(crate) over: Vec<Way>,
    /// The options of the server.
    #[serde(default)]
    pub(crate) server: Value,
    /// Namespace → who is let in.
    #[serde(default)]
    pub(crate) namespaces: BTreeMap<String, Value>,
    /// The options of every client.
    #[serde(default)]
    pub(crate) client: Value,
    /// What happens, in order.
    pub(crate) steps: Vec<BTreeMap<String, Value>>,
    /// The Socket.IO packets of the first client, in the order of each direction.
    #[serde(default)]
    pub(crate) wire: Option<Vec<Line>>,
    /// The same with all Engine.IO packets.
    #[serde(default)]
    pub(crate) engine: Option<Vec<Line>>,
}

fn websocket() -> Vec<Way> {
    vec![Way::Websocket]
}

/// How clients reach the server.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Way {
    Websocket,
    Polling,
    Upgrade,
}

impl Way {
    /// As a client's `transports`.
    pub(crate) fn transports(self) -> &'static [&'static str] {
        match self {
            Self::Websocket => &["websocket"],
            Self::Polling => &["polling"],
            Self::Upgrade => &["polling", "websocket"],
        }
    }
}

/// A packet on the wire.
#[derive(Debug, Clone, Deserialize)]
#[serde(untagged)]
pub(crate) enum Line {
    Always(String),
    Sometimes { when: When, line: String },
}

impl Line {
    /// The line, where it is expected in this pairing.
    pub(crate) fn of(&self, pairing: Pairing) -> Option<&str> {
        match self {
            Self::Always(line) => Some(line),
            Self::Sometimes { when, line } => when.is(pairing).then_some(line),
        }
    }
}

/// In which pairings.
#[derive(Debug, Clone, Copy, Deserialize)]
pub(crate) enum When {
    #[serde(rename = "official server")]
    OfficialServer,
    #[serde(rename = "squall server")]
    SquallServer,
    #[serde(rename = "official client")]
    OfficialClient,
    #[serde(rename = "squall client")]
    SquallClient,
    #[serde(rename = "official pair")]
    OfficialPair,
    #[serde(rename = "squall on a side")]
    SquallOnASide,
}

impl When {
    fn is(self, pairing: Pairing) -> bool {
        match self {
            Self::OfficialServer => !pairing.squall_server,
            Self::SquallServer => pairing.squall_server,
            Self::OfficialClient => !pairing.squall_client,
            Self::SquallClient => pairing.squall_client,
            Self::OfficialPair => !pairing.squall_server && !pairing.squall_client,
            Self::SquallOnASide => pairing.squall_server || pairing.squall_client,
        }
    }
}

/// Who does or hears something.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Subject {
    Server,
    /// A client's socket on the server.
    Socket(String),
    Client(String),
    /// A client's connections.
    Wire(String),
}

/// A step, understood.
#[derive(Debug, Clone)]
pub(crate) struct Step {
    pub(crate) subject: Subject,
    pub(crate) namespace: String,
    /// `emits`, `hears`, `cuts` …
    pub(crate) verb: String,
    pub(crate) value: Value,
    when: Option<When>,
}

impl Case {
    /// What happens in this pairing.
    ///
    /// # Errors
    /// When a step is not understood, or implementations differ and the case does not say so.
    pub(crate) fn steps(&self, pairing: Pairing) -> Result<Vec<Step>, String> {
        let steps: Vec<Step> = self.steps.iter().map(step).collect::<Result<_, _>>()?;
        let is_different = steps.iter().any(|step| step.when.is_some())
            || self
                .wire
                .iter()
                .chain(&self.engine)
                .flatten()
                .any(|line| matches!(line, Line::Sometimes { .. }));
        if is_different != self.differs.is_some() {
            return Err("`when` and `differs` go together".to_owned());
        }
        Ok(steps.into_iter().filter(|step| step.when.is_none_or(|when| when.is(pairing))).collect())
    }
}

fn step(entries: &BTreeMap<String, Value>) -> Result<Step, String> {
    let when = entries.get("when").map(|when| When::deserialize(when).map_err(|error| error.to_string()));
    let mut said = entries.iter().filter(|(key, _)| *key != "when");
    let (Some((key, value)), None) = (said.next(), said.next()) else {
        return Err(format!("a step says one thing, and maybe `when`: {entries:?}"));
    };
    let (who, verb) = key.rsplit_once(' ').ok_or(format!("a step is `<who> <does>`: {key}"))?;
    let (who, namespace) = who.split_once(" in ").unwrap_or((who, "/"));
    let subject = match (who, who.split_once("'s ")) {
        ("server", _) => Subject::Server,
        ("socket", _) => Subject::Socket("client".to_owned()),
        ("wire", _) => Subject::Wire("client".to_owned()),
        (_, Some((client, "socket"))) => Subject::Socket(client.to_owned()),
        (_, Some((client, "wire"))) => Subject::Wire(client.to_owned()),
        (client, _) => Subject::Client(client.to_owned()),
    };
    let (namespace, verb) = (namespace.to_owned(), verb.to_owned());
    Ok(Step { subject, namespace, verb, value: value.clone(), when: when.transpose()? })
}

/// The cases of each group, by the names of their files.
pub(crate) fn load(directory: &Path) -> Vec<(String, Vec<Case>)> {
    let entries = std::fs::read_dir(directory).expect("the cases are a part of the repository");
    let mut files: Vec<_> = entries.map(|entry| entry.expect("a readable folder").path()).collect();
    files.retain(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    files.sort();
    files.iter().map(|path| (group(path), read(path))).collect()
}

fn group(path: &Path) -> String {
    path.file_stem().unwrap_or_default().to_string_lossy().into_owned()
}

fn read(path: &Path) -> Vec<Case> {
    let text = std::fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_saphyr::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
