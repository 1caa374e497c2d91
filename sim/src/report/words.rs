//! Numbers as people read them.

use std::time::Duration;

/// `1 seed`, `2 seeds`.
pub(super) fn count(number: u64, one: &str) -> String {
    if number == 1 { format!("1 {one}") } else { format!("{number} {one}s") }
}

/// About how long: milliseconds below a second, tenths below a minute, whole seconds above.
pub(super) fn about(duration: Duration) -> String {
    let seconds = duration.as_secs();
    match seconds {
        0 => format!("{}ms", duration.as_millis()),
        1..60 => format!("{seconds}.{}s", duration.subsec_millis() / 100),
        60..3_600 => format!("{}m {:02}s", seconds / 60, seconds % 60),
        _ => format!("{}h {:02}m", seconds / 3_600, seconds / 60 % 60),
    }
}

/// How many times faster than real time: `1200x`; `-` if no time passed.
pub(super) fn ratio(simulated: Duration, real: Duration) -> String {
    if real.is_zero() {
        "-".to_owned()
    } else {
        format!("{:.0}x", simulated.as_secs_f64() / real.as_secs_f64())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn durations_are_as_precise_as_they_are_long() {
        let cases = [(0, "0ms"), (850, "850ms"), (1_250, "1.2s"), (59_999, "59.9s"), (61_000, "1m 01s")];
        for (millis, text) in cases {
            assert_eq!(about(Duration::from_millis(millis)), text);
        }
        assert_eq!(about(Duration::from_secs(3_600 * 25 + 61)), "25h 01m");
    }
}
