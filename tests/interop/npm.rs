//! The packages of the scripts: installed from their lock files, or left out where the user says so.

use std::env;
use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

/// Set to 1, it leaves out whatever needs Node.
pub(crate) const LEAVE_OUT: &str = "SQUALL_NO_NODE";
/// What to do where Node does not run.
const CURE: &str = "install Node 20 with npm (Debian: `apt-get install nodejs npm`), or leave these tests out with SQUALL_NO_NODE=1";

/// Installs the packages of these folders, and answers where the first of them is; `None` where the user leaves it out.
pub(crate) fn ready(folders: &[&str]) -> Option<PathBuf> {
    if env::var(LEAVE_OUT).is_ok_and(|value| value == "1") {
        return None;
    }
    for program in ["node", "npm"] {
        if let Err(error) = Command::new(program).arg("--version").output() {
            panic!("`{program}` does not run ({error}): {CURE}");
        }
    }
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    folders.iter().for_each(|folder| install(&root.join(folder)));
    Some(root.join(folders.first().expect("a folder with scripts")))
}

/// `npm ci` where it has not run since the lock file changed; one at a time, for tests run in parallel.
fn install(directory: &Path) {
    let gate = File::create(Path::new(env!("CARGO_TARGET_TMPDIR")).join("npm.lock"))
        .expect("target/tmp is writable");
    gate.lock().expect("a file of our own can be locked");
    // npm writes this file last, so that an installation that was broken off does not count.
    let installed = changed(&directory.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= changed(&directory.join("package-lock.json")) {
        return;
    }
    match Command::new("npm").args(["ci", "--no-audit", "--no-fund"]).current_dir(directory).output() {
        Ok(output) if output.status.success() => {}
        Ok(Output { stderr, .. }) => {
            panic!("`npm ci` failed in {}: {CURE}\n{}", directory.display(), String::from_utf8_lossy(&stderr))
        }
        Err(error) => panic!("`npm` does not run ({error}): {CURE}"),
    }
}

fn changed(path: &Path) -> Option<SystemTime> {
    fs::metadata(path).and_then(|metadata| metadata.modified()).ok()
}
