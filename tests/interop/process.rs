//! A child process that speaks in lines: what it says on stdout comes out line by line, what it says on stderr is kept.
//!
//! Promise: no wait is longer than the deadline, and its end is a panic that shows what the child had said; the child
//! does not outlive its owner.
#![expect(
    clippy::disallowed_methods,
    reason = "real processes: their pipes need threads, and their deadline real time"
)]

use std::collections::VecDeque;
use std::io::{BufRead, BufReader, Read};
use std::process::{Child, ChildStdin, Command, ExitStatus, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

/// How much of what a child said last is shown when a test fails.
const LAST_LINES: usize = 15;

/// The moment after which a test waits for nothing any more.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Deadline(Instant);

impl Deadline {
    /// From now on.
    pub(crate) fn after(span: Duration) -> Self {
        Self(Instant::now() + span)
    }

    fn left(self) -> Duration {
        self.0.saturating_duration_since(Instant::now())
    }
}

/// A child process. Killed when dropped.
pub(crate) struct Process {
    name: String,
    child: Child,
    // Held open: a script ends when its stdin does.
    _stdin: Option<ChildStdin>,
    lines: Receiver<String>,
    last: VecDeque<String>,
    stderr: Arc<Mutex<String>>,
    stderr_reader: Option<JoinHandle<()>>,
    deadline: Deadline,
}

impl Process {
    /// Starts it. Its name is for the messages of a failing test.
    pub(crate) fn start(name: &str, command: &mut Command, deadline: Deadline) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("failed to start {name} ({command:?}): {error}"));
        let stdout = child.stdout.take().expect("stdout is piped");
        let mut errors = child.stderr.take().expect("stderr is piped");
        let (send, lines) = channel();
        thread::spawn(move || {
            BufReader::new(stdout).lines().map_while(Result::ok).try_for_each(|line| send.send(line))
        });
        let stderr = Arc::new(Mutex::new(String::new()));
        let kept = Arc::clone(&stderr);
        let stderr_reader = thread::spawn(move || {
            let mut chunk = [0; 4096];
            while let Ok(read @ 1..) = errors.read(&mut chunk) {
                let text = String::from_utf8_lossy(&chunk[..read]);
                kept.lock().expect("no reader panics").push_str(&text);
            }
        });
        Self {
            name: name.to_owned(),
            _stdin: child.stdin.take(),
            child,
            lines,
            last: VecDeque::new(),
            stderr,
            stderr_reader: Some(stderr_reader),
            deadline,
        }
    }

    /// The next line of its stdout.
    pub(crate) fn line(&mut self) -> String {
        match self.lines.recv_timeout(self.deadline.left()) {
            Ok(line) => {
                if self.last.len() == LAST_LINES {
                    self.last.pop_front();
                }
                self.last.push_back(line.clone());
                line
            }
            Err(RecvTimeoutError::Timeout) => self.fail("said nothing more before the deadline"),
            Err(RecvTimeoutError::Disconnected) => {
                let status = self.ended();
                self.fail(&format!("ended with {status} where a line was awaited"))
            }
        }
    }

    /// SIGKILL: it has no time to finish anything.
    pub(crate) fn kill(&mut self) {
        self.child.kill().expect("a child that was not waited for can be killed");
        self.ended();
    }

    /// Asks it to stop, by TERM or another signal. Answers how it ended.
    pub(crate) fn stop(&mut self, signal: &str) -> ExitStatus {
        // The standard library sends no signal but SIGKILL; the shell's own `kill` is everywhere.
        let asked = Command::new("sh")
            .args(["-c", "kill -\"$0\" \"$1\"", signal, &self.child.id().to_string()])
            .status();
        assert!(asked.is_ok_and(|status| status.success()), "failed to send SIG{signal} to {}", self.name);
        self.ended()
    }

    /// Fails the test, with all that is known of the process.
    pub(crate) fn fail(&mut self, problem: &str) -> ! {
        let last: Vec<String> = self.last.iter().map(|line| shortened(line)).collect();
        // What it wrote before it died is still on its way through the pipe.
        if matches!(self.child.try_wait(), Ok(Some(_)))
            && let Some(reader) = self.stderr_reader.take()
        {
            reader.join().expect("the reader does not panic");
        }
        let stderr = self.stderr.lock().expect("no reader panics");
        panic!("{} {problem}\nits last lines:\n  {}\nits stderr:\n{stderr}", self.name, last.join("\n  "));
    }

    fn ended(&mut self) -> ExitStatus {
        loop {
            match self.child.try_wait() {
                Ok(Some(status)) => return status,
                Ok(None) if self.deadline.left().is_zero() => self.fail("did not end before the deadline"),
                Ok(None) => thread::sleep(Duration::from_millis(2)),
                Err(error) => self.fail(&format!("cannot be waited for: {error}")),
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It may be gone already; then there is nothing to kill.
        let _gone = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn shortened(line: &str) -> String {
    const SHOWN: usize = 300;
    if line.chars().count() <= SHOWN {
        return line.to_owned();
    }
    format!("{}… ({} bytes)", line.chars().take(SHOWN).collect::<String>(), line.len())
}
