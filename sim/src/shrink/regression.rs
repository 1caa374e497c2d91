//! A failing plan as a file of its own: everything a run depends on, and a header for who finds it next year.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::check::Violation;
use crate::hunt::Judged;

/// Saves a plan that breaks a promise into `folder`, named after what it is and what it breaks, and says where.
///
/// # Errors
/// When the file cannot be written.
pub fn save(folder: &Path, run: &Judged, violation: &Violation) -> io::Result<PathBuf> {
    let plan = &run.plan;
    let anomaly = violation.anomaly.as_str().replace(' ', "-");
    let file = folder.join(format!("{}-{}-seed-{}.yaml", plan.scenario, anomaly, plan.seed));
    fs::create_dir_all(folder)?;
    fs::write(&file, text(&file, run, violation))?;
    Ok(file)
}

fn text(file: &Path, run: &Judged, violation: &Violation) -> String {
    let plan = &run.plan;
    format!(
        "# What: {anomaly}: {says}.\n\
         # From: scenario {scenario}, seed {seed}, shrunk to {ops} ops and {faults} faults.\n\
         # Run:  cargo sim replay {path}\n\
         # When it was found its digest was {digest}.\n\
         # Commit this file with the fix, and tell the story here in one line.\n\
         {yaml}",
        anomaly = violation.anomaly,
        says = violation.says,
        scenario = plan.scenario,
        seed = plan.seed,
        ops = plan.ops.len(),
        faults = plan.faults.len(),
        path = file.display(),
        digest = run.outcome.history.digest,
        yaml = plan.to_yaml(),
    )
}
