//! What breaks, and between whom.

use std::sync::Arc;

use crate::units::SpanRange;

use super::Resolver;
use crate::scenario::FaultStep;
use crate::scenario::schema::{FaultActText, FaultText, StallText};
use crate::scenario::terms::{FaultAct, Name, PATH_FORMS, Pair, Path, SERVER};
use crate::scenario::yaml::Spanned;

impl Resolver<'_> {
    pub(super) fn fault(&mut self, written: &Spanned<FaultText>) -> Option<FaultStep> {
        let fault = &written.value;
        let at = self.range(&fault.at);
        let lasts = self.lasts(fault);
        let what = match &fault.what.value {
            FaultActText::Stall(path) => self.path(&fault.what, path).map(FaultAct::Stall),
            FaultActText::Partition(pair) => {
                self.link(&pair.between).map(|between| FaultAct::Partition(Pair { between }))
            }
            FaultActText::Reset(pair) => {
                self.link(&pair.between).map(|between| FaultAct::Reset(Pair { between }))
            }
            FaultActText::Kill(name) => self.the_server(name, "killed").map(FaultAct::Kill),
            FaultActText::Shutdown(name) => self.the_server(name, "shut down").map(FaultAct::Shutdown),
        };
        Some(FaultStep { at: at?, lasts: lasts?, what: what? })
    }

    /// The inner `None` is right for what takes no time.
    fn lasts(&mut self, fault: &FaultText) -> Option<Option<SpanRange>> {
        let kind = fault.what.value.as_str();
        match (&fault.lasts, fault.what.value.lasts()) {
            (None, false) => Some(None),
            (None, true) => {
                self.wrong(&fault.what, format!("`{kind}` needs `lasts`"))
                    .label("for how long?")
                    .help("add a duration, `lasts: 4s`, or a range, `lasts: 1s..8s`");
                None
            }
            (Some(lasts), false) => {
                self.wrong(lasts, format!("`{kind}` takes no time"))
                    .label("nothing lasts here")
                    .help("remove `lasts`");
                None
            }
            (Some(lasts), true) => {
                let range = self.range(lasts)?;
                self.not_below_tick(Some(lasts), range.low, "`lasts`")?;
                Some(Some(range))
            }
        }
    }

    fn path(&mut self, what: &Spanned<FaultActText>, path: &StallText) -> Option<Path> {
        match (&path.between, &path.from, &path.to) {
            (Some(ends), None, None) => self.link(ends).map(Path::Between),
            (None, Some(from), Some(to)) => self.link(&[from.clone(), to.clone()]).map(Path::OneWay),
            _ => {
                self.wrong(what, PATH_FORMS).help(
                    "write `stall: { between: [alice, server] }` or `stall: { from: alice, to: server }`",
                );
                None
            }
        }
    }

    /// A link runs between a client that does something and the server.
    fn link(&mut self, ends: &[Spanned<String>; 2]) -> Option<[Name; 2]> {
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

    fn in_use(&mut self, client: &Spanned<String>, ends: &[Spanned<String>; 2]) -> Option<[Name; 2]> {
        let name = &client.value;
        if !self.working.contains(name) {
            self.wrong(client, format!("`{name}` does nothing that this could disturb"))
                .label("stands nowhere in `work`")
                .help(format!("if it only listens, say so: `{{ at: 0s, who: {name}, do: connect }}`"));
            return None;
        }
        Some([Arc::from(ends[0].value.as_str()), Arc::from(ends[1].value.as_str())])
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
}
