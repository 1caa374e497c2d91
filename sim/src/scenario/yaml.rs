//! The one place that knows the YAML library: text becomes values, or errors that point at the token.
//!
//! Reading is bounded in size, depth and expansion. What the library says in its own words about our schema is said in
//! ours here.

use std::ops::Range;

use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_saphyr::{Error, Location, MessageFormatter, Options, UserMessageFormatter};

use super::diagnostic::{Diagnostics, Findings};

pub(crate) use serde_saphyr::{FlowMap, Spanned};

/// How large a file may be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Size {
    /// In bytes.
    pub(crate) bytes: usize,
    /// In scalars, sequences and mappings.
    pub(crate) nodes: usize,
}

/// Reads one document.
pub(crate) fn read<T: DeserializeOwned>(file: &str, text: &str, size: Size) -> Result<T, Diagnostics> {
    let mut findings = Findings::new(file, text);
    if text.len() > size.bytes {
        findings.add(0..0, format!("the file is too large: {} bytes, at most {}", text.len(), size.bytes));
    } else if text.trim().is_empty() {
        findings.add(0..0, "the file is empty");
    } else {
        match serde_saphyr::from_str_with_options(text, options(size)) {
            Ok(value) => return Ok(value),
            Err(error) => explain(&mut findings, text, error.without_snippet()),
        }
    }
    Err(findings.finish().expect_err("a finding was just added"))
}

/// Prints a document.
pub(crate) fn print<T: Serialize>(value: &T) -> String {
    // A long text stays on its line: a folded one would not read as the one op that it is.
    let options = serde_saphyr::ser_options! { prefer_block_scalars: false };
    serde_saphyr::to_string_with_options(value, options).expect(
        "our own types print: they have no key that is not text, and a String takes all that is written",
    )
}

/// Where a value stands in the text.
pub(crate) fn bytes_of<T>(text: &str, value: &Spanned<T>) -> Range<usize> {
    // An error belongs to where the value is used, also when an alias brought it from elsewhere.
    bytes_at(text, value.referenced)
}

fn options(size: Size) -> Options {
    let budget = serde_saphyr::budget! {
        max_events: size.nodes * 2,
        max_nodes: size.nodes,
        max_total_scalar_bytes: size.bytes,
        max_recorded_anchor_events: 10_000,
        max_aliases: 1_000,
        max_anchors: 1_000,
        max_merge_keys: 100,
        max_documents: 2,
        max_depth: 32,
        flow_nesting_limit: 32,
    };
    serde_saphyr::options! {
        budget: budget,
        alias_limits: serde_saphyr::alias_limits! { max_total_replayed_events: 10_000 },
        with_snippet: false,
    }
}

#[expect(clippy::wildcard_enum_match_arm, reason = "the library's list of errors is long and open")]
fn explain(findings: &mut Findings<'_>, text: &str, error: &Error) {
    let at = error.location().map_or(0..0, |location| bytes_at(text, location));
    match error {
        Error::AliasError { error, .. } => explain(findings, text, error),
        Error::SerdeUnknownField { field, expected, .. } => {
            let known = expected.join(", ");
            let diagnostic = findings.add(at, format!("unknown key `{field}`"));
            diagnostic.label("not a key here").help(format!("the keys here are: {known}"));
            diagnostic.did_you_mean(field, expected.iter().copied());
        }
        Error::SerdeUnknownVariant { variant, expected, .. } => {
            let known = expected.join(", ");
            let diagnostic = findings.add(at, format!("unknown word `{variant}`"));
            diagnostic.label("not known here").help(format!("what can stand here: {known}"));
            diagnostic.did_you_mean(variant, expected.iter().copied());
        }
        Error::SerdeMissingField { field, .. } => {
            findings.add(at, format!("`{field}` is missing")).label("in the mapping of this key");
        }
        Error::DuplicateMappingKey { key: Some(key), .. } => {
            findings.add(at, format!("`{key}` stands twice")).label("the second one");
        }
        Error::SerdeInvalidType { unexpected, expected, .. }
        | Error::SerdeInvalidValue { unexpected, expected, .. } => {
            findings.add(at, format!("expected {expected}")).label(format!("this is {unexpected}"));
        }
        Error::Unexpected { expected, .. } => {
            findings.add(at, format!("expected {}", in_our_words(expected)));
        }
        Error::InvalidScalar { ty, .. } => {
            findings.add(at, format!("expected {}", in_our_words(ty)));
        }
        Error::Eof { .. } => {
            findings.add(at, "the file says nothing");
        }
        Error::MultipleDocuments { .. } => {
            findings.add(at, "more than one document in one file").label("the second one begins here");
        }
        Error::Budget { .. }
        | Error::AliasReplayLimitExceeded { .. }
        | Error::AliasExpansionLimitExceeded { .. }
        | Error::AliasReplayStackDepthExceeded { .. } => {
            let why = UserMessageFormatter.format_message(error);
            findings.add(at, "the file is too large, too deep, or expands to too much").label(why);
        }
        // What is left are mistakes in the YAML itself, which the library words well.
        other => {
            findings.add(at, UserMessageFormatter.format_message(other));
        }
    }
}

/// What the library calls what our schema asks for; anything else stays as it is.
fn in_our_words(expected: &str) -> &str {
    match expected {
        "mapping start" => "a mapping",
        "sequence start" => "a list",
        "string scalar" => "a text",
        "u32" => "a whole number",
        other => other,
    }
}

fn bytes_at(text: &str, location: Location) -> Range<usize> {
    let span = location.span();
    let number = |value: u64| usize::try_from(value).unwrap_or(usize::MAX);
    match (span.byte_offset(), span.byte_len()) {
        (Some(offset), Some(length)) => number(offset)..number(offset.saturating_add(length)),
        // A mistake that the scanner found has only a line and a column.
        _ => {
            let line = number(location.line()).saturating_sub(1);
            let column = number(location.column()).saturating_sub(1);
            let start: usize = text.split_inclusive('\n').take(line).map(str::len).sum();
            let within: usize = text[start..].chars().take(column).map(char::len_utf8).sum();
            start + within..start + within
        }
    }
}
