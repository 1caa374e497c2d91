//! Rust text, read just well enough: what is code, what is comment, and which paths the code names.
//!
//! Textual on purpose: no macro is expanded. A path that a macro pieces together is not seen.

/// A line, taken apart.
#[derive(Debug, Default)]
pub(crate) struct Line {
    /// The code; a literal is an empty one.
    pub(crate) code: String,
    /// The comments, doc comments too, without their slashes.
    pub(crate) comment: String,
}

/// A word or a sign of the code.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Token<'a> {
    /// A word, `::`, or one sign.
    pub(crate) text: &'a str,
    /// From 1.
    pub(crate) line: usize,
}

/// A path that the code names, from the root of its crate.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Named {
    /// From 1.
    pub(crate) line: usize,
    /// Its segments, without `crate`; a glob is `*`.
    pub(crate) segments: Vec<String>,
}

/// Takes a file apart, line by line.
pub(crate) fn lines(text: &str) -> Vec<Line> {
    let mut lines = vec![Line::default()];
    let mut rest = text;
    let mut before = ' ';
    while let Some(first) = rest.chars().next() {
        let (length, kind) = next_piece(rest, before);
        let (piece, after) = rest.split_at(length);
        for (number, part) in piece.split('\n').enumerate() {
            if number > 0 {
                lines.push(Line::default());
            }
            let line = lines.last_mut().expect("there is a first line");
            match kind {
                Piece::Code => line.code.push_str(part),
                Piece::Comment => line.comment.push_str(part.trim_start_matches(['/', '*', '!'])),
                Piece::Literal => {}
            }
        }
        if kind == Piece::Literal {
            lines.last_mut().expect("there is a first line").code.push_str("\"\"");
        }
        before = if kind == Piece::Code { first } else { ' ' };
        rest = after;
    }
    lines
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Piece {
    Code,
    Comment,
    Literal,
}

/// How long the piece at the start of `rest` is, in bytes. Code comes one character at a time.
fn next_piece(rest: &str, before: char) -> (usize, Piece) {
    if rest.starts_with("//") {
        return (rest.find('\n').unwrap_or(rest.len()), Piece::Comment);
    }
    if rest.starts_with("/*") {
        return (block_comment(rest), Piece::Comment);
    }
    // `b"`, `r#"`, `cr"` and the like are literals only where no word runs into them.
    let prefix = if is_word(before) { 0 } else { literal_prefix(rest) };
    let hashes = rest[prefix..].chars().take_while(|sign| *sign == '#').count();
    if prefix > 0 && rest[prefix + hashes..].starts_with('"') && (hashes == 0 || rest[..prefix].contains('r'))
    {
        let raw = rest[..prefix].contains('r');
        return (prefix + hashes + string(&rest[prefix + hashes..], raw.then_some(hashes)), Piece::Literal);
    }
    if rest.starts_with('"') {
        return (string(rest, None), Piece::Literal);
    }
    match character(rest) {
        Some(length) => (length, Piece::Literal),
        None => (rest.chars().next().map_or(0, char::len_utf8), Piece::Code),
    }
}

fn literal_prefix(rest: &str) -> usize {
    ["br", "cr", "b", "c", "r"]
        .iter()
        .find(|prefix| rest.starts_with(**prefix))
        .map_or(0, |prefix| prefix.len())
}

/// Block comments nest.
fn block_comment(rest: &str) -> usize {
    let (mut depth, mut at) = (0, 0);
    while at < rest.len() {
        let here = &rest[at..];
        if here.starts_with("/*") {
            (depth, at) = (depth + 1, at + 2);
        } else if here.starts_with("*/") {
            (depth, at) = (depth - 1, at + 2);
            if depth == 0 {
                break;
            }
        } else {
            at += here.chars().next().map_or(1, char::len_utf8);
        }
    }
    at
}

/// The string that begins with `"`: raw with a number of hashes, or with escapes.
fn string(rest: &str, raw: Option<usize>) -> usize {
    let end = match raw {
        Some(hashes) => {
            let quote = format!("\"{}", "#".repeat(hashes));
            rest[1..].find(&quote).map(|at| 1 + at + quote.len())
        }
        None => {
            let mut escaped = false;
            let closing = rest.char_indices().skip(1).find(|(_, sign)| {
                let closes = *sign == '"' && !escaped;
                escaped = *sign == '\\' && !escaped;
                closes
            });
            closing.map(|(at, _)| at + 1)
        }
    };
    end.unwrap_or(rest.len())
}

/// `'x'` or `'\n'`; a lifetime is code.
fn character(rest: &str) -> Option<usize> {
    let inner = rest.strip_prefix('\'')?;
    if let Some(escape) = inner.strip_prefix('\\') {
        // The escaped sign may itself be a quote.
        let first = escape.chars().next()?.len_utf8();
        return escape[first..].find('\'').map(|at| 2 + first + at + 1);
    }
    let length = inner.chars().next()?.len_utf8();
    inner[length..].starts_with('\'').then_some(1 + length + 1)
}

/// The words and signs of the code.
pub(crate) fn tokens(lines: &[Line]) -> Vec<Token<'_>> {
    let mut tokens = Vec::new();
    for (index, line) in lines.iter().enumerate() {
        let mut rest = line.code.as_str();
        while let Some(first) = rest.chars().next() {
            let length = if is_word(first) {
                rest.find(|sign| !is_word(sign)).unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                first.len_utf8()
            };
            let (text, after) = rest.split_at(length);
            if !first.is_whitespace() {
                tokens.push(Token { text, line: index + 1 });
            }
            rest = after;
        }
    }
    tokens
}

fn is_word(sign: char) -> bool {
    sign.is_alphanumeric() || sign == '_'
}

/// All paths that begin with `crate`, `self` or `super`, from the root of the crate. `module` is where the file is.
pub(crate) fn paths(tokens: &[Token<'_>], module: &[&str]) -> Vec<Named> {
    let mut found = Vec::new();
    let mut braces: Vec<Option<&str>> = Vec::new();
    let mut at = 0;
    while let Some(token) = tokens.get(at) {
        let is = |offset: usize, text: &str| tokens.get(at + offset).is_some_and(|next| next.text == text);
        match token.text {
            "{" => {
                let opens_module = at >= 2 && tokens[at - 2].text == "mod";
                braces.push(opens_module.then(|| tokens[at - 1].text));
            }
            "}" => drop(braces.pop()),
            "crate" | "self" | "super" if is(1, "::") && (at == 0 || tokens[at - 1].text != "::") => {
                let inline = braces.iter().flatten().copied();
                let mut base: Vec<&str> = if token.text == "crate" {
                    vec![]
                } else {
                    module.iter().copied().chain(inline).collect()
                };
                if token.text == "super" {
                    base.pop();
                }
                at += 1;
                while is_path_step(tokens, at, "super") {
                    base.pop();
                    at += 2;
                }
                at = tree(tokens, at, &base, &mut found);
                continue;
            }
            _ => {}
        }
        at += 1;
    }
    found
}

fn is_path_step(tokens: &[Token<'_>], at: usize, word: &str) -> bool {
    matches!(tokens.get(at..at + 2), Some([sign, next]) if sign.text == "::" && next.text == word)
}

/// Reads what follows a path's first part, and answers where it ends. `{a, b::c}` is several paths.
pub(crate) fn tree(tokens: &[Token<'_>], mut at: usize, base: &[&str], found: &mut Vec<Named>) -> usize {
    let mut segments: Vec<&str> = base.to_vec();
    let line = tokens.get(at.saturating_sub(1)).map_or(0, |token| token.line);
    while let Some([sign, next]) = tokens.get(at..at + 2)
        && sign.text == "::"
    {
        if next.text == "{" {
            at += 2;
            while let Some(token) = tokens.get(at)
                && token.text != "}"
            {
                let first: Vec<&str> = segments.iter().copied().chain([token.text]).collect();
                at = if token.text == "," {
                    at + 1
                } else {
                    skip_alias(tokens, tree(tokens, at + 1, &first, found))
                };
            }
            return at + 1;
        }
        if next.text != "*" && !next.text.starts_with(is_word) {
            break;
        }
        segments.push(next.text);
        at += 2;
    }
    found.push(Named { line, segments: segments.into_iter().map(str::to_owned).collect() });
    at
}

fn skip_alias(tokens: &[Token<'_>], at: usize) -> usize {
    if tokens.get(at).is_some_and(|token| token.text == "as") { at + 2 } else { at }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn named(text: &str, module: &[&str]) -> Vec<String> {
        paths(&tokens(&lines(text)), module).into_iter().map(|named| named.segments.join("::")).collect()
    }

    #[test]
    fn comments_and_literals_are_not_code() {
        let text =
            "a(); // crate::x\n/* b /* c */ */ d(\"// e \\\" f\", r#\"g \"h\"# , 'i', '\\'', b\"j\") 'k: l\n";
        let lines = lines(text);
        assert_eq!(lines[0].code, "a(); ");
        assert_eq!(lines[0].comment, " crate::x");
        assert_eq!(lines[1].code, " d(\"\", \"\" , \"\", \"\", \"\") 'k: l");
    }

    #[test]
    fn a_literal_of_several_lines_keeps_the_count() {
        let lines = lines("let a = \"one\ntwo\nthree\"; b\nc");
        assert_eq!(lines.len(), 4);
        assert_eq!(lines[2].code, "\"\"; b");
    }

    #[test]
    fn a_group_is_several_paths() {
        assert_eq!(
            named("use crate::{io::{self, Env as E, net::*}, store};", &[]),
            ["io::self", "io::Env", "io::net::*", "store"]
        );
    }

    #[test]
    fn a_path_in_the_middle_of_code_is_found_with_its_line() {
        let lines = lines("fn a(\n    b: &dyn crate::engine::Entropy,\n) -> crate::io::Env<C> {}");
        let found = paths(&tokens(&lines), &["store"]);
        assert_eq!(found[0], Named { line: 2, segments: vec!["engine".into(), "Entropy".into()] });
        assert_eq!(found[1].line, 3);
    }

    #[test]
    fn super_climbs_from_where_the_code_stands() {
        assert_eq!(named("use super::super::io::Env;", &["socket", "hub"]), ["io::Env"]);
        assert_eq!(
            named("mod tests { use super::super::io; } use super::b;", &["socket", "hub"]),
            ["socket::io", "socket::b"]
        );
        assert_eq!(
            named("use self::a; use super::{b, super_c};", &["socket"]),
            ["socket::a", "b", "super_c"]
        );
    }

    #[test]
    fn visibility_and_receivers_are_not_paths() {
        assert_eq!(
            named("pub(crate) fn a(self: &Self, super_b: u8) { self.c() }", &["x"]),
            Vec::<String>::new()
        );
    }
}
