//! A worker: orders come in, a line each; what becomes of the seeds goes out, and between that, whether time moves.
//!
//! It ends with its parent: when no more orders can come, whatever it is at.

use std::io::{BufRead, Stdout, Write};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use super::wire::{Order, Says};
use crate::app::App;
use crate::hunt::tried::try_plan;
use crate::plan::Plan;
use crate::report::ExitCode;
use crate::subject::Subject;
use crate::world::{self, RunOptions};

/// How often a worker says that time moves, if it does.
const BEAT: Duration = Duration::from_millis(200);

/// Does what the standard input says. The process ends with that, or where an order is wrong.
pub fn serve(app: &dyn App) -> ! {
    let (orders, next) = channel();
    let progress = AtomicU64::new(0);
    let output = Mutex::new(std::io::stdout());
    std::thread::scope(|scope| {
        scope.spawn(|| leave(read(&orders)));
        scope.spawn(|| beat(&progress, &output));
        leave(obey(&next, app, &progress, &output))
    })
}

/// Ends the process, whatever its threads are at.
fn leave(ended: Result<(), String>) -> ! {
    let exit = match ended {
        Ok(()) => ExitCode::Held,
        Err(why) => {
            anstream::eprintln!("error: a worker failed: {why}");
            ExitCode::HarnessFailed
        }
    };
    std::process::exit(exit.code().into())
}

fn read(orders: &Sender<Order>) -> Result<(), String> {
    for line in std::io::stdin().lock().lines() {
        let line = line.map_err(|error| format!("failed to read orders: {error}"))?;
        let order = serde_json::from_str(&line).map_err(|error| format!("{line:?} is no order: {error}"))?;
        if orders.send(order).is_err() {
            break;
        }
    }
    Ok(())
}

fn beat(progress: &AtomicU64, output: &Mutex<Stdout>) {
    let mut seen = 0;
    loop {
        std::thread::park_timeout(BEAT);
        let now = progress.load(Ordering::Relaxed);
        if now != seen && say(output, &Says::Moved).is_err() {
            return;
        }
        seen = now;
    }
}

fn obey(
    orders: &Receiver<Order>,
    app: &dyn App,
    progress: &AtomicU64,
    output: &Mutex<Stdout>,
) -> Result<(), String> {
    let mut subject: Option<Subject> = None;
    for order in orders {
        match order {
            Order::Source(source) => subject = Some(source.subject()?),
            Order::Seeds { first, end, twice } => {
                let subject =
                    subject.as_ref().ok_or_else(|| "seeds came before their scenario".to_owned())?;
                for seed in first..end {
                    let run = |plan: &Plan| world::run_watched(plan, app, &RunOptions::default(), progress);
                    let tried = try_plan(seed, subject.plan(seed), twice.contains(&seed), run);
                    say(output, &Says::Tried(Box::new(tried)))?;
                }
            }
        }
    }
    Ok(())
}

/// One line, in one write: the program under test may write to the same place.
fn say(output: &Mutex<Stdout>, says: &Says) -> Result<(), String> {
    let mut line = serde_json::to_vec(says).map_err(|error| error.to_string())?;
    line.push(b'\n');
    let mut output = output.lock().unwrap_or_else(PoisonError::into_inner);
    output
        .write_all(&line)
        .and_then(|()| output.flush())
        .map_err(|error| format!("failed to tell the parent: {error}"))
}
