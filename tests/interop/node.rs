//! Scripts run by Node, each telling what happens as a JSON object a line.

#[path = "npm.rs"]
mod npm;

use std::io::{self, Write};
use std::path::PathBuf;
use std::process::Command;

use serde_json::Value;

use crate::process::{Deadline, Process};

/// Node, with the packages of the scripts installed.
pub(crate) struct Node {
    directory: PathBuf,
    /// A file of certificates that it trusts, too.
    pub(crate) authority: Option<PathBuf>,
}

impl Node {
    /// Makes it ready, or answers `None` where the user leaves it out. Installs the packages of these folders, the first of
    /// which has the scripts.
    pub(crate) fn ready(test: &str, folders: &[&str]) -> Option<Self> {
        let Some(directory) = npm::ready(folders) else {
            // Straight to stderr: what a passing test prints is swallowed, and a test left out must not be silent.
            let _unheard = writeln!(io::stderr(), "{test}: left out, because {}=1", npm::LEAVE_OUT);
            return None;
        };
        Some(Self { directory, authority: None })
    }

    /// Starts a script.
    pub(crate) fn run(&self, script: &str, arguments: &[&str], deadline: Deadline) -> Script {
        let mut command = Command::new("node");
        command.arg(self.directory.join(script)).args(arguments);
        if let Some(authority) = &self.authority {
            command.env("NODE_EXTRA_CA_CERTS", authority);
        }
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
