//! What never stays in a source.

use crate::rust::{self, Line, Token};
use crate::tree::{Tree, Violation};

/// Texts that people write; the rest is generated (locks, snapshots) or no text.
const TEXTS: [&str; 11] =
    [".rs", ".mjs", ".js", ".html", ".css", ".sh", ".ci/run", ".yaml", ".yml", ".toml", ".md"];
/// Past this a file holds two ideas.
const LINES_MAX: usize = 600;
const MACROS: [&str; 3] = ["todo", "unimplemented", "dbg"];
const MARKS: [&str; 3] = ["TODO", "FIXME", "XXX"];

/// Every violation of every ban.
pub(crate) fn violations(tree: &Tree) -> Vec<Violation> {
    let mut found = Vec::new();
    for (path, text) in tree.files("", "").filter(|(path, _)| TEXTS.iter().any(|end| path.ends_with(end))) {
        let mut breaks: Vec<(usize, String)> = trailing_whitespace(text);
        if !path.ends_with(".md") {
            breaks.extend(too_long(text));
        }
        if path.ends_with(".rs") {
            breaks.extend(of_rust(text));
        } else if !path.ends_with(".md") {
            breaks.extend(marks(text.lines()));
        }
        if path.ends_with(".yaml") || path.ends_with(".yml") {
            breaks.extend(tabs(text));
        }
        if path.starts_with("scenarios/") && path.ends_with(".yaml") {
            breaks.extend(misnamed(path, text));
        }
        found.extend(breaks.into_iter().map(|(line, reason)| Violation {
            path: path.to_owned(),
            line,
            reason,
        }));
    }
    found
}

fn of_rust(text: &str) -> Vec<(usize, String)> {
    let lines = rust::lines(text);
    let mut found = without_header(text);
    found.extend(marks(lines.iter().map(|line: &Line| line.comment.as_str())));
    found.extend(tokens_banned(&rust::tokens(&lines)));
    found
}

fn without_header(text: &str) -> Vec<(usize, String)> {
    if text.starts_with("//!") {
        return vec![];
    }
    vec![(1, "a file begins with `//!`: what goes in, what comes out, what is promised".to_owned())]
}

fn tokens_banned(tokens: &[Token<'_>]) -> Vec<(usize, String)> {
    let text = |at: usize| tokens.get(at).map_or("", |token| token.text);
    let reason = |at: usize| {
        let before = |back: usize| at.checked_sub(back).map_or("", text);
        let is_attribute = before(1) == "[" && (before(2) == "#" || before(2) == "!");
        // `cfg_attr(test, allow(…))`: the same by a detour.
        let is_conditional =
            before(1) == "," && tokens[..at].iter().rev().take(12).any(|token| token.text == "cfg_attr");
        match text(at) {
            word if MACROS.contains(&word) && text(at + 1) == "!" => Some("nothing half done stays"),
            "allow" if is_attribute || is_conditional => {
                Some("`expect` with a reason, so that it goes when it is no longer needed")
            }
            "ignore" if is_attribute || is_conditional => Some("a test that does not run proves nothing"),
            "should_panic" => Some("any panic would satisfy it: assert what happened"),
            _ => None,
        }
    };
    let banned = (0..tokens.len()).filter_map(|at| Some((at, reason(at)?)));
    banned.map(|(at, why)| (tokens[at].line, format!("`{}` is banned: {why}", text(at)))).collect()
}

fn marks<'a>(lines: impl Iterator<Item = &'a str>) -> Vec<(usize, String)> {
    let marked = |line: &str| {
        line.split(|sign: char| !sign.is_alphanumeric())
            .find_map(|word| MARKS.iter().find(|mark| **mark == word))
    };
    let found = lines.enumerate().filter_map(|(index, line)| Some((index + 1, marked(line)?)));
    found.map(|(line, mark)| (line, format!("`{mark}`: nothing half done stays"))).collect()
}

fn too_long(text: &str) -> Vec<(usize, String)> {
    let lines = text.lines().count();
    if lines <= LINES_MAX {
        return vec![];
    }
    vec![(lines, format!("{lines} lines, {LINES_MAX} at most: which two ideas does it hold?"))]
}

fn trailing_whitespace(text: &str) -> Vec<(usize, String)> {
    let found = text.split('\n').enumerate().filter(|(_, line)| line.trim_end() != *line);
    found.map(|(index, _)| (index + 1, "whitespace at the end of the line".to_owned())).collect()
}

fn tabs(text: &str) -> Vec<(usize, String)> {
    let found = text.lines().enumerate().filter(|(_, line)| line.contains('\t'));
    found.map(|(index, _)| (index + 1, "a tab: YAML indents with spaces".to_owned())).collect()
}

/// A scenario is found by its name. A plan has none: it says which version of plans it is.
fn misnamed(path: &str, text: &str) -> Vec<(usize, String)> {
    let stem = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".yaml");
    let named =
        text.lines().enumerate().find_map(|(index, line)| Some((index + 1, line.strip_prefix("name:")?)));
    let Some((line, name)) = named else {
        let is_plan = text.lines().any(|line| line.starts_with("version:"));
        return if is_plan { vec![] } else { vec![(1, "a scenario has a `name:`".to_owned())] };
    };
    let name = name.split(" #").next().unwrap_or(name).trim().trim_matches(['"', '\'']);
    if name == stem {
        return vec![];
    }
    vec![(line, format!("is named `{name}`, but its file `{stem}`: a scenario is found by its name"))]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(path: &str, text: &str) -> Vec<String> {
        violations(&Tree::planted(&[(path, text)])).iter().map(ToString::to_string).collect()
    }

    /// The one violation in a line after a proper header.
    fn in_rust(line: &str) -> String {
        let found = found("src/a.rs", &format!("//! Doc.\n{line}\n"));
        assert_eq!(found.len(), 1, "{line}: {found:?}");
        assert!(found[0].starts_with("src/a.rs:2: "), "{found:?}");
        found[0].clone()
    }

    #[test]
    fn half_done_code_is_found() {
        for line in [
            "todo!()",
            "unimplemented!(\"later\")",
            "let a = dbg!(b);",
            "// TODO: more",
            "/// FIXME",
            "/* XXX */",
        ] {
            assert!(in_rust(line).contains("nothing half done stays"));
        }
    }

    #[test]
    fn silenced_lints_and_tests_are_found() {
        assert!(in_rust("#[allow(dead_code)]").contains("`allow` is banned"));
        assert!(in_rust("#![allow(dead_code)]").contains("`allow` is banned"));
        assert!(in_rust("#[cfg_attr(test, allow(dead_code))]").contains("`allow` is banned"));
        assert!(in_rust("#[ignore = \"slow\"]").contains("`ignore` is banned"));
        assert!(in_rust("#[should_panic(expected = \"x\")]").contains("`should_panic` is banned"));
    }

    #[test]
    fn words_that_only_look_alike_are_left_alone() {
        let text = "//! A `todo!` in a comment, or #[allow].\nlet todo = \"// TODO dbg!()\"; self.allow(x); ignore(todo);\n";
        assert_eq!(found("src/a.rs", text), Vec::<String>::new());
    }

    #[test]
    fn a_file_without_header_is_found() {
        assert_eq!(found("sim/src/a.rs", "use b;\n").len(), 1);
    }

    #[test]
    fn a_file_that_is_too_long_is_found() {
        assert_eq!(
            found("src/a.rs", &format!("//! Doc.\n{}", "a();\n".repeat(LINES_MAX - 1))),
            Vec::<String>::new()
        );
        assert!(
            found("src/a.rs", &format!("//! Doc.\n{}", "a();\n".repeat(LINES_MAX)))[0].contains("601 lines")
        );
        assert_eq!(found("README.md", &"a\n".repeat(1000)), Vec::<String>::new());
    }

    #[test]
    fn whitespace_at_the_end_of_a_line_is_found() {
        assert_eq!(
            found("README.md", "a\nb \nc\t\r\n"),
            [
                "README.md:2: whitespace at the end of the line",
                "README.md:3: whitespace at the end of the line"
            ]
        );
    }

    #[test]
    fn marks_in_scripts_are_found() {
        assert_eq!(found(".ci/run", "# TODO\n").len(), 1);
        assert_eq!(found("tests/interop/a.mjs", "// FIXME: later\n").len(), 1);
    }

    #[test]
    fn a_tab_in_yaml_is_found() {
        assert_eq!(
            found(".github/workflows/ci.yml", "a:\n\tb: 1\n"),
            [".github/workflows/ci.yml:2: a tab: YAML indents with spaces"]
        );
    }

    #[test]
    fn a_scenario_that_is_misnamed_is_found() {
        assert_eq!(
            found("scenarios/smoke/two.yaml", "# A story.\nname: two   # the file says the same\n"),
            Vec::<String>::new()
        );
        assert!(found("scenarios/smoke/two.yaml", "name: three\n")[0].contains("named `three`"));
        assert!(found("scenarios/smoke/two.yaml", "about: x\n")[0].contains("has a `name:`"));
        assert_eq!(
            found("scenarios/regressions/two.plan.yaml", "version: 1\nseed: 3\n"),
            Vec::<String>::new()
        );
    }
}
