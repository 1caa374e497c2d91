//! Every case under `tests/interop/cases` with each pair of {official server, Squall's} and {official client, Squall's}:
//! `cargo test --test interop_pairings -- acks`. Ends with a table of what was played.
//!
//! Needs `node` and `npm`; with `SQUALL_NO_NODE=1` only Squall's own pair plays.

#[path = "interop/npm.rs"]
mod npm;
#[path = "interop/pairings"]
mod pairings {
    mod actor;
    pub(crate) mod case;
    mod likeness;
    pub(crate) mod official;
    mod proxy;
    mod request;
    mod squall_client;
    mod squall_server;
    pub(crate) mod stage;
    mod values;
    mod wire;

    /// Who plays.
    #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
    pub(crate) struct Pairing {
        pub(crate) squall_server: bool,
        pub(crate) squall_client: bool,
    }
}

use std::collections::BTreeMap;
use std::path::Path;
use std::process::ExitCode;
use std::sync::{Arc, Mutex};

use libtest_mimic::{Arguments, Failed, Trial};

use pairings::Pairing;
use pairings::case::{self, Case, Way};
use pairings::official::Official;
use pairings::stage;

/// Cases wait far more than they work.
const AT_ONCE: usize = 8;

/// How many of a group passed with a pair, and of how many.
type Table = Arc<Mutex<BTreeMap<(String, Pairing), (u32, u32)>>>;

impl Pairing {
    const ALL: [Self; 4] = [
        Self { squall_server: false, squall_client: false },
        Self { squall_server: false, squall_client: true },
        Self { squall_server: true, squall_client: false },
        Self { squall_server: true, squall_client: true },
    ];

    fn needs_node(self) -> bool {
        !(self.squall_server && self.squall_client)
    }

    fn name(self) -> &'static str {
        match (self.squall_server, self.squall_client) {
            (false, false) => "official_server_official_client",
            (false, true) => "official_server_squall_client",
            (true, false) => "squall_server_official_client",
            (true, true) => "squall_server_squall_client",
        }
    }
}

fn main() -> ExitCode {
    let mut arguments = Arguments::from_args();
    arguments.test_threads = arguments.test_threads.or(Some(AT_ONCE));
    let groups = case::load(&Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/interop/cases"));
    let scripts = if arguments.list { None } else { npm::ready(&["tests/interop"]) };
    let official = scripts.map(|scripts| Official::start(&scripts));
    let table = Table::default();
    let mut trials = Vec::new();
    for (group, cases) in groups {
        for case in cases.into_iter().map(Arc::new) {
            for way in case.over.clone() {
                for pairing in Pairing::ALL {
                    trials.push(trial(&group, &case, way, pairing, official.clone(), &table));
                }
            }
        }
    }
    assert!(!trials.is_empty(), "no case was found: the tests would prove nothing");
    let conclusion = libtest_mimic::run(&arguments, trials);
    print(&table);
    conclusion.exit_code()
}

fn trial(
    group: &str,
    case: &Arc<Case>,
    way: Way,
    pairing: Pairing,
    official: Option<Arc<Official>>,
    table: &Table,
) -> Trial {
    let way_name = way.transports().join("_");
    let name = format!("{group}::{}::{way_name}::{}", case.name, pairing.name());
    let (id, group, case, table) = (name.clone(), group.to_owned(), case.clone(), table.clone());
    let is_left_out = pairing.needs_node() && official.is_none();
    Trial::test(name, move || {
        let result = run(&id, &case, way, pairing, official);
        let mut table = table.lock().expect("no one panics while holding it");
        let (passed, all) = table.entry((group, pairing)).or_default();
        *passed += u32::from(result.is_ok());
        *all += 1;
        result
    })
    .with_ignored_flag(is_left_out)
}

fn run(
    id: &str,
    case: &Case,
    way: Way,
    pairing: Pairing,
    official: Option<Arc<Official>>,
) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(stage::play(id, case, pairing, way, official)).map_err(Failed::from)
}

fn print(table: &Table) {
    let table = table.lock().expect("no one panics while holding it");
    let groups: std::collections::BTreeSet<&String> = table.keys().map(|(group, _)| group).collect();
    println!(
        "{:<16} {}",
        "passed of all",
        Pairing::ALL.map(|pairing| format!("{:>32}", pairing.name())).join("")
    );
    for group in groups {
        let cells = Pairing::ALL.map(|pairing| match table.get(&(group.clone(), pairing)) {
            Some((passed, all)) => format!("{:>32}", format!("{passed}/{all}")),
            None => format!("{:>32}", "-"),
        });
        println!("{group:<16} {}", cells.join(""));
    }
}
