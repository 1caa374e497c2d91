//! How many instructions a seed of the reference load takes, as valgrind counts them: by layer, and as a gate.
//!
//! Counts hardly depend on the machine and not at all on what else it does: the seed is fixed, and of a run everything
//! repeats.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::BACKENDS;
use super::callgrind::{self, Counted};
use super::table::Table;
use crate::command::default_scenarios;
use crate::plan::Backend;
use crate::report::ExitCode;

/// How much more is too much, in percent.
const TOLERANCE: u64 = 10;

/// Where the repository says how many there are to be.
const FILE: &str = "benches/instructions.txt";

/// What to call the parts of the program by the files that their code is in; the first that fits. Code that is in none of
/// them counts for who called it.
const LAYERS: [(&str, &str); 19] = [
    ("sim/src/check/", "sim: checkers"),
    ("sim/src/history/", "sim: history"),
    ("sim/src/world/", "sim: world"),
    ("sim/src/disk/", "sim: disk"),
    ("sim/src/app/", "sim: app"),
    ("sim/src/", "sim: plans, the rest"),
    ("src/engine/", "squall: engine"),
    ("src/socket/", "squall: socket"),
    ("src/io/", "squall: io"),
    ("src/store/", "squall: store"),
    ("src/chat/", "squall: chat"),
    ("sqlite3", "SQLite"),
    ("rusqlite", "SQLite"),
    ("turmoil-", "turmoil"),
    ("tokio-tungstenite", "WebSocket and HTTP"),
    ("tungstenite-", "WebSocket and HTTP"),
    ("hyper-", "WebSocket and HTTP"),
    ("tokio-", "tokio"),
    ("serde", "JSON"),
];

/// What no layer called.
const REST: &str = "the rest";

/// The share of each layer, on both backends.
///
/// # Errors
/// When valgrind cannot be run.
pub(super) fn by_layer() -> Result<Table, String> {
    let counted = BACKENDS.into_iter().map(count).collect::<Result<Vec<_>, _>>()?;
    let shares: Vec<_> = counted.iter().map(|counted| counted.by_layer(layer, REST)).collect();
    let mut layers: Vec<&str> = shares.iter().flat_map(|shares| shares.keys().copied()).collect();
    layers.sort_unstable();
    layers.dedup();
    let of = |place: usize, layer: &str| shares[place].get(layer).copied().unwrap_or_default();
    layers.sort_by(|one, other| of(BACKENDS.len() - 1, other).total_cmp(&of(BACKENDS.len() - 1, one)));
    let names = BACKENDS.map(|backend| backend.to_string());
    let columns: Vec<&str> = std::iter::once("layer").chain(names.iter().map(String::as_str)).collect();
    let title = "instructions of one seed, by layer; what it calls of the standard library counts for it";
    let mut table = Table::new(title, &columns);
    for layer in layers {
        let share = |(place, counted): (usize, &Counted)| {
            format!("{:.1} %", of(place, layer) * 100.0 / counted.total as f64)
        };
        table.row([layer.to_owned()].into_iter().chain(counted.iter().enumerate().map(share)).collect());
    }
    let millions = |counted: &Counted| format!("{:.1} million", counted.total as f64 / 1e6);
    table.row(["all".to_owned()].into_iter().chain(counted.iter().map(millions)).collect());
    Ok(table)
}

/// Counts, and compares with what the repository says; or writes it there.
///
/// # Errors
/// When valgrind cannot be run, or the file not be read or written.
pub(super) fn gate(renew: bool) -> Result<ExitCode, String> {
    let file = default_scenarios().parent().unwrap_or(Path::new("")).join(FILE);
    let mut counted = BTreeMap::new();
    for backend in BACKENDS {
        counted.insert(backend.to_string(), count(backend)?.total);
    }
    if renew {
        let lines: String = counted.iter().map(|(backend, count)| format!("{backend} {count}\n")).collect();
        fs::write(&file, &lines).map_err(|error| format!("failed to write {}: {error}", file.display()))?;
        anstream::print!("{lines}");
        return Ok(ExitCode::Held);
    }
    let text =
        fs::read_to_string(&file).map_err(|error| format!("failed to read {}: {error}", file.display()))?;
    let mut exit = ExitCode::Held;
    for (backend, count) in counted {
        let expected = expected(&text, &backend)
            .ok_or_else(|| format!("{} says nothing of {backend}", file.display()))?;
        let percent = (count as f64 / expected as f64 - 1.0) * 100.0;
        anstream::println!("{backend}: {count} instructions, {percent:+.1} % of {expected}");
        if is_too_many(count, expected) {
            anstream::eprintln!(
                "FAIL  a seed of the reference load takes more than {TOLERANCE} % more instructions on {backend} than {} \
                 says. Find out why: `cargo sim bench` shows the share of each layer. If it must be so, say why and renew \
                 the file: cargo sim bench --instructions --renew",
                file.display()
            );
            exit = ExitCode::Broken;
        }
    }
    Ok(exit)
}

fn expected(text: &str, backend: &str) -> Option<u64> {
    let words = text.lines().filter_map(|line| line.split_once(' '));
    words.filter(|(name, _)| *name == backend).find_map(|(_, count)| count.trim().parse().ok())
}

fn is_too_many(count: u64, expected: u64) -> bool {
    count > expected.saturating_add(expected / 100 * TOLERANCE)
}

fn layer(file: &str) -> Option<&'static str> {
    LAYERS.iter().find(|(part, _)| file.contains(part)).map(|(_, layer)| *layer)
}

/// The instructions of one seed.
fn count(backend: Backend) -> Result<Counted, String> {
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let out: PathBuf = std::env::temp_dir().join(format!("squall-instructions-{}", std::process::id()));
    let valgrind = Command::new("valgrind")
        .args(["--quiet", "--tool=callgrind", "--compress-strings=no", "--compress-pos=no"])
        .arg(format!("--callgrind-out-file={}", out.display()))
        .arg(program)
        .args(["bench", "--one-seed", &backend.to_string()])
        // What the environment holds is read by the program, and so counts; and one instruction that fills a thousand
        // bytes is counted as a thousand, on processors that have it.
        .env_clear()
        .env("PATH", std::env::var_os("PATH").unwrap_or_default())
        .env(
            "GLIBC_TUNABLES",
            "glibc.cpu.x86_rep_stosb_threshold=1073741824:glibc.cpu.x86_rep_movsb_threshold=1073741824",
        )
        .stdout(Stdio::null())
        .output()
        .map_err(|error| format!("failed to run valgrind (is it installed?): {error}"))?;
    let text = fs::read_to_string(&out);
    drop(fs::remove_file(&out));
    match text {
        Ok(text) if valgrind.status.success() => Ok(callgrind::read(&text)),
        Ok(_) | Err(_) => Err(format!("valgrind failed: {}", String::from_utf8_lossy(&valgrind.stderr))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_belongs_to_the_first_layer_that_fits() {
        let files = ["/a/sim/src/check/lost.rs", "/a/src/io/link.rs", "/c/tokio-1.54/src/lib.rs", "/d/x.rs"];
        assert_eq!(files.map(layer), [Some("sim: checkers"), Some("squall: io"), Some("tokio"), None]);
    }

    #[test]
    fn ten_percent_more_is_not_too_many_and_a_little_more_is() {
        assert!(!is_too_many(1_100, 1_000));
        assert!(is_too_many(1_101, 1_000));
        assert_eq!(expected("event 5\nturmoil 7\n", "turmoil"), Some(7));
    }
}
