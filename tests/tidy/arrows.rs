//! The arrows between layers: `use crate::…`, and any other path from the root of the crate, may only name layers that
//! come before the file's own.

use std::collections::BTreeMap;

use crate::rust::{self, Named};
use crate::tree::{Tree, Violation};

/// A package and its layers, first to last. A layer is a folder or a file of its `src/`.
pub(crate) struct Package {
    source: &'static str,
    layers: &'static [Layer],
}

struct Layer {
    name: &'static str,
    names: Names,
}

/// What a layer may name of its package.
enum Names {
    /// Every layer before it.
    Before,
    /// Of the layers before it, only what begins so, because of the reason.
    Only(&'static [&'static str], &'static str),
    /// Every layer before it, and of a later one what begins so, because of the reason.
    BeforeAnd(&'static str, &'static str),
}

use Names::{Before, BeforeAnd, Only};

const fn layer(name: &'static str, names: Names) -> Layer {
    Layer { name, names }
}

/// Bytes become a chat.
pub(crate) const SQUALL: Package = Package {
    source: "src/",
    layers: &[
        // Says which places a run reached; it knows none of them.
        layer("reached", Before),
        layer("engine", Before),
        layer("socket", Before),
        layer("io", Before),
        layer(
            "store",
            Only(
                &[
                    "engine::Entropy",
                    "engine::Message",
                    "engine::Sid",
                    "engine::Time",
                    "io::Env",
                    "io::SessionStore",
                    "io::SessionStoreError",
                    "io::env",
                    "reached",
                    "socket::Encoded",
                    "socket::Namespace",
                    "socket::RoomName",
                    "socket::stored",
                ],
                "storage needs entropy, time and a place to block, says what it reached, and knows of sockets only what outlives a server",
            ),
        ),
        layer("chat", Before),
        // Documentation alone, and the stage on which its examples play.
        layer("notes", Before),
    ],
};

/// A scenario becomes a verdict.
pub(crate) const SIM: Package = Package {
    source: "sim/src/",
    layers: &[
        layer("units", Before),
        layer("draw", Before),
        layer("disk", Before),
        // The terms of a story (acts, faults, names) are the scenario's; the plan gives them times and takes them over.
        layer("scenario", Before),
        layer("plan", Before),
        // Records name what the plan names; checkers read plan and history and nothing of how the run was made.
        layer("history", Before),
        layer("reach", Before),
        layer("check", Before),
        layer("app", BeforeAnd("world::net", "a process gets its network from the world that runs it")),
        layer("world", Before),
        layer("report", Before),
        layer("subject", Before),
        layer("hunt", Before),
        layer("shrink", Before),
        layer("command", Before),
    ],
};

impl Package {
    /// Every arrow that points backwards, and every file without a place.
    pub(crate) fn violations(&self, tree: &Tree) -> Vec<Violation> {
        let exported = self.exported(tree);
        tree.files(self.source, ".rs").flat_map(|(path, text)| self.of_file(path, text, &exported)).collect()
    }

    fn of_file(&self, path: &str, text: &str, exported: &BTreeMap<String, String>) -> Vec<Violation> {
        let module = module_of(&path[self.source.len()..]);
        // `lib.rs` and `main.rs` stand above the layers.
        let Some(own) = module.first() else { return vec![] };
        let Some(place) = self.place(own) else {
            return vec![Violation {
                path: path.to_owned(),
                line: 1,
                reason: format!(
                    "`{own}` has no place among the layers of {}: tests/tidy/arrows.rs says who may name whom",
                    self.source
                ),
            }];
        };
        let lines = rust::lines(text);
        let named = rust::paths(&rust::tokens(&lines), &module);
        let backwards = named.into_iter().filter_map(|Named { line, mut segments }| {
            if let Some(layer) = segments.first().and_then(|first| exported.get(first)) {
                segments.insert(0, layer.clone());
            }
            let reason = self.refusal(place, &segments)?;
            Some(Violation { path: path.to_owned(), line, reason })
        });
        backwards.collect()
    }

    /// Why the layer at `place` may not name this path.
    fn refusal(&self, place: usize, segments: &[String]) -> Option<String> {
        let Layer { name: own, names } = &self.layers[place];
        let target = segments.first()?;
        let path = segments.join("::");
        let Some(target_place) = self.place(target) else {
            return Some(format!("`{own}` names `crate::{path}`, which is no layer of {}", self.source));
        };
        let before = target_place < place;
        match names {
            _ if target_place == place => None,
            Before if before => None,
            BeforeAnd(also, _) if before || begins_with(&path, also) => None,
            Only(these, _) if before && these.iter().any(|this| begins_with(&path, this)) => None,
            Only(these, why) if before => Some(format!(
                "`{own}` names `crate::{path}`, but only {} of earlier layers: {why}",
                these.join(", ")
            )),
            BeforeAnd(also, why) => Some(format!(
                "`{own}` names `crate::{path}`, a later layer of which it knows only {also}: {why}"
            )),
            Before | Only(..) => {
                Some(format!("`{own}` names `crate::{path}`, but `{target}` comes after it"))
            }
        }
    }

    fn place(&self, name: &str) -> Option<usize> {
        self.layers.iter().position(|layer| layer.name == name)
    }

    /// What `lib.rs` exports anew, and from which layer: `crate::Server` is `crate::io::Server`.
    fn exported(&self, tree: &Tree) -> BTreeMap<String, String> {
        let text = tree.text(&format!("{}lib.rs", self.source)).unwrap_or_default();
        let lines = rust::lines(text);
        let tokens = rust::tokens(&lines);
        let mut found = Vec::new();
        for (at, token) in tokens.iter().enumerate() {
            if let ("use", Some(first)) = (token.text, tokens.get(at + 1)) {
                rust::tree(&tokens, at + 2, &[first.text], &mut found);
            }
        }
        let pair = |named: Named| Some((named.segments.last()?.clone(), named.segments.first()?.clone()));
        found.into_iter().filter_map(pair).filter(|(_, layer)| self.place(layer).is_some()).collect()
    }
}

/// `socket/hub/mod.rs` → `[socket, hub]`; the crate's own root → `[]`.
fn module_of(path: &str) -> Vec<&str> {
    let stem = path.trim_end_matches(".rs");
    let mut module: Vec<&str> = stem.split('/').collect();
    if module.last() == Some(&"mod") || stem == "lib" || stem == "main" {
        module.pop();
    }
    module
}

fn begins_with(path: &str, prefix: &str) -> bool {
    path.strip_prefix(prefix).is_some_and(|rest| rest.is_empty() || rest.starts_with("::"))
}

/// A word, where it may stand, and why nowhere else.
struct Word {
    text: &'static str,
    within: &'static str,
    except: &'static [&'static str],
    why: &'static str,
}

const WORDS: [Word; 8] = [
    Word {
        text: "turmoil",
        within: "",
        except: &["sim/src/world/"],
        why: "the world is the one place that knows its backend, so that there can be a second one",
    },
    Word {
        text: "serde_saphyr",
        within: "",
        except: &["sim/src/scenario/", "sim/src/plan/", "tests/interop/pairings/case.rs"],
        why: "YAML is how scenarios, plans and interop cases are written, and nobody else's matter",
    },
    Word {
        text: "unsafe",
        within: "",
        except: &["sim/src/world/interposer.rs", "sim/src/disk/vfs.rs"],
        why: "only what stands in for the C library cannot do without",
    },
    Word {
        text: "disallowed_methods",
        within: "",
        except: &[
            "src/chat/tests/world.rs",
            "src/io/env/",
            "src/store/testing.rs",
            "sim/src/command/stopwatch.rs",
            "sim/src/world/host.rs",
            "sim/src/world/interposer.rs",
            "sim/src/world/tests/",
            "sim/tests/naive",
            "tests/interop/",
        ],
        why: "time, chance and tasks come through Env; only its seams, and what tests it, reach past it",
    },
    Word {
        text: "disallowed_types",
        within: "",
        except: &["sim/tests/naive"],
        why: "only the naive app may leave an order to chance, to show that it repeats all the same",
    },
    Word { text: "tokio", within: "src/engine/", except: &[], why: "engine is sans-IO: time is an argument" },
    Word { text: "tokio", within: "src/socket/", except: &[], why: "socket is sans-IO: time is an argument" },
    Word {
        text: "rusqlite",
        within: "src/",
        except: &["src/store/"],
        why: "the store is the one place that knows its database",
    },
];

/// Every word that stands where it may not.
pub(crate) fn words_out_of_place(tree: &Tree) -> Vec<Violation> {
    let mut violations = Vec::new();
    for (path, text) in tree.files("", ".rs") {
        let words = WORDS.iter().filter(|word| path.starts_with(word.within));
        let banned: Vec<&Word> =
            words.filter(|word| !word.except.iter().any(|except| path.starts_with(except))).collect();
        for token in rust::tokens(&rust::lines(text)) {
            for word in banned.iter().filter(|word| word.text == token.text) {
                let reason = format!("`{}` has no place here: {}", word.text, word.why);
                violations.push(Violation { path: path.to_owned(), line: token.line, reason });
            }
        }
    }
    violations
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(package: &Package, path: &str, text: &str) -> Vec<String> {
        let tree = Tree::planted(&[("src/lib.rs", "pub use io::{Env, Server};"), (path, text)]);
        package.violations(&tree).iter().map(ToString::to_string).collect()
    }

    #[test]
    fn an_arrow_backwards_is_found() {
        assert_eq!(
            found(&SQUALL, "src/engine/server.rs", "//! Doc.\nuse crate::socket::Hub;"),
            ["src/engine/server.rs:2: `engine` names `crate::socket::Hub`, but `socket` comes after it"]
        );
        assert_eq!(found(&SIM, "sim/src/check/owed.rs", "use crate::{plan::Plan, world::Outcome};").len(), 1);
    }

    #[test]
    fn an_arrow_backwards_by_super_or_by_the_root_is_found() {
        assert_eq!(found(&SQUALL, "src/socket/hub/mod.rs", "use super::super::store::Log;").len(), 1);
        assert_eq!(found(&SQUALL, "src/socket/mod.rs", "fn a(_: &crate::Server) {}").len(), 1);
        assert_eq!(found(&SQUALL, "src/io/mod.rs", "fn a(_: &crate::Server) {}"), Vec::<String>::new());
    }

    #[test]
    fn an_arrow_forwards_is_not_found() {
        assert_eq!(
            found(&SQUALL, "src/chat/server.rs", "use crate::{engine::Sid, io::Server, store::Log};"),
            Vec::<String>::new()
        );
        assert_eq!(
            found(&SQUALL, "src/engine/mod.rs", "// see crate::chat\nuse crate::engine::Time;"),
            Vec::<String>::new()
        );
        assert_eq!(found(&SQUALL, "src/main.rs", "use squall::chat;"), Vec::<String>::new());
    }

    #[test]
    fn the_store_knows_of_earlier_layers_only_what_it_needs() {
        assert_eq!(
            found(&SQUALL, "src/store/log.rs", "use crate::io::{Env, env::Blocking};"),
            Vec::<String>::new()
        );
        assert!(
            found(&SQUALL, "src/store/log.rs", "use crate::io::Server;")[0]
                .contains("what outlives a server")
        );
    }

    #[test]
    fn an_app_knows_of_the_world_only_its_network() {
        assert_eq!(
            found(&SIM, "sim/src/app/mod.rs", "use crate::world::net::ProcessNet;"),
            Vec::<String>::new()
        );
        assert_eq!(found(&SIM, "sim/src/app/mod.rs", "use crate::world::network;").len(), 1);
    }

    #[test]
    fn a_layer_without_a_place_is_found() {
        assert!(found(&SQUALL, "src/wire.rs", "")[0].contains("`wire` has no place"));
    }

    #[test]
    fn a_word_out_of_place_is_found() {
        let planted = |path: &str, text: &str| words_out_of_place(&Tree::planted(&[(path, text)])).len();
        assert_eq!(planted("sim/src/check/mod.rs", "use turmoil::Sim;"), 1);
        assert_eq!(planted("sim/src/world/mod.rs", "use turmoil::Sim;"), 0);
        assert_eq!(planted("sim/src/app/chat.rs", "serde_saphyr::from_str(x)"), 1);
        assert_eq!(planted("src/io/net.rs", "unsafe { x() }"), 1);
        assert_eq!(planted("src/lib.rs", "#![forbid(unsafe_code)] // unsafe"), 0);
        assert_eq!(planted("src/socket/hub/mod.rs", "tokio::sync::mpsc"), 1);
        assert_eq!(planted("src/chat/server.rs", "use rusqlite::Connection;"), 1);
        assert_eq!(planted("sim/src/check/lost.rs", "#[expect(clippy::disallowed_methods)]"), 1);
        assert_eq!(planted("sim/tests/workers.rs", "#[expect(clippy::disallowed_types)]"), 1);
        assert_eq!(planted("sim/tests/naive/app.rs", "#![expect(clippy::disallowed_types)]"), 0);
    }
}
