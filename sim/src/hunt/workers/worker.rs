//! One worker process, as its parent has it: what it was given, and whether it moves.

use std::collections::BTreeSet;
use std::io::{BufRead, BufReader, Write};
use std::ops::Range;
use std::process::{Child, ChildStdin, Command, Stdio};
use std::thread::Builder;
use std::time::Duration;

use serde::Serialize;

use super::wire::{Order, Says, Source};
use crate::hunt::processor::worked;
use crate::hunt::{Lost, Tried};

/// How many times as long as it may stand still, a process may sleep.
const SLEEPS: u32 = 15;

/// A process that tries seeds. It is killed when this is dropped.
pub(super) struct Worker {
    child: Child,
    orders: Option<ChildStdin>,
    /// Which source it was last told of.
    source: Option<u64>,
    /// The seeds it was given and has not said anything of. It is at the first.
    pub(super) left: Range<u64>,
    /// How many looks have seen nothing of it.
    still: u32,
    /// How long it had worked at the first of them, where the system says so.
    had_worked: Option<Duration>,
    /// Why it was killed, if it was because it stood still.
    stood_still: Option<Lost>,
}

impl Worker {
    /// Starts a process. `hear` is told, in a thread, what it says, and `None` when it will say no more; it says whether
    /// anyone still wants to know.
    pub(super) fn start(
        mut command: Command,
        hear: impl Fn(Option<Says>) -> bool + Send + 'static,
    ) -> std::io::Result<Self> {
        // Ctrl-C on a terminal is for the parent: a worker that died of it would be taken for a failure.
        #[cfg(unix)]
        std::os::unix::process::CommandExt::process_group(&mut command, 0);
        let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn()?;
        let (orders, says) = (child.stdin.take(), child.stdout.take());
        let worker =
            Self { child, orders, source: None, left: 0..0, still: 0, had_worked: None, stood_still: None };
        Builder::new().name("worker".to_owned()).spawn(move || {
            for line in says.into_iter().flat_map(|says| BufReader::new(says).lines()) {
                let Ok(line) = line else { break };
                match serde_json::from_str(&line) {
                    Ok(says) => {
                        if !hear(Some(says)) {
                            return;
                        }
                    }
                    // The program under test prints what it likes.
                    Err(_) => anstream::eprintln!("{line}"),
                }
            }
            hear(None);
        })?;
        Ok(worker)
    }

    pub(super) fn is_idle(&self) -> bool {
        self.left.is_empty()
    }

    /// Gives it seeds of a source, of which it runs some twice.
    pub(super) fn give(&mut self, number: u64, source: &Source, seeds: Range<u64>, twice: BTreeSet<u64>) {
        if self.source != Some(number) {
            self.order(&Order::Source(source.clone()));
            self.source = Some(number);
        }
        self.order(&Order::Seeds { first: seeds.start, end: seeds.end, twice });
        self.left = seeds;
        self.still = 0;
    }

    fn order(&mut self, order: &impl Serialize) {
        let Some(orders) = &mut self.orders else { return };
        let sent = serde_json::to_writer(&mut *orders, order).map_err(std::io::Error::from);
        // Where it is dead, it is about to be buried, with all it was given.
        if sent.and_then(|()| orders.write_all(b"\n")).is_err() {
            self.orders = None;
        }
    }

    /// Takes what it says. Gives the seed that it is done with, if it is with one.
    pub(super) fn said(&mut self, says: Says) -> Option<Tried> {
        self.still = 0;
        match says {
            Says::Moved => None,
            Says::Tried(tried) => {
                self.left.start = tried.seed.saturating_add(1).min(self.left.end);
                Some(*tried)
            }
        }
    }

    /// Looks at it. Where nothing was seen of it while it worked for as long as it may, it is killed. Time in which others
    /// had the processor does not count, or a busy machine would accuse it; but nobody waits for ever for one that sleeps.
    pub(super) fn look(&mut self, looks: u32, patience: Duration) {
        if self.is_idle() || self.stood_still.is_some() {
            return;
        }
        let works = worked(&self.child.id().to_string());
        if self.still == 0 {
            self.had_worked = works;
        }
        self.still += 1;
        let has_worked = works.zip(self.had_worked).map(|(now, then)| now.saturating_sub(then));
        if has_worked.map_or(self.still >= looks, |worked| worked >= patience) {
            self.stood_still = Some(Lost::Stuck(patience));
        } else if self.still >= looks * SLEEPS {
            self.stood_still = Some(Lost::Asleep(patience * SLEEPS));
        }
        if self.stood_still.is_some() {
            // An error says that it is dead already.
            drop(self.child.kill());
        }
    }

    /// How it died.
    pub(super) fn post_mortem(&mut self) -> Lost {
        // It may have closed its output and live on.
        drop(self.child.kill());
        let died = match self.child.wait() {
            Ok(status) => status.to_string(),
            Err(error) => error.to_string(),
        };
        self.stood_still.take().unwrap_or(Lost::Died(died))
    }
}

impl Drop for Worker {
    fn drop(&mut self) {
        // Errors say that it is gone already.
        drop(self.child.kill());
        drop(self.child.wait());
    }
}
