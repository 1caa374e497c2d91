//! How many instructions a seed of the reference load takes, as valgrind counts them: by layer, and as a gate.
//!
//! Counts hardly depend on the machine and not at all on what else it does: the seed is fixed, and of a run everything
//! repeats. What valgrind writes is read in its own format ("Callgrind Format Specification" in its manual).

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use super::BACKENDS;
use super::table::Table;
use crate::command::default_scenarios;
use crate::plan::Backend;
use crate::report::ExitCode;

/// How much more is too much, in percent.
const TOLERANCE: u64 = 10;

/// Where the repository says how many there are to be.
const FILE: &str = "benches/instructions.txt";

/// What to call the parts of the program by the files that their code is in; the first that fits.
const LAYERS: [(&str, &str); 20] = [
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
    ("malloc", "allocator"),
    ("serde", "JSON"),
];

/// The share of each layer, on both backends.
///
/// # Errors
/// When valgrind cannot be run.
pub(super) fn by_layer() -> Result<Table, String> {
    let mut shares: BTreeMap<&'static str, [u64; BACKENDS.len()]> = BTreeMap::new();
    for (place, backend) in BACKENDS.into_iter().enumerate() {
        for (file, count) in count(backend)? {
            shares.entry(layer(&file)).or_default()[place] += count;
        }
    }
    let total = |place: usize| shares.values().map(|counts| counts[place]).sum::<u64>();
    let totals: Vec<u64> = (0..BACKENDS.len()).map(total).collect();
    let mut rows: Vec<_> = shares.iter().collect();
    rows.sort_by_key(|(_, counts)| std::cmp::Reverse(counts[BACKENDS.len() - 1]));
    let names = BACKENDS.map(|backend| backend.to_string());
    let columns: Vec<&str> = std::iter::once("layer").chain(names.iter().map(String::as_str)).collect();
    let mut table = Table::new("instructions of one seed, by the layer whose code they are", &columns);
    for (layer, counts) in rows {
        let share = |(count, total): (&u64, &u64)| format!("{:.1} %", *count as f64 * 100.0 / *total as f64);
        table.row([(*layer).to_owned()].into_iter().chain(counts.iter().zip(&totals).map(share)).collect());
    }
    let millions = |total: &u64| format!("{:.1} million", *total as f64 / 1e6);
    table.row(["all".to_owned()].into_iter().chain(totals.iter().map(millions)).collect());
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
        counted.insert(backend.to_string(), count(backend)?.values().sum::<u64>());
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

fn layer(file: &str) -> &'static str {
    let found = LAYERS.iter().find(|(part, _)| file.contains(part));
    found.map_or("standard libraries, the rest", |(_, layer)| layer)
}

/// The instructions of one seed, by source file.
fn count(backend: Backend) -> Result<BTreeMap<String, u64>, String> {
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
        Ok(text) if valgrind.status.success() => Ok(by_file(&text)),
        Ok(_) | Err(_) => Err(format!("valgrind failed: {}", String::from_utf8_lossy(&valgrind.stderr))),
    }
}

/// Sums what a callgrind file says by the source files that the instructions are of.
fn by_file(text: &str) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    let mut file = String::new();
    let mut is_call = false;
    for line in text.lines() {
        if let Some((key, value)) = line.split_once('=') {
            match key {
                "fl" | "fi" | "fe" => value.clone_into(&mut file),
                // The line after it is what the callee took, and counted there.
                "calls" => is_call = true,
                _ => {}
            }
        } else if line.starts_with(|c: char| c.is_ascii_digit() || c == '+' || c == '-' || c == '*') {
            let cost = line.split_whitespace().nth(1).and_then(|cost| cost.parse::<u64>().ok());
            if let (Some(cost), false) = (cost, is_call) {
                *counts.entry(file.clone()).or_default() += cost;
            }
            is_call = false;
        }
    }
    counts
}

#[cfg(test)]
mod tests {
    use super::*;

    const CALLGRIND: &str = "events: Ir\n\nfl=/a/sim/src/check/lost.rs\nfn=observe\n10 5\nfi=/b/library/core/vec.rs\n3 7\nfe=/a/sim/src/check/lost.rs\n11 1\ncfi=/a/src/io/link.rs\ncfn=next\ncalls=2 5\n12 900\n13 2\n\nfl=/a/src/io/link.rs\nfn=next\n1 900\n\ntotals: 915\n";

    #[test]
    fn what_is_called_counts_once_and_where_it_is() {
        let counts = by_file(CALLGRIND);
        let of = |file: &str| counts.get(file).copied();
        assert_eq!(of("/a/sim/src/check/lost.rs"), Some(8));
        assert_eq!(of("/b/library/core/vec.rs"), Some(7));
        assert_eq!(of("/a/src/io/link.rs"), Some(900));
        assert_eq!(counts.values().sum::<u64>(), 915);
    }

    #[test]
    fn a_file_belongs_to_the_first_layer_that_fits() {
        let files = ["/a/sim/src/check/lost.rs", "/a/src/io/link.rs", "/c/tokio-1.54/src/lib.rs", "/d/x.rs"];
        assert_eq!(
            files.map(layer),
            ["sim: checkers", "squall: io", "tokio", "standard libraries, the rest"]
        );
    }

    #[test]
    fn ten_percent_more_is_not_too_many_and_a_little_more_is() {
        assert!(!is_too_many(1_100, 1_000));
        assert!(is_too_many(1_101, 1_000));
        assert_eq!(expected("event 5\nturmoil 7\n", "turmoil"), Some(7));
    }
}
