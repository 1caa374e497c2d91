//! `cargo sim bench`: what a seed costs, how that grows, and where it goes.
//!
//! | file | is |
//! |---|---|
//! | `load` | what is run |
//! | `measure` | how long it takes |
//! | `instructions` | how many instructions it takes, counted by valgrind, by layer; and the gate on that |
//! | `callgrind` | what valgrind wrote, read |
//! | `table` | rows as text |

mod callgrind;
mod instructions;
mod load;
mod measure;
mod table;

use std::time::Duration;

use clap::Args;

use super::crew;
use super::stopwatch::Stopwatch;
use crate::hunt::{Fate, PATIENCE};
use crate::plan::Backend;
use crate::report::ExitCode;
use load::Load;
use measure::Cost;
use table::Table;

/// Measure what a seed of the reference load costs, how that grows, and where it goes.
#[derive(Debug, Args)]
#[command(
    after_help = "The reference load is benches/reference-load.yaml: one server, five clients, twenty messages each, two minutes,
SQLite, every checker. Times are those of the processor, so that other work on the machine counts little.

  cargo sim bench                    all tables
  cargo sim bench --instructions     count the instructions of one seed, and fail where they are 10 % more
                                     than benches/instructions.txt says (needs valgrind)
  cargo sim bench --instructions --renew
                                     write what is counted into that file"
)]
pub(super) struct Bench {
    /// How many seeds of the reference load to measure; of larger loads fewer
    #[arg(long, default_value_t = 40, value_parser = clap::value_parser!(u32).range(1..))]
    seeds: u32,
    /// Count instructions only, and compare them with what the repository says
    #[arg(long)]
    instructions: bool,
    /// Write what was counted into the repository
    #[arg(long, requires = "instructions")]
    renew: bool,
    /// Measure in this very process
    #[arg(long, hide = true)]
    here: bool,
    /// Run one seed of the reference load on this backend and say nothing: what is counted
    #[arg(long, value_name = "BACKEND", hide = true)]
    one_seed: Option<Backend>,
    /// With so many clients, of which five speak
    #[arg(long, value_name = "NUMBER", hide = true, requires = "one_seed", default_value_t = 5)]
    clients: usize,
}

const BACKENDS: [Backend; 2] = [Backend::Turmoil, Backend::Event];

impl Bench {
    pub(super) fn execute(self) -> ExitCode {
        let done = match self.one_seed {
            Some(backend) => {
                let load = Load::reference().map(|load| load.with_clients(self.clients));
                load.and_then(|load| Cost::of(&load, backend, 0)).map(|_| ExitCode::Held)
            }
            None if self.instructions => instructions::gate(self.renew),
            None if self.here => self.tables().map(|()| ExitCode::Held),
            None => self.as_a_worker(),
        };
        done.unwrap_or_else(|error| {
            anstream::eprintln!("error: {error}");
            ExitCode::HarnessFailed
        })
    }

    /// Does all this in a process whose memory is as that of a worker: seeds are run by workers.
    fn as_a_worker(&self) -> Result<ExitCode, String> {
        let failed = |error: std::io::Error| format!("failed to start the program that measures: {error}");
        let mut command = crew::this_program_again().map_err(failed)?;
        let status = command.args(["bench", "--here", "--seeds", &self.seeds.to_string()]).status();
        Ok(if status.map_err(failed)?.success() { ExitCode::Held } else { ExitCode::HarnessFailed })
    }

    fn tables(&self) -> Result<(), String> {
        self.reference()?;
        self.workers()?;
        self.growth("clients, of which five speak", &[5, 20, 50, 200], |load, n| load.with_clients(n))?;
        self.growth("messages of each of five clients", &[20, 40, 80, 160], |load, n| {
            load.with_messages(u32::try_from(n).unwrap_or(u32::MAX))
        })?;
        self.growth("connections reset", &[0, 4, 16, 64], |load, n| load.with_resets(n))?;
        match instructions::by_layer() {
            Ok(table) => anstream::println!("{table}"),
            Err(why) => anstream::println!("instructions were not counted: {why}"),
        }
        Ok(())
    }

    /// Both backends on the reference load.
    fn reference(&self) -> Result<(), String> {
        let mut table = Table::new(
            "the reference load, on one core",
            &["backend", "ms a seed", "seeds a second", "simulated : real", "us a delivery"],
        );
        let mut costs = Vec::new();
        for backend in BACKENDS {
            let cost = Cost::of(&Load::reference()?, backend, self.seeds)?;
            table.row(vec![
                backend.to_string(),
                milliseconds(cost.real),
                format!("{:.0}", cost.seeds_per_second()),
                format!("{:.0} : 1", cost.speed()),
                format!("{:.1}", cost.per_delivery()),
            ]);
            costs.push(cost.real);
        }
        anstream::println!("{table}");
        if let ([first, second], [slow, fast]) = (BACKENDS, &costs[..]) {
            let times = slow.as_secs_f64() / fast.as_secs_f64();
            anstream::println!("{second} is {times:.1} times as fast as {first}\n");
        }
        Ok(())
    }

    /// What one worker and two do, in real time.
    fn workers(&self) -> Result<(), String> {
        let mut table =
            Table::new("workers, on the event backend, in real time", &["workers", "seeds a second"]);
        let subject = load::reference()?.on(Some(Backend::Event));
        for jobs in [1, 2] {
            let mut workers = crew::workers(Some(jobs))
                .map_err(|error| format!("failed to prepare workers within {PATIENCE:?}: {error}"))?;
            let mut failed = None;
            let mut hunt = |seeds: u64| {
                workers.hunt(&subject, 0..seeds, &mut |fate| match fate {
                    Fate::Tried(tried) => {
                        failed = failed.take().or(tried.wrong.map(|wrong| format!("{wrong:?}")))
                    }
                    Fate::Lost(seed, why) => failed = Some(format!("seed {seed}: {why:?}")),
                })
            };
            // They have started when the clock does.
            hunt(u64::from(jobs) * 4).map_err(|stop| format!("{stop:?}"))?;
            let seeds = u64::from(self.seeds) * 4;
            let clock = Stopwatch::start();
            hunt(seeds).map_err(|stop| format!("{stop:?}"))?;
            let rate = seeds as f64 / clock.elapsed().as_secs_f64();
            if let Some(why) = failed {
                return Err(format!("the reference load does not hold: {why}"));
            }
            table.row(vec![jobs.to_string(), format!("{rate:.0}")]);
        }
        anstream::println!("{table}");
        Ok(())
    }

    /// How the cost grows with one number, on the event backend.
    fn growth(
        &self,
        what: &str,
        numbers: &[usize],
        load: impl Fn(Load, usize) -> Load,
    ) -> Result<(), String> {
        let title = format!("growth with the number of {what}, on the event backend");
        let columns = ["number", "deliveries", "ms a seed", "us a delivery", "simulated : real"];
        let mut table = Table::new(&title, &columns);
        for (place, number) in numbers.iter().enumerate() {
            // Each load is some four times the one before it.
            let seeds = (self.seeds >> (2 * place)).max(2);
            let cost = Cost::of(&load(Load::reference()?, *number), Backend::Event, seeds)?;
            table.row(vec![
                number.to_string(),
                cost.deliveries.to_string(),
                milliseconds(cost.real),
                format!("{:.1}", cost.per_delivery()),
                format!("{:.0} : 1", cost.speed()),
            ]);
        }
        anstream::println!("{table}");
        Ok(())
    }
}

fn milliseconds(time: Duration) -> String {
    format!("{:.1}", time.as_secs_f64() * 1e3)
}
