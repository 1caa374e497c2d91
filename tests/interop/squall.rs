//! The real server as a process: `squall serve` on a port and a database of the test's choosing.

use std::net::TcpListener;
use std::path::Path;
use std::process::{Command, ExitStatus};
use std::sync::atomic::{AtomicU16, Ordering};

use crate::process::{Deadline, Process};

/// A running server. Killed when dropped.
pub(crate) struct Squall {
    process: Process,
    /// Where it listens.
    pub(crate) url: String,
}

impl Squall {
    /// Starts it and waits until it listens.
    pub(crate) fn start(port: u16, database: &Path, flags: &[&str], deadline: Deadline) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_squall"));
        command.args(["serve", "--port", &port.to_string(), "--db"]).arg(database).args(flags);
        let mut process = Process::start("squall serve", &mut command, deadline);
        let line = process.line();
        let Some(url) = line.strip_prefix("listening on ") else {
            process.fail("said something else first than where it listens")
        };
        let url = url.to_owned();
        assert!(url.ends_with(&format!(":{port}")) || port == 0, "was told port {port}, listens on {url}");
        Self { process, url }
    }

    /// SIGKILL.
    pub(crate) fn kill(&mut self) {
        self.process.kill();
    }

    /// SIGTERM, and how it ended.
    pub(crate) fn terminate(&mut self) -> ExitStatus {
        self.process.stop("TERM")
    }
}

/// A port that is free now, that no other test of this process was given and that no outgoing connection takes. A port of the ephemeral range would not do: while
/// nobody listens there, a client that connects again and again may be given that very port and connect to itself.
pub(crate) fn free_port() -> u16 {
    static GIVEN: AtomicU16 = AtomicU16::new(0);
    let first = 20_000 + u16::try_from(std::process::id() % 10_000).expect("less than 10,000");
    std::iter::repeat_with(|| first + GIVEN.fetch_add(1, Ordering::Relaxed))
        .take_while(|port| *port < 32_000)
        .find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok())
        .expect("two thousand ports are not all taken")
}
