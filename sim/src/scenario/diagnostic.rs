//! What is wrong with a file that people write: where, what, and what to do about it.
//!
//! Errors are values. [`Diagnostics::render`] draws them as rustc does, with the line that is meant.

use std::fmt;
use std::ops::Range;

use annotate_snippets::{AnnotationKind, Group, Level, Origin, Renderer, Snippet};

/// One thing that is wrong with a file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostic {
    /// The file, as it was named.
    pub file: String,
    /// The line, counted from one; one where the whole file is meant.
    pub line: usize,
    /// The column in characters, counted from one.
    pub column: usize,
    /// The bytes of the file that are meant, on one line; `None` where the file could not be read.
    pub mark: Option<Range<usize>>,
    /// What is wrong, in one sentence fragment.
    pub title: String,
    /// What to say at the mark; may be empty.
    pub label: String,
    /// What to do about it.
    pub help: Option<String>,
}

impl Diagnostic {
    /// Adds what to say at the mark.
    pub(crate) fn label(&mut self, label: impl AsRef<str>) -> &mut Self {
        self.label = printable(label.as_ref());
        self
    }

    /// Adds what to do about it.
    pub(crate) fn help(&mut self, help: impl AsRef<str>) -> &mut Self {
        self.help = Some(printable(help.as_ref()));
        self
    }

    /// Adds what may have been meant, if anything is near.
    pub(crate) fn did_you_mean<'a>(
        &mut self,
        word: &str,
        known: impl IntoIterator<Item = &'a str>,
    ) -> &mut Self {
        if let Some(near) = nearest(word, known) {
            self.help(format!("did you mean `{near}`?"));
        }
        self
    }
}

/// All that is wrong with one file, in the order of the file; never empty.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Diagnostics {
    /// What is wrong.
    pub list: Vec<Diagnostic>,
    text: String,
}

impl Diagnostics {
    /// A file that could not be read as text at all.
    pub(crate) fn unreadable(file: &str, title: impl AsRef<str>) -> Self {
        let diagnostic = Diagnostic {
            file: file.to_owned(),
            line: 1,
            column: 1,
            mark: None,
            title: printable(title.as_ref()),
            label: String::new(),
            help: None,
        };
        Self { list: vec![diagnostic], text: String::new() }
    }

    /// As people read it; in colour, or plain.
    pub fn render(&self, colour: bool) -> String {
        let renderer = if colour { Renderer::styled() } else { Renderer::plain() };
        let each: Vec<String> =
            self.list.iter().map(|diagnostic| renderer.render(&[self.group(diagnostic)])).collect();
        each.join("\n\n")
    }

    fn group<'a>(&'a self, diagnostic: &'a Diagnostic) -> Group<'a> {
        let title = Level::ERROR.primary_title(diagnostic.title.as_str());
        let group = match &diagnostic.mark {
            None => title.element(Origin::path(diagnostic.file.as_str())),
            Some(mark) => {
                let label = (!diagnostic.label.is_empty()).then_some(diagnostic.label.as_str());
                title.element(
                    Snippet::source(self.text.as_str())
                        .path(diagnostic.file.as_str())
                        .annotation(AnnotationKind::Primary.span(mark.clone()).label(label)),
                )
            }
        };
        match &diagnostic.help {
            None => group,
            Some(help) => group.element(Level::HELP.message(help.as_str())),
        }
    }
}

impl fmt::Display for Diagnostics {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for Diagnostics {}

/// Collects what is wrong with one text, so that all of it is told at once.
#[derive(Debug)]
pub(crate) struct Findings<'a> {
    file: &'a str,
    text: &'a str,
    list: Vec<Diagnostic>,
}

impl<'a> Findings<'a> {
    pub(crate) fn new(file: &'a str, text: &'a str) -> Self {
        Self { file, text, list: Vec::new() }
    }

    /// What the file is called.
    pub(crate) fn file(&self) -> &'a str {
        self.file
    }

    /// Takes one more. `bytes` need not be exact: what is not on a character, or on one line, is cut to what is.
    pub(crate) fn add(&mut self, bytes: Range<usize>, title: impl AsRef<str>) -> &mut Diagnostic {
        let mark = visible(self.text, bytes);
        let before = &self.text[..mark.start];
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        self.list.push(Diagnostic {
            file: self.file.to_owned(),
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            mark: Some(mark),
            title: printable(title.as_ref()),
            label: String::new(),
            help: None,
        });
        self.list.last_mut().expect("one was just pushed")
    }

    /// The errors, or `Ok` where there is none.
    pub(crate) fn finish(mut self) -> Result<(), Diagnostics> {
        if self.list.is_empty() {
            return Ok(());
        }
        self.list.sort_by_key(|diagnostic| (diagnostic.line, diagnostic.column));
        Err(Diagnostics { list: self.list, text: self.text.to_owned() })
    }
}

/// The part of `bytes` that can be marked: whole characters, on its first line, at least one where the line has one.
fn visible(text: &str, bytes: Range<usize>) -> Range<usize> {
    let start = text.floor_char_boundary(bytes.start);
    let line_end = text[start..].find(['\n', '\r']).map_or(text.len(), |length| start + length);
    let one = text[start..line_end].chars().next().map_or(0, char::len_utf8);
    let end = text.floor_char_boundary(bytes.end).clamp(start, line_end);
    start..end.max(start + one)
}

/// Text of a file within a message: what a terminal would act upon is escaped.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    for letter in text.chars() {
        if letter.is_control() {
            printable.extend(letter.escape_default());
        } else {
            printable.push(letter);
        }
    }
    printable
}

/// The known word that is nearest to `word`, if it is near: a slip in every third letter at most.
fn nearest<'a>(word: &str, known: impl IntoIterator<Item = &'a str>) -> Option<&'a str> {
    let slips = (word.chars().count() / 3).max(1);
    known
        .into_iter()
        .map(|candidate| (strsim::damerau_levenshtein(word, candidate), candidate))
        .filter(|(distance, _)| *distance <= slips)
        .min()
        .map(|(_, candidate)| candidate)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_nearest_word_is_offered_and_a_far_one_is_not() {
        assert_eq!(nearest("allice", ["alice", "bob"]), Some("alice"));
        assert_eq!(nearest("carol", ["alice", "bob"]), None);
        assert_eq!(nearest("bbo", ["alice", "bob"]), Some("bob"));
    }

    #[test]
    fn a_mark_never_leaves_its_line_or_splits_a_character() {
        let text = "añb\ncd\n";
        assert_eq!(visible(text, 2..2), 1..3, "inside ñ");
        assert_eq!(visible(text, 0..100), 0..4);
        assert_eq!(visible(text, 4..4), 4..4, "nothing stands at the end of a line");
        assert_eq!(visible(text, 90..95), 8..8);
        assert_eq!(visible("", 0..1), 0..0);
    }

    #[test]
    fn a_message_cannot_drive_the_terminal() {
        let mut findings = Findings::new("x.yaml", "name: x\n");
        findings.add(0..4, "unknown key `\u{1b}[31m`");
        let diagnostics = findings.finish().unwrap_err();
        assert!(!diagnostics.render(false).contains('\u{1b}'));
    }
}
