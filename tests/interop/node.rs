//! Scripts run by Node, each telling what happens as a JSON object a line.

use std::env;
use std::fs::{self, File};
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::SystemTime;

use serde_json::Value;

use crate::process::{Deadline, Process};

const LEAVE_OUT: &str = "SQUALL_NO_NODE";
/// What to do where Node does not run.
const CURE: &str = "install Node 20 with npm (Debian: `apt-get install nodejs npm`), or leave these tests out with SQUALL_NO_NODE=1";

/// Node, with the packages of the scripts installed.
pub(crate) struct Node {
    directory: PathBuf,
}

impl Node {
    /// Makes it ready, or answers `None` where the user leaves it out. Installs the packages of these folders, the first of
    /// which has the scripts.
    pub(crate) fn ready(test: &str, folders: &[&str]) -> Option<Self> {
        if env::var(LEAVE_OUT).is_ok_and(|value| value == "1") {
            // Straight to stderr: what a passing test prints is swallowed, and a test left out must not be silent.
            let _unheard = writeln!(io::stderr(), "{test}: left out, because {LEAVE_OUT}=1");
            return None;
        }
        for program in ["node", "npm"] {
            if let Err(error) = Command::new(program).arg("--version").output() {
                panic!("`{program}` does not run ({error}): {CURE}");
            }
        }
        let root = Path::new(env!("CARGO_MANIFEST_DIR"));
        folders.iter().for_each(|folder| install(&root.join(folder)));
        let directory = root.join(folders.first().expect("a folder with scripts"));
        Some(Self { directory })
    }

    /// Starts a script.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], deadline: Deadline) -> Script {
        let mut command = Command::new("node");
        command.arg(self.directory.join(script)).args(arguments);
        Script { process: Process::start(&format!("node {script}"), &mut command, deadline) }
    }
}

/// A running script. Killed when dropped.
pub(crate) struct Script {
    process: Process,
}

impl Script {
    /// The next thing it tells.
    pub(crate) fn event(&mut self) -> Value {
        let line = self.process.line();
        match serde_json::from_str(&line) {
            Ok(event) => event,
            Err(error) => self.process.fail(&format!("said something that is not JSON ({error})")),
        }
    }

    /// The next thing it tells that is of interest. `Err` from the test's `look` fails it.
    pub(crate) fn until<T>(&mut self, mut look: impl FnMut(&Value) -> Result<Option<T>, String>) -> T {
        loop {
            let event = self.event();
            match look(&event) {
                Ok(Some(found)) => return found,
                Ok(None) => {}
                Err(problem) => self.process.fail(&problem),
            }
        }
    }
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
