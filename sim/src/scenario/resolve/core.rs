//! For whom the world heals.

use super::Resolver;
use crate::scenario::schema::Who;
use crate::scenario::terms::{Core, SERVER};
use crate::scenario::yaml::Spanned;

/// Instead of names: each seed draws them.
const DRAWN: &str = "drawn";

impl Resolver<'_> {
    pub(super) fn core(&mut self, written: &Spanned<Who>) -> Option<Core> {
        if let Who::One(word) = &written.value
            && word == DRAWN
        {
            return Some(Core::Drawn);
        }
        if written.value.names().contains(&SERVER) {
            self.wrong(written, "the server is always of the core")
                .label("only clients stand here")
                .help(format!("write the clients for whom the world heals, or `core: {DRAWN}`"));
            return None;
        }
        self.clients_named(written, "core").map(|names| Core::Of(names.into_iter().collect()))
    }
}
