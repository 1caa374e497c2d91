//! Who is left behind must be broken by something, and somebody must not be left.

use super::Told;
use crate::scenario::FaultStep;
use crate::scenario::resolve::Resolver;
use crate::scenario::terms::{Core, Name};

pub(super) fn who_is_left_is_broken(told: &Told<'_>, resolver: &mut Resolver<'_>) {
    let (Some(core), Some(written)) = (told.core, told.written.core.as_ref()) else { return };
    // What a swarm breaks is not known before the seed is.
    if told.written.swarm().is_some() {
        return;
    }
    let clients = || told.clients.iter().map(|(name, _)| name);
    match core {
        Core::Of(names) => {
            for left in clients().filter(|name| !names.contains(*name) && !is_broken(told, name)) {
                resolver
                    .wrong(written, format!("nothing breaks `{left}`, who is not of the core"))
                    .label("whoever does not stand here is left with the last of what breaks them at a time")
                    .help(format!("break it at a time, for a while, or write `{left}` here too"));
            }
            if clients().all(|name| names.contains(name)) {
                resolver
                    .wrong(written, "everyone is of the core")
                    .label("nobody is left behind")
                    .help("remove it: the world heals for everyone where nothing is said");
            }
        }
        Core::Drawn => {
            if told.clients.len() < 2 || !clients().any(|name| is_broken(told, name)) {
                resolver
                    .wrong(written, "nobody could be left behind")
                    .label(
                        "a core is drawn from two clients or more, of which something breaks one for a while",
                    )
                    .help("add a fault of a client that begins at a time and has `lasts`");
            }
        }
    }
}

/// Whether something breaks a client at a time, for a while: what waits for something may never begin. A fault that was not understood might.
fn is_broken(told: &Told<'_>, client: &Name) -> bool {
    told.faults.iter().any(|fault| {
        let surely = |fault: &FaultStep| fault.at.time().is_some() && fault.lasts.is_some();
        let breaks = |fault: &FaultStep| surely(fault) && fault.what.victims().contains(client);
        fault.as_ref().is_none_or(breaks)
    })
}
