//! How long a process has worked, as the system counts it.

use std::time::Duration;

/// How long a process, a number or `self`, has worked on all cores together; Linux says so, in hundredths of a second.
pub(crate) fn worked(process: &str) -> Option<Duration> {
    let status = std::fs::read_to_string(format!("/proc/{process}/stat")).ok()?;
    // The second field is the program's name in brackets, and may have blanks; utime and stime are the 14th and the 15th.
    let fields: Vec<&str> = status.rsplit_once(')')?.1.split_whitespace().collect();
    let ticks: u64 = fields.get(11)?.parse::<u64>().ok()? + fields.get(12)?.parse::<u64>().ok()?;
    Some(Duration::from_millis(ticks * 10))
}
