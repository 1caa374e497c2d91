//! `squall-sim`, to be called as `cargo sim`.

use std::process::ExitCode;

use clap::Parser;
use squall_sim::command::Cli;

fn main() -> ExitCode {
    Cli::parse().execute().into()
}
