//! What is written becomes what is meant: text to times, words to clients and links, defaults where nothing is said.
//!
//! Goes on after a mistake, so that all are told at once: what could not be understood is `None`, and no rule judges it.

mod clients;
mod core;
mod expect;
mod faults;
mod swarm;
mod triggers;
mod work;

use std::collections::BTreeSet;
use std::ops::{Range, RangeInclusive};
use std::path::Path as FilePath;
use std::time::Duration;

use squall::engine::Heartbeat;

use crate::units::{NumberRange, Span, SpanRange};

use super::diagnostic::{Diagnostic, Diagnostics, Findings};
use super::limits::{SEEDS_MAX, TICK, TIME_MAX};
use super::schema::{NetworkText, ScenarioText, ServerText, TimeText};
use super::terms::{NetworkPlan, ServerPlan};
use super::yaml::{self, Spanned};
use super::{Scenario, rules};

/// How long a commit takes where nothing is said.
const FSYNC: SpanRange = SpanRange { low: Duration::from_millis(1), high: Duration::from_millis(20) };

/// How long a chunk travels where nothing is said.
const LATENCY: SpanRange = SpanRange { low: Duration::from_millis(10), high: Duration::from_millis(80) };

/// With how many seeds a scenario is run where nothing is said.
const SEEDS: u32 = 20;

/// The options of a server and a network of which a file says nothing.
pub(super) fn default_options() -> (ServerPlan, NetworkPlan) {
    let heartbeat = Heartbeat::default();
    let server = ServerPlan {
        ping_interval: Span(heartbeat.ping_interval),
        ping_timeout: Span(heartbeat.ping_timeout),
        fsync: FSYNC,
        recovery: None,
        store_sessions: false,
    };
    (server, NetworkPlan { latency: LATENCY })
}

/// Understands a whole file.
pub(super) fn resolve(file: &str, text: &str, written: ScenarioText) -> Result<Scenario, Diagnostics> {
    let mut resolver = Resolver::new(file, text, &written);
    resolver.name(&written.name);
    resolver.about(&written.about);
    let swarm = resolver.swarm(&written);
    let server = resolver.server(written.server.as_ref());
    let network = resolver.network(written.network.as_ref());
    let clients = resolver.clients(written.clients.as_ref());
    let work: Vec<_> = written.work().iter().map(|step| resolver.step(step)).collect();
    let faults: Vec<_> = written.faults().iter().map(|fault| resolver.fault(fault)).collect();
    let core = written.core.as_ref().and_then(|core| resolver.core(core));
    let settle = written.settle.as_ref().map(|settle| resolver.span(settle));
    let expect = resolver.expect(&written.expect);
    let seeds = resolver.seeds(written.seeds.as_ref());

    let told = rules::Told {
        written: &written,
        server: server.as_ref(),
        network: network.as_ref(),
        clients: &clients,
        work: &work,
        faults: &faults,
        core: core.as_ref(),
    };
    rules::judge(&told, &mut resolver);
    resolver.findings.finish()?;

    let understood = "what could not be understood is a finding, and there is none";
    Ok(Scenario {
        name: written.name.value,
        about: written.about.value,
        guarantee: written.guarantee.value,
        server: server.expect(understood),
        clients: clients.into_iter().map(|(name, client)| (name, client.expect(understood))).collect(),
        network: network.expect(understood),
        work: work.into_iter().map(|step| step.expect(understood)).collect(),
        faults: faults.into_iter().map(|fault| fault.expect(understood)).collect(),
        swarm,
        core,
        settle: settle.map(|settle| Span(settle.expect(understood))),
        expect,
        seeds,
    })
}

/// Understands the parts of one file, and collects what is wrong with them.
pub(super) struct Resolver<'a> {
    text: &'a str,
    findings: Findings<'a>,
    /// The clients that the file declares, also those with a wrong name.
    declared: BTreeSet<String>,
    /// Who stands in the work.
    working: BTreeSet<String>,
}

impl<'a> Resolver<'a> {
    fn new(file: &'a str, text: &'a str, written: &ScenarioText) -> Self {
        let declared = written.clients().iter().map(|(name, _)| name.value.clone()).collect();
        let working =
            written.work().iter().flat_map(|step| step.value.who.value.names()).map(str::to_owned).collect();
        Self { text, findings: Findings::new(file, text), declared, working }
    }

    /// Something is wrong with a value.
    pub(super) fn wrong<T>(&mut self, value: &Spanned<T>, title: impl AsRef<str>) -> &mut Diagnostic {
        self.wrong_at(self.place(value), title)
    }

    fn wrong_at(&mut self, place: Range<usize>, title: impl AsRef<str>) -> &mut Diagnostic {
        self.findings.add(place, title)
    }

    fn place<T>(&self, value: &Spanned<T>) -> Range<usize> {
        yaml::bytes_of(self.text, value)
    }

    fn span(&mut self, text: &TimeText) -> Option<Duration> {
        let range = self.range(text)?;
        if range.low != range.high {
            self.wrong(text, "a range cannot stand here").label("a single duration is expected");
            return None;
        }
        Some(range.low)
    }

    fn range(&mut self, text: &TimeText) -> Option<SpanRange> {
        self.range_at(text, &text.value)
    }

    fn range_at<T>(&mut self, place: &Spanned<T>, text: &str) -> Option<SpanRange> {
        match text.parse::<SpanRange>() {
            Ok(range) if range.high <= TIME_MAX => Some(range),
            Ok(_) => {
                let limit = format!("at most {}", Span(TIME_MAX));
                self.wrong(place, "the duration is too long").label(limit);
                None
            }
            Err(error) => {
                self.wrong(place, error);
                None
            }
        }
    }

    /// A whole number, or a range of them.
    fn numbers(
        &mut self,
        written: &Spanned<String>,
        allowed: RangeInclusive<u64>,
        title: &str,
        label: &str,
    ) -> Option<NumberRange> {
        match written.value.parse::<NumberRange>() {
            Ok(range) if allowed.contains(&range.low) && allowed.contains(&range.high) => Some(range),
            Ok(_) => {
                self.wrong(written, title).label(label);
                None
            }
            Err(error) => {
                self.wrong(written, error);
                None
            }
        }
    }

    fn span_or(&mut self, text: Option<&TimeText>, default: Duration) -> Option<Duration> {
        text.map_or(Some(default), |text| self.span(text))
    }

    fn range_or(&mut self, text: Option<&TimeText>, default: SpanRange) -> Option<SpanRange> {
        text.map_or(Some(default), |text| self.range(text))
    }

    /// At least a tick, or told so.
    fn not_below_tick(&mut self, text: Option<&TimeText>, low: Duration, what: &str) -> Option<()> {
        match text {
            Some(text) if low < TICK => {
                let label = format!("at least {}, the tick of the simulated network", Span(TICK));
                self.wrong(text, format!("{what} is too short")).label(label);
                None
            }
            Some(_) | None => Some(()),
        }
    }

    fn name(&mut self, name: &Spanned<String>) {
        let file = self.findings.file();
        let stem = FilePath::new(file).file_stem().map(|stem| stem.to_string_lossy().into_owned());
        if stem.as_deref() != Some(name.value.as_str()) {
            let stem = stem.unwrap_or_default();
            self.wrong(name, "the scenario's name and the file's name differ")
                .label(format!("the file is called `{stem}`"))
                .help(format!("write `name: {stem}`, or rename the file"));
        }
    }

    fn about(&mut self, about: &Spanned<String>) {
        if about.value.trim().is_empty() {
            self.wrong(about, "`about` says nothing").label("what happens, and what must hold?");
        }
    }

    fn server(&mut self, written: Option<&ServerText>) -> Option<ServerPlan> {
        let ((default, _), unsaid) = (default_options(), ServerText::default());
        let written = written.unwrap_or(&unsaid);
        let interval = self.span_or(written.ping_interval.as_ref(), default.ping_interval.0);
        let timeout = self.span_or(written.ping_timeout.as_ref(), default.ping_timeout.0);
        let fsync = self.range_or(written.fsync.as_ref(), FSYNC);
        let interval = interval?;
        self.not_below_tick(written.ping_interval.as_ref(), interval, "`ping_interval`")?;
        let recovery = match &written.recovery {
            Some(text) => Some(Span(self.span_or(Some(text), default.ping_interval.0)?)),
            None => None,
        };
        let store_sessions = written.store_sessions.as_ref().is_some_and(|stored| stored.value);
        if let Some(stored) = written.store_sessions.as_ref().filter(|_| store_sessions && recovery.is_none())
        {
            self.wrong(stored, "there are no sessions to store")
                .label("only with `recovery`")
                .help("say how long a session outlives its connection, such as `recovery: 2m`");
        }
        Some(ServerPlan {
            ping_interval: Span(interval),
            ping_timeout: Span(timeout?),
            fsync: fsync?,
            recovery,
            store_sessions,
        })
    }

    fn network(&mut self, written: Option<&NetworkText>) -> Option<NetworkPlan> {
        let written = written.and_then(|network| network.latency.as_ref());
        let latency = self.range_or(written, LATENCY)?;
        self.not_below_tick(written, latency.low, "`latency`")?;
        Some(NetworkPlan { latency })
    }

    fn seeds(&mut self, written: Option<&Spanned<u32>>) -> u32 {
        let Some(seeds) = written else { return SEEDS };
        if !(1..=SEEDS_MAX).contains(&seeds.value) {
            self.wrong(seeds, "a scenario runs with one seed or more").label(format!("1 to {SEEDS_MAX}"));
        }
        seeds.value
    }
}
