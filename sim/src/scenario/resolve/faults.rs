//! What breaks, and between whom.

use std::sync::Arc;

use crate::scenario::FaultStep;
use crate::scenario::faults::{
    ClockJump, ClockSkew, Cut, Delay, DiskSlow, FaultAct, FaultKind, Lasting, Loss, Slow,
};
use crate::scenario::limits::{CLOCK_PERCENT, CONTENT_BYTES_TOTAL_MAX, LOSS_PERCENT};
use crate::scenario::paths::{Connections, PATH_FORMS, Pair, Path, Ways, Which};
use crate::scenario::schema::{EndsText, FaultActText, FaultText, TimeText, WayText, WhichText};
use crate::scenario::terms::{Name, SERVER};
use crate::scenario::yaml::Spanned;
use crate::units::{NumberRange, Rate, SpanRange};

use super::Resolver;

impl Resolver<'_> {
    pub(super) fn fault(&mut self, written: &Spanned<FaultText>) -> Option<FaultStep> {
        let fault = &written.value;
        let at = self.trigger(&fault.at);
        let lasts = self.lasts(fault);
        let what = self.what(&fault.what);
        Some(FaultStep { at: at?, lasts: lasts?, what: what? })
    }

    fn what(&mut self, what: &Spanned<FaultActText>) -> Option<FaultAct> {
        match &what.value {
            FaultActText::Delay(delay) => {
                let (path, by) = (self.path(what, delay.way()), self.delay(&delay.by));
                Some(FaultAct::Delay(Delay { path: path?, by: by? }))
            }
            FaultActText::Loss(loss) => {
                let (path, percent) = (self.path(what, loss.way()), self.percent(&loss.percent));
                Some(FaultAct::Loss(Loss { path: path?, percent: percent? }))
            }
            FaultActText::Slow(slow) => {
                let (path, rate) = (self.path(what, slow.way()), self.rate(&slow.rate));
                Some(FaultAct::Slow(Slow { path: path?, rate: rate? }))
            }
            FaultActText::Cut(cut) => {
                let (path, after) = (self.path(what, cut.way()), self.bytes(&cut.after));
                Some(FaultAct::Cut(Cut { path: path?, after: after? }))
            }
            FaultActText::Stall(stall) => self.path(what, stall.way()).map(FaultAct::Stall),
            FaultActText::Partition(pair) => self.pair(&pair.between).map(FaultAct::Partition),
            FaultActText::HalfOpen(some) => {
                self.connections(&some.between, some.connection.as_ref()).map(FaultAct::HalfOpen)
            }
            FaultActText::Reset(some) => {
                self.connections(&some.between, some.connection.as_ref()).map(FaultAct::Reset)
            }
            FaultActText::Kill(name) => self.the_server(name, "killed").map(FaultAct::Kill),
            FaultActText::Shutdown(name) => self.the_server(name, "shut down").map(FaultAct::Shutdown),
            FaultActText::RollingRestart(name) => {
                self.the_server(name, "replaced").map(FaultAct::RollingRestart)
            }
            FaultActText::Reload(name) => self.a_page(name).map(FaultAct::Reload),
            FaultActText::Pause(name) => self.a_machine(name).map(FaultAct::Pause),
            FaultActText::PowerOff(name) => self.a_machine(name).map(FaultAct::PowerOff),
            FaultActText::DiskFull(name) => self.a_machine(name).map(FaultAct::DiskFull),
            FaultActText::DiskError(name) => self.a_machine(name).map(FaultAct::DiskError),
            FaultActText::DiskSlow(slow) => {
                let (of, by) = (self.a_machine(&slow.of), self.delay(&slow.by));
                Some(FaultAct::DiskSlow(DiskSlow { of: of?, by: by? }))
            }
            FaultActText::ClockSkew(skew) => {
                let (of, percent) = (self.a_machine(&skew.of), self.clock_pace(&skew.percent));
                Some(FaultAct::ClockSkew(ClockSkew { of: of?, percent: percent? }))
            }
            FaultActText::ClockJump(jump) => {
                let (of, by) = (self.a_machine(&jump.of), self.leap(&jump.by));
                Some(FaultAct::ClockJump(ClockJump { of: of?, by: by?, back: jump.back }))
            }
        }
    }

    /// The inner `None` is right for what takes no time.
    fn lasts(&mut self, fault: &FaultText) -> Option<Option<SpanRange>> {
        let kind = fault.what.value.kind();
        match (&fault.lasts, kind.lasting()) {
            (None, Lasting::Never | Lasting::IfSaid) => Some(None),
            (None, Lasting::Always) => {
                self.wrong(&fault.what, format!("`{}` needs `lasts`", kind.as_str()))
                    .label("for how long?")
                    .help("add a duration, `lasts: 4s`, or a range, `lasts: 1s..8s`");
                None
            }
            (Some(lasts), Lasting::Never) => {
                let (title, label) = without_length(kind);
                self.wrong(lasts, title).label(label).help("remove `lasts`");
                None
            }
            (Some(lasts), Lasting::Always | Lasting::IfSaid) => {
                let range = self.range(lasts)?;
                self.not_below_tick(Some(lasts), range.low, "`lasts`")?;
                Some(Some(range))
            }
        }
    }

    fn delay(&mut self, by: &TimeText) -> Option<SpanRange> {
        let range = self.range(by)?;
        if range.high.is_zero() {
            self.wrong(by, "this delays nothing").label("longer than 0s");
            return None;
        }
        Some(range)
    }

    /// At how many percent of true time clocks run.
    fn clock_pace(&mut self, percent: &Spanned<String>) -> Option<NumberRange> {
        let (least, most) = CLOCK_PERCENT.into_inner();
        let label = format!(
            "{least} to {most} percent of true time; for a date that is further off, write `clock_jump`"
        );
        self.numbers(percent, CLOCK_PERCENT, "no clock is so wrong", &label)
    }

    /// How far a date leaps.
    fn leap(&mut self, by: &TimeText) -> Option<SpanRange> {
        let range = self.range(by)?;
        if range.high.is_zero() {
            self.wrong(by, "this leaps nowhere").label("longer than 0s");
            return None;
        }
        Some(range)
    }

    fn percent(&mut self, percent: &Spanned<u32>) -> Option<u8> {
        let known = u8::try_from(percent.value).ok().filter(|percent| LOSS_PERCENT.contains(percent));
        if known.is_none() {
            let (least, most) = LOSS_PERCENT.into_inner();
            self.wrong(percent, format!("a link cannot lose {} % of what passes", percent.value))
                .label(format!("{least} to {most}"))
                .help("where nothing passes, write `stall` or `partition`");
        }
        known
    }

    fn rate(&mut self, rate: &Spanned<String>) -> Option<Rate> {
        match rate.value.parse() {
            Ok(Rate(0)) => {
                self.wrong(rate, "at this rate nothing passes")
                    .label("more than 0B/s")
                    .help("where nothing passes, write `stall` or `partition`");
                None
            }
            Ok(rate) => Some(rate),
            Err(error) => {
                self.wrong(rate, error);
                None
            }
        }
    }

    /// After how many bytes.
    fn bytes(&mut self, after: &Spanned<String>) -> Option<NumberRange> {
        let label = format!("after 1 to {CONTENT_BYTES_TOTAL_MAX} bytes");
        self.numbers(after, 1..=CONTENT_BYTES_TOTAL_MAX, "a connection cannot be cut there", &label)
    }

    fn path(&mut self, what: &Spanned<FaultActText>, way: WayText<'_>) -> Option<Path> {
        self.path_of(what, what.value.kind().as_str(), way)
    }

    /// What stands behind `key`.
    pub(super) fn path_of<T>(&mut self, place: &Spanned<T>, key: &str, way: WayText<'_>) -> Option<Path> {
        let connection = self.which(way.connection);
        let ways = match (way.between, way.from, way.to) {
            (Some(ends), None, None) => self.link(ends).map(Ways::Between),
            (None, Some(from), Some(to)) => self.link(&[from.clone(), to.clone()]).map(Ways::OneWay),
            _ => {
                self.wrong(place, PATH_FORMS).help(format!(
                    "write `{key}: {{ between: [alice, server], … }}` or \
                     `{key}: {{ from: alice, to: server, … }}`"
                ));
                None
            }
        };
        Some(Path { ways: ways?, connection: connection? })
    }

    /// The inner `None` is all of them.
    fn which(&mut self, written: Option<&WhichText>) -> Option<Option<Which>> {
        match written {
            None => Some(None),
            Some(WhichText::Current) => Some(Some(Which::Current)),
            Some(WhichText::Nth(nth)) if nth.value == 0 => {
                self.wrong(nth, "there is no such connection").label("they count from 1");
                None
            }
            Some(WhichText::Nth(nth)) => Some(Some(Which::Nth(nth.value))),
        }
    }

    fn connections(&mut self, ends: &EndsText, connection: Option<&WhichText>) -> Option<Connections> {
        let (between, connection) = (self.link(ends), self.which(connection));
        Some(Connections { between: between?, connection: connection? })
    }

    fn pair(&mut self, ends: &EndsText) -> Option<Pair> {
        self.link(ends).map(|between| Pair { between })
    }

    /// A link runs between a client that does something and the server.
    fn link(&mut self, ends: &EndsText) -> Option<[Name; 2]> {
        let known = [self.known_process(&ends[0]), self.known_process(&ends[1])];
        if known.contains(&false) {
            return None;
        }
        let [a, b] = [&ends[0].value, &ends[1].value];
        let title = "there is no such link";
        match (a == SERVER, b == SERVER) {
            (false, false) => {
                self.wrong(&ends[1], title)
                    .label(format!("`{a}` and `{b}` do not talk to each other"))
                    .help(format!("clients talk only to the server: [{a}, {SERVER}]"));
                None
            }
            (true, true) => {
                self.wrong(&ends[1], title).label("the server does not talk to itself");
                None
            }
            (true, false) => self.in_use(&ends[1], ends),
            (false, true) => self.in_use(&ends[0], ends),
        }
    }

    fn in_use(&mut self, client: &Spanned<String>, ends: &EndsText) -> Option<[Name; 2]> {
        self.works(client)?;
        Some([Arc::from(ends[0].value.as_str()), Arc::from(ends[1].value.as_str())])
    }

    fn works(&mut self, client: &Spanned<String>) -> Option<()> {
        let name = &client.value;
        if !self.working.contains(name) {
            self.wrong(client, format!("`{name}` does nothing that this could disturb"))
                .label("stands nowhere in `work`")
                .help(format!("if it only listens, say so: `{{ at: 0s, who: {name}, do: connect }}`"));
            return None;
        }
        Some(())
    }

    fn known_process(&mut self, name: &Spanned<String>) -> bool {
        let known = name.value == SERVER || self.declared.contains(&name.value);
        if !known {
            let declared = self.declared.clone();
            let processes = declared.iter().map(String::as_str).chain([SERVER]);
            self.wrong(name, format!("unknown client `{}`", name.value))
                .label("not declared under `clients`")
                .did_you_mean(&name.value, processes);
        }
        known
    }

    fn the_server(&mut self, name: &Spanned<String>, done: &str) -> Option<Name> {
        if name.value != SERVER {
            self.wrong(name, format!("only the server can be {done}"))
                .label(format!("`{}` is not `{SERVER}`", name.value))
                .help(format!("write `{SERVER}`; for a client, break its link, or let it disconnect"));
            return None;
        }
        Some(Arc::from(SERVER))
    }

    fn a_page(&mut self, name: &Spanned<String>) -> Option<Name> {
        if name.value == SERVER {
            self.wrong(name, "only a client can be reloaded")
                .label("the server is no page")
                .help(format!("write `kill: {SERVER}` or `shutdown: {SERVER}`"));
            return None;
        }
        self.a_machine(name)
    }

    /// The server, or a client that does something.
    pub(super) fn a_machine(&mut self, name: &Spanned<String>) -> Option<Name> {
        if !self.known_process(name) {
            return None;
        }
        if name.value != SERVER {
            self.works(name)?;
        }
        Some(Arc::from(name.value.as_str()))
    }
}

/// What is wrong with a length that a kind of fault cannot have.
fn without_length(kind: FaultKind) -> (String, &'static str) {
    match kind {
        FaultKind::HalfOpen => ("`half_open` never ends".to_owned(), "these connections are gone for good"),
        FaultKind::Cut => ("`cut` ends when it has cut".to_owned(), "it waits for its bytes"),
        FaultKind::RollingRestart => (
            "`rolling_restart` ends when the next process begins".to_owned(),
            "the first decides when it ends",
        ),
        FaultKind::Delay
        | FaultKind::Loss
        | FaultKind::Slow
        | FaultKind::Stall
        | FaultKind::Partition
        | FaultKind::Reset
        | FaultKind::Kill
        | FaultKind::Shutdown
        | FaultKind::Reload
        | FaultKind::Pause
        | FaultKind::PowerOff
        | FaultKind::DiskFull
        | FaultKind::DiskError
        | FaultKind::DiskSlow
        | FaultKind::ClockSkew
        | FaultKind::ClockJump => (format!("`{}` takes no time", kind.as_str()), "nothing lasts here"),
    }
}
