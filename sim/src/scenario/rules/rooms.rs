//! Rooms in which someone is.

use std::collections::BTreeSet;

use super::Told;
use crate::scenario::resolve::Resolver;
use crate::scenario::schema::{JoinText, StepActText};
use crate::scenario::yaml::Spanned;
use crate::scenario::{Name, client};

/// What is said in a room where nobody ever is proves nothing; who leaves a room must have been in it. Both are slips of
/// the pen.
pub(super) fn someone_is_there(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let entered = entered(told);
    let known: BTreeSet<&str> = entered.iter().map(|(_, room)| room.as_str()).collect();
    for (step, written) in told.work.iter().zip(told.written.work()) {
        let act = &written.value.act.value;
        for room in named(act) {
            if !known.contains(room.value.as_str()) {
                resolver
                    .wrong(room, format!("nobody is ever in the room `{}`", room.value))
                    .label("no client's `rooms` and no `join` names it")
                    .did_you_mean(&room.value, known.iter().copied());
            } else if let (Some(step), StepActText::Leave(_)) = (step, act) {
                let never_in = |who: &&Name| !entered.contains(&(who.to_string(), room.value.clone()));
                if let Some(who) = step.who.iter().find(never_in) {
                    resolver
                        .wrong(room, format!("`{who}` is never in the room `{}`", room.value))
                        .label("nothing to leave");
                }
            }
        }
    }
}

/// Who is in which room at some time.
fn entered(told: &Told<'_>) -> BTreeSet<(String, String)> {
    let mut entered = BTreeSet::new();
    for (name, client) in told.written.clients() {
        match &client.rooms {
            None => {
                let rooms = client::default_rooms().into_iter();
                entered.extend(rooms.map(|room| (name.value.clone(), room.to_string())));
            }
            Some(rooms) => entered.extend(rooms.iter().map(|room| (name.value.clone(), room.value.clone()))),
        }
    }
    for written in told.written.work() {
        if let StepActText::Join(join) = &written.value.act.value {
            let room = match &join.value {
                JoinText::Room(room) => room.clone(),
                JoinText::Since(join) => join.room.value.clone(),
            };
            let who = written.value.who.value.names().into_iter();
            entered.extend(who.map(|who| (who.to_owned(), room.clone())));
        }
    }
    entered
}

/// The rooms that an act expects to be there.
fn named(act: &StepActText) -> Vec<&Spanned<String>> {
    match act {
        StepActText::Leave(room) => vec![room],
        StepActText::Say(say) => say.room.iter().collect(),
        StepActText::Emit(emit) => emit.room.iter().collect(),
        StepActText::Broadcast(broadcast) => broadcast.room.iter().chain(&broadcast.except).collect(),
        StepActText::Connect
        | StepActText::Disconnect
        | StepActText::Join(_)
        | StepActText::Reload
        | StepActText::Wait => Vec::new(),
    }
}
