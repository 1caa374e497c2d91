//! `squall-sim`, to be called as `cargo sim`.

use std::process::ExitCode;

use clap::Parser;
use mimalloc::MiMalloc;
use squall_sim::command::Cli;

/// Every layer of a run takes memory in small pieces and gives it back: with glibc's allocator that is a fifth of its time.
#[global_allocator]
static ALLOCATOR: MiMalloc = MiMalloc;

fn main() -> ExitCode {
    Cli::parse().execute().into()
}
