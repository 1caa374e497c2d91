//! A scenario: a story in YAML becomes values, or errors with file, line and column.
//!
//! [`load`] reads a file, [`parse`] a text; both tell all that is wrong at once. What they give is sound: every plan drawn
//! from it is valid, with any seed. `scenarios/README.md` explains every key. Nothing is drawn here.

mod anomaly;
mod client;
mod diagnostic;
mod expect;
mod faults;
pub mod limits;
mod paths;
mod resolve;
mod rules;
mod schema;
mod swarm;
mod terms;
mod trigger;
mod work;
pub(crate) mod yaml;

use std::collections::BTreeMap;
use std::fs::File;
use std::io::Read;
use std::path::Path as FilePath;

use crate::units::{Span, SpanRange};

pub use anomaly::Anomaly;
pub use client::{ClientPlan, Guarantee, Receive, Send, Transport, WhileDead};
pub(crate) use diagnostic::Findings;
pub use diagnostic::{Diagnostic, Diagnostics};
pub use expect::{Comparison, Count, Expect};
pub use faults::{ClockJump, ClockSkew, Cut, Delay, DiskSlow, FaultAct, FaultKind, Lasting, Loss, Slow};
pub use paths::{Connections, Pair, Path, Ways, Which};
pub use swarm::{Intensity, Open, Swarm};
pub use terms::{Core, Name, NetworkPlan, SERVER, ServerPlan, WORLD};
pub use trigger::{ByteTrigger, DiskOpTrigger, EventTrigger, Trigger};
pub use work::{BroadcastStep, EmitStep, JoinStep, Pace, Say, Step, StepAct};

/// A story: who is there, what they do, what breaks, and what must hold all the same.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Scenario {
    /// What it is called; the file is called the same.
    pub name: String,
    /// What happens, in a sentence or two.
    pub about: String,
    /// What is promised.
    pub guarantee: Guarantee,
    /// The server's options.
    pub server: ServerPlan,
    /// The clients' options, by name.
    pub clients: BTreeMap<Name, ClientPlan>,
    /// The network between them.
    pub network: NetworkPlan,
    /// What users do, in the order of the file.
    pub work: Vec<Step>,
    /// What breaks, in the order of the file.
    pub faults: Vec<FaultStep>,
    /// What draws all that is left open; `None` where the file says everything.
    pub swarm: Option<Swarm>,
    /// For whom the world heals; `None` for everyone, or, where a swarm draws what breaks, whoever that draws.
    pub core: Option<Core>,
    /// How long everything owed may take once all is well; `None` for the protocol's own bound.
    pub settle: Option<Span>,
    /// What the seeds must show.
    pub expect: Expect,
    /// With how many seeds it is run.
    pub seeds: u32,
}

/// Something that breaks.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FaultStep {
    /// From when.
    pub at: Trigger,
    /// For how long, counted from then; `None` for what takes no time.
    pub lasts: Option<SpanRange>,
    /// What.
    pub what: FaultAct,
}

/// The options of a server and a network of which a file says nothing.
pub(crate) fn default_options() -> (ServerPlan, NetworkPlan) {
    resolve::default_options()
}

/// The largest file: a story is short.
const SIZE: yaml::Size = yaml::Size { bytes: 1 << 20, nodes: 50_000 };

/// Reads a scenario from a file.
///
/// # Errors
/// When the file cannot be read, is not UTF-8, or [`parse`] refuses it.
pub fn load(path: impl AsRef<FilePath>) -> Result<Scenario, Diagnostics> {
    let path = path.as_ref();
    let file = path.display().to_string();
    let text = text_of(path, &file, SIZE.bytes)?;
    parse(&file, &text)
}

/// Reads a scenario from a text. `file_name` is what errors call it; its stem must be the scenario's name.
///
/// # Errors
/// All that is wrong with it. Mistakes of form (YAML, unknown keys) hide those of meaning: the first one is told alone.
pub fn parse(file_name: &str, text: &str) -> Result<Scenario, Diagnostics> {
    let written: schema::ScenarioText = yaml::read(file_name, text, SIZE)?;
    resolve::resolve(file_name, text, written)
}

/// The text of a file that people write, unless it is far larger than one they would.
pub(crate) fn text_of(path: &FilePath, file: &str, bytes_max: usize) -> Result<String, Diagnostics> {
    // One byte more than allowed is enough to know; the length that a device or a pipe states is not to be trusted.
    let enough = u64::try_from(bytes_max).map_or(u64::MAX, |bytes| bytes.saturating_add(1));
    let mut bytes = Vec::new();
    let read = File::open(path).and_then(|opened| opened.take(enough).read_to_end(&mut bytes));
    read.map_err(|error| Diagnostics::unreadable(file, format!("failed to read the file: {error}")))?;
    if bytes.len() > bytes_max {
        return Err(Diagnostics::unreadable(file, format!("the file is larger than {bytes_max} bytes")));
    }
    String::from_utf8(bytes).map_err(|error| {
        let valid = error.utf8_error().valid_up_to();
        let text = String::from_utf8_lossy(error.as_bytes()).into_owned();
        let mut findings = Findings::new(file, &text);
        findings.add(valid..valid, "the file is not UTF-8").label("the first bytes that are not");
        findings.finish().expect_err("a finding was just added")
    })
}

#[cfg(test)]
pub(crate) mod tests;
