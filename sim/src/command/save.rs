//! Where the history of a run is kept: every record as a line of JSON, to be looked at with other tools.

use std::fs::File;
use std::io::BufWriter;
use std::path::{Path, PathBuf};

use crate::hunt::Judged;
use crate::plan::Plan;

use super::default_scenarios;

/// Writes the history of a failure to where failures are kept, and says in a line where that is, or why it is not.
pub(super) fn save_failure(judged: &Judged, seed: u64) -> String {
    let file = failures().join(format!("{}-seed-{seed}.jsonl", judged.plan.scenario));
    match save(judged, seed, &file) {
        Ok(()) => format!("  all that happened is in {}", file.display()),
        Err(error) => format!("  {error}"),
    }
}

/// Writes a history to a file, and makes its folder.
///
/// # Errors
/// When it cannot be written; it says which.
pub(super) fn save(judged: &Judged, seed: u64, file: &Path) -> Result<(), String> {
    let folder = file.parent().filter(|folder| *folder != Path::new(""));
    let made = folder.map_or(Ok(()), std::fs::create_dir_all);
    let history = &judged.outcome.history;
    made.and_then(|()| history.write_jsonl(&judged.plan.scenario, seed, BufWriter::new(File::create(file)?)))
        .map_err(|error| format!("failed to save the history as {}: {error}", file.display()))
}

/// Writes a plan to where failures are kept, and says where that is.
///
/// # Errors
/// When it cannot be written; it says which.
pub(super) fn save_plan(plan: &Plan) -> Result<PathBuf, String> {
    let (folder, seed) = (failures(), plan.seed);
    let file = folder.join(format!("{}-stuck-seed-{seed}.yaml", plan.scenario));
    let written = std::fs::create_dir_all(&folder).and_then(|()| std::fs::write(&file, plan.to_yaml()));
    written.map_err(|error| format!("failed to save the plan as {}: {error}", file.display()))?;
    Ok(file)
}

/// Beside what cargo builds from where the scenarios are.
fn failures() -> PathBuf {
    default_scenarios().parent().unwrap_or(Path::new("")).join("target/squall")
}
