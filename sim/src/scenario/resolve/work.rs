//! What users do.

use std::sync::Arc;

use crate::units::SpanRange;

use super::Resolver;
use crate::scenario::limits::{COUNT_MAX, content_bytes_max};
use crate::scenario::schema::{SayText, StepActText, StepText, Who};
use crate::scenario::terms::{Name, SERVER};
use crate::scenario::yaml::Spanned;
use crate::scenario::{Say, Step, StepAct};

impl Who {
    /// All the names, known or not.
    pub(super) fn names(&self) -> Vec<&str> {
        match self {
            Self::One(name) => vec![name],
            Self::Many(names) => names.iter().map(|name| name.value.as_str()).collect(),
        }
    }
}

impl Resolver<'_> {
    pub(super) fn step(&mut self, written: &Spanned<StepText>) -> Option<Step> {
        let StepText { at, who, act } = &written.value;
        let at = self.range(at);
        let who = self.who(who);
        let act = match &act.value {
            StepActText::Connect => Some(StepAct::Connect),
            StepActText::Disconnect => Some(StepAct::Disconnect),
            StepActText::Say(say) => self.say(say).map(StepAct::Say),
        };
        Some(Step { at: at?, who: who?, act: act? })
    }

    fn who(&mut self, who: &Spanned<Who>) -> Option<Vec<Name>> {
        match &who.value {
            Who::One(name) => {
                let known = self.known_client(name, who)?;
                Some(vec![known])
            }
            Who::Many(names) if names.is_empty() => {
                self.wrong(who, "`who` names nobody").label("an empty list");
                None
            }
            Who::Many(names) => {
                // All of them, so that each wrong one is told; then only if all are right.
                let all: Vec<Option<Name>> = names
                    .iter()
                    .enumerate()
                    .map(|(place, name)| {
                        if names[..place].iter().any(|earlier| earlier.value == name.value) {
                            self.wrong(name, format!("`{}` stands twice in `who`", name.value))
                                .label("the second one");
                            return None;
                        }
                        self.known_client(&name.value, name)
                    })
                    .collect();
                all.into_iter().collect()
            }
        }
    }

    fn known_client<T>(&mut self, name: &str, at: &Spanned<T>) -> Option<Name> {
        if self.declared.contains(name) {
            return Some(Arc::from(name));
        }
        let declared = self.declared.clone();
        let diagnostic = self.wrong(at, format!("unknown client `{name}`"));
        if name == SERVER {
            diagnostic.label("the work is what users do; the server only answers");
        } else {
            diagnostic
                .label("not declared under `clients`")
                .did_you_mean(name, declared.iter().map(String::as_str));
        }
        None
    }

    fn say(&mut self, written: &SayText) -> Option<Say> {
        let count = written.count.value;
        let counted = (1..=COUNT_MAX).contains(&count);
        if !counted {
            self.wrong(&written.count, format!("nobody can say {count} messages"))
                .label(format!("1 to {COUNT_MAX}"));
        }
        let every = self.range_or(written.every.as_ref(), SpanRange::default());
        let bytes = written.bytes.as_ref().map(|bytes| {
            let fits = (1..=content_bytes_max()).contains(&u64::from(bytes.value));
            if !fits {
                self.wrong(bytes, format!("the chat takes no message of {} bytes", bytes.value))
                    .label(format!("1 to {}", content_bytes_max()));
            }
            fits.then_some(bytes.value)
        });
        let bytes = match bytes {
            None => None,
            Some(fitting) => Some(fitting?),
        };
        counted.then_some(Say { count, every: every?, bytes })
    }
}
