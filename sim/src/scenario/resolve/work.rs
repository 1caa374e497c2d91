//! What users do.

use std::sync::Arc;

use squall::chat::wire::DEFAULT_ROOM;

use crate::units::SpanRange;

use super::Resolver;
use crate::scenario::limits::{BINARY_BYTES_MAX, COUNT_MAX, SAY_BYTES_MAX, is_event_name};
use crate::scenario::schema::{
    BroadcastText, EmitText, JoinText, SayText, StepActText, StepText, TimeText, Who,
};
use crate::scenario::terms::{Name, SERVER};
use crate::scenario::work::{BroadcastStep, EmitStep, JoinStep, Pace, Say, Step, StepAct};
use crate::scenario::yaml::Spanned;

/// The event of who names none.
const DEFAULT_EVENT: &str = "note";

impl Who {
    /// All the names, known or not.
    pub(in crate::scenario) fn names(&self) -> Vec<&str> {
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
        let who = self.clients_named(who, "who");
        let act = self.act(act);
        Some(Step { at: at?, who: who?, act: act? })
    }

    /// The clients that stand under a key.
    pub(super) fn clients_named(&mut self, who: &Spanned<Who>, key: &str) -> Option<Vec<Name>> {
        match &who.value {
            Who::One(name) => {
                let known = self.known_client(name, who)?;
                Some(vec![known])
            }
            Who::Many(names) if names.is_empty() => {
                self.wrong(who, format!("`{key}` names nobody")).label("an empty list");
                None
            }
            Who::Many(names) => {
                // All of them, so that each wrong one is told; then only if all are right.
                let all: Vec<Option<Name>> = names
                    .iter()
                    .enumerate()
                    .map(|(place, name)| {
                        if names[..place].iter().any(|earlier| earlier.value == name.value) {
                            self.wrong(name, format!("`{}` stands twice in `{key}`", name.value))
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

    fn act(&mut self, written: &Spanned<StepActText>) -> Option<StepAct> {
        match &written.value {
            StepActText::Connect => Some(StepAct::Connect),
            StepActText::Disconnect => Some(StepAct::Disconnect),
            StepActText::Join(join) => self.join(join).map(StepAct::Join),
            StepActText::Leave(room) => self.room(&room.value, room).map(StepAct::Leave),
            StepActText::Say(say) => self.say(say).map(StepAct::Say),
            StepActText::Emit(emit) => self.emit(emit).map(StepAct::Emit),
            StepActText::Broadcast(broadcast) => self.broadcast(broadcast).map(StepAct::Broadcast),
            StepActText::Reload => Some(StepAct::Reload),
            StepActText::Wait => Some(StepAct::Wait),
        }
    }

    fn join(&mut self, written: &Spanned<JoinText>) -> Option<JoinStep> {
        match &written.value {
            JoinText::Room(room) => Some(JoinStep { room: self.room(room, written)?, since: None }),
            JoinText::Since(join) => {
                let room = self.room(&join.room.value, &join.room)?;
                Some(JoinStep { room, since: Some(join.since) })
            }
        }
    }

    fn say(&mut self, written: &SayText) -> Option<Say> {
        let pace = self.pace(&written.count, written.every.as_ref());
        let bytes = self.size(written.bytes.as_ref(), SAY_BYTES_MAX, "nobody says a message");
        let room = match &written.room {
            None => Some(Arc::from(DEFAULT_ROOM)),
            Some(room) => self.room(&room.value, room),
        };
        Some(Say { pace: pace?, bytes: bytes?, room: room? })
    }

    fn emit(&mut self, written: &EmitText) -> Option<EmitStep> {
        let pace = self.pace(&written.count, written.every.as_ref());
        let binary = self.binary(written.binary.as_ref());
        let event = self.event(written.event.as_ref());
        let room = self.maybe_room(written.room.as_ref());
        let (volatile, ack) = (written.volatile, written.ack);
        Some(EmitStep { pace: pace?, event: event?, binary: binary?, volatile, ack, room: room? })
    }

    fn broadcast(&mut self, written: &BroadcastText) -> Option<BroadcastStep> {
        let pace = self.pace(&written.count, written.every.as_ref());
        let binary = self.binary(written.binary.as_ref());
        let room = self.maybe_room(written.room.as_ref());
        let except = self.distinct_rooms(&written.except);
        Some(BroadcastStep {
            pace: pace?,
            room: room?,
            except: except?,
            binary: binary?,
            volatile: written.volatile,
        })
    }

    fn pace(&mut self, written: &Spanned<u32>, every: Option<&TimeText>) -> Option<Pace> {
        let count = written.value;
        let counted = (1..=COUNT_MAX).contains(&count);
        if !counted {
            self.wrong(written, format!("nobody can say {count} messages"))
                .label(format!("1 to {COUNT_MAX}"));
        }
        let every = self.range_or(every, SpanRange::default());
        counted.then_some(Pace { count, every: every? })
    }

    fn binary(&mut self, written: Option<&Spanned<u32>>) -> Option<Option<u32>> {
        self.size(written, BINARY_BYTES_MAX, "no event takes an attachment")
    }

    /// A number of bytes, where one is written.
    fn size(&mut self, written: Option<&Spanned<u32>>, max: u32, what: &str) -> Option<Option<u32>> {
        let Some(bytes) = written else { return Some(None) };
        if bytes.value > max {
            self.wrong(bytes, format!("{what} of {} bytes", bytes.value)).label(format!("at most {max}"));
            return None;
        }
        Some(Some(bytes.value))
    }

    fn event(&mut self, written: Option<&Spanned<String>>) -> Option<Name> {
        let Some(event) = written else { return Some(Arc::from(DEFAULT_EVENT)) };
        if !is_event_name(&event.value) {
            self.wrong(event, format!("an event cannot be called `{}`", event.value)).label(
                "1 to 32 small letters, digits, `_`, `-`; not what Socket.IO or the chat means something by",
            );
            return None;
        }
        Some(Arc::from(event.value.as_str()))
    }

    fn maybe_room(&mut self, written: Option<&Spanned<String>>) -> Option<Option<Name>> {
        match written {
            None => Some(None),
            Some(room) => self.room(&room.value, room).map(Some),
        }
    }
}
