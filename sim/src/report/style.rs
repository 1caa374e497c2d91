//! The colours of reports, and none.

use std::fmt;

use anstyle::{AnsiColor, Style};

pub(super) const GOOD: Style = AnsiColor::Green.on_default().bold();
pub(super) const BAD: Style = AnsiColor::Red.on_default().bold();
pub(super) const DOUBTFUL: Style = AnsiColor::Yellow.on_default().bold();
pub(super) const STRONG: Style = Style::new().bold();
pub(super) const FAINT: Style = Style::new().dimmed();

/// Text in a style if there are colours, else as it is.
pub(super) fn paint(colour: bool, style: Style, text: impl fmt::Display) -> String {
    if colour { format!("{style}{text}{style:#}") } else { text.to_string() }
}
