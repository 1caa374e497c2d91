//! What the program says to its caller.

/// The exit code; CI gates on it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
#[repr(u8)]
pub enum ExitCode {
    /// 0: every promise held.
    Held = 0,
    /// 1: a promise was broken.
    Broken = 1,
    /// 2: wrong usage, or a bad scenario.
    Usage = 2,
    /// 3: one plan gave two different histories.
    NotDeterministic = 3,
    /// 4: nothing was proven: no scenario, no record, or a fault that touched nothing over all seeds of its scenario.
    NothingProven = 4,
    /// 5: the harness failed.
    HarnessFailed = 5,
    /// 130: interrupted, as shells have it for SIGINT.
    Interrupted = 130,
}

impl ExitCode {
    /// Its number.
    pub fn code(self) -> u8 {
        self as u8
    }
}

impl From<ExitCode> for std::process::ExitCode {
    fn from(code: ExitCode) -> Self {
        Self::from(code.code())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// CI scripts know the numbers.
    #[test]
    fn the_numbers_are_those_that_callers_know() {
        let codes = [
            ExitCode::Held,
            ExitCode::Broken,
            ExitCode::Usage,
            ExitCode::NotDeterministic,
            ExitCode::NothingProven,
            ExitCode::HarnessFailed,
            ExitCode::Interrupted,
        ];
        assert_eq!(codes.map(ExitCode::code), [0, 1, 2, 3, 4, 5, 130]);
    }
}
