//! What a swarm draws, and that nothing is missing where there is none.

use super::Resolver;
use crate::scenario::faults::FaultKind;
use crate::scenario::schema::{ScenarioText, SwarmText};
use crate::scenario::swarm::{Open, Swarm};
use crate::scenario::yaml::Spanned;

impl Resolver<'_> {
    pub(super) fn swarm(&mut self, written: &ScenarioText) -> Option<Swarm> {
        let Some(swarm) = written.swarm() else {
            self.nothing_is_open(written);
            return None;
        };
        if let (Some(work), None) = (&written.work, &written.clients) {
            self.wrong(work, "`clients` is missing")
                .label("whose work?")
                .help("name who does this under `clients`, or leave `work` to the swarm too");
        }
        Some(Swarm {
            intensity: swarm.intensity.unwrap_or_default(),
            kinds: self.kinds(swarm),
            open: Open {
                server: written.server.is_none(),
                clients: written.clients.is_none(),
                network: written.network.is_none(),
                work: written.work.is_none(),
            },
        })
    }

    fn nothing_is_open(&mut self, written: &ScenarioText) {
        let parts = [("clients", written.clients.is_none()), ("work", written.work.is_none())];
        for (key, is_open) in parts {
            if is_open {
                self.wrong(&written.guarantee, format!("`{key}` is missing"))
                    .label("in the mapping of this key")
                    .help(format!(
                        "write `{key}`, or `faults: swarm`, which draws what the file leaves open"
                    ));
            }
        }
    }

    fn kinds(&mut self, written: &SwarmText) -> Vec<FaultKind> {
        let Some(written) = &written.kinds else { return FaultKind::ALL.to_vec() };
        if written.value.is_empty() {
            self.wrong(written, "a swarm in which nothing breaks").label("name at least one kind of fault");
        }
        let mut kinds = Vec::new();
        for word in &written.value {
            match self.kind(word) {
                Some(kind) if kinds.contains(&kind) => {
                    self.wrong(word, format!("`{}` stands twice", word.value)).label("the second one");
                }
                Some(kind) => kinds.push(kind),
                None => {}
            }
        }
        kinds
    }

    fn kind(&mut self, word: &Spanned<String>) -> Option<FaultKind> {
        let kind = FaultKind::of_key(&word.value);
        if kind.is_none() {
            let known = FaultKind::ALL.map(FaultKind::as_str);
            self.wrong(word, format!("unknown kind of fault `{}`", word.value))
                .label("not known here")
                .help(format!("what can stand here: {}", known.join(", ")))
                .did_you_mean(&word.value, known);
        }
        kind
    }
}
