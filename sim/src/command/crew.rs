//! The workers of a command: this program again, as often as there are cores, until Ctrl-C.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::Builder;

use crate::hunt::PATIENCE;
use crate::hunt::workers::{Interrupter, Stop, Workers};
use crate::report::ExitCode;

/// Has what a seed gives back kept for the next one, by the allocator of this program and by glibc's, which SQLite uses. By
/// default both give it to the system, to get it again page by page: a fifth of the time that a seed of the reference load
/// takes.
const MEMORY: [(&str, &str); 5] = [
    ("MIMALLOC_PURGE_DELAY", "-1"),
    ("MALLOC_ARENA_MAX", "1"),
    ("MALLOC_TOP_PAD_", "8388608"),
    ("MALLOC_TRIM_THRESHOLD_", "268435456"),
    ("MALLOC_MMAP_THRESHOLD_", "1073741824"),
];

/// Workers, `jobs` of them or as many as there are cores. Ctrl-C ends what they do.
///
/// # Errors
/// When the system gives no thread, or no word of Ctrl-C.
pub(super) fn workers(jobs: Option<u16>) -> std::io::Result<Workers> {
    let jobs = jobs.map_or_else(|| std::thread::available_parallelism().map_or(1, usize::from), usize::from);
    let program = this_program()?;
    let workers = Workers::new(jobs, PATIENCE, move || {
        let mut command = again(&program);
        command.arg("worker");
        command
    })?;
    leave_on_interrupt(workers.interrupter())?;
    Ok(workers)
}

/// Says why a hunt ended early, and what that means for who asked.
pub(super) fn say_stop(stop: &Stop) -> ExitCode {
    match stop {
        Stop::Interrupted => {
            anstream::eprintln!("interrupted");
            ExitCode::Interrupted
        }
        Stop::Failed(why) => {
            anstream::eprintln!("error: {why}");
            ExitCode::HarnessFailed
        }
    }
}

/// This program once more, with memory as workers have it.
///
/// # Errors
/// When the system does not say where it is.
pub(super) fn this_program_again() -> std::io::Result<Command> {
    Ok(again(&this_program()?))
}

fn again(program: &Path) -> Command {
    let mut command = Command::new(program);
    command.envs(MEMORY);
    command
}

fn this_program() -> std::io::Result<PathBuf> {
    // The file may be built anew while its process runs, and a worker must be what its parent is.
    if cfg!(target_os = "linux") { Ok(PathBuf::from("/proc/self/exe")) } else { std::env::current_exe() }
}

/// The first Ctrl-C ends a hunt, which then says what it has found; what is no hunt, and the second, ends at once.
fn leave_on_interrupt(interrupter: Interrupter) -> std::io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build()?;
    Builder::new().name("interrupt".to_owned()).spawn(move || {
        runtime.block_on(async {
            while tokio::signal::ctrl_c().await.is_ok() {
                if !interrupter.interrupt() {
                    std::process::exit(ExitCode::Interrupted.code().into());
                }
            }
        });
    })?;
    Ok(())
}
