//! The paths that a document names: in backticks, as the target of a link, or in the tree of an untagged code block.

use crate::tree::{Tree, Violation};

/// What makes a word without a slash a file's name.
const ENDINGS: [&str; 9] = [".rs", ".md", ".toml", ".yaml", ".yml", ".json", ".mjs", ".html", ".lock"];

/// Every path that the document names and that does not exist, from the root of the repository.
pub(crate) fn missing(tree: &Tree, document: &str) -> Vec<Violation> {
    let Some(text) = tree.text(document) else {
        return vec![Violation { path: document.to_owned(), line: 1, reason: "does not exist".to_owned() }];
    };
    let missing = named(tree, text).into_iter().filter(|(_, path)| !tree.exists(path));
    missing
        .map(|(line, path)| Violation {
            path: document.to_owned(),
            line,
            reason: format!("`{path}` does not exist: a map that is wrong is worse than none"),
        })
        .collect()
}

/// Line and path of all that the text names.
fn named(tree: &Tree, text: &str) -> Vec<(usize, String)> {
    let mut found = Vec::new();
    let mut fence: Option<&str> = None;
    let mut folders: Vec<(usize, String)> = Vec::new();
    for (index, line) in text.lines().enumerate() {
        if let Some(tag) = line.trim_start().strip_prefix("```") {
            fence = if fence.is_some() { None } else { Some(tag.trim()) };
            folders.clear();
            continue;
        }
        let paths = match fence {
            None => in_prose(tree, line),
            Some("" | "text") => in_a_tree(line, &mut folders),
            Some(_) => vec![],
        };
        found.extend(paths.into_iter().map(|path| (index + 1, path)));
    }
    found
}

fn in_prose(tree: &Tree, line: &str) -> Vec<String> {
    let ticked = line.split('`').skip(1).step_by(2);
    let linked = line.split("](").skip(1).filter_map(|rest| rest.split([')', '#']).next());
    ticked.chain(linked).filter(|word| is_path(tree, word)).map(str::to_owned).collect()
}

/// A path is spelled from the root: it ends like a folder or a file, or its first part exists.
fn is_path(tree: &Tree, word: &str) -> bool {
    let plain = |sign: char| sign.is_ascii_alphanumeric() || "._-/".contains(sign);
    if word.is_empty() || word.starts_with('/') || !word.chars().all(plain) {
        return false;
    }
    let first = word.split('/').next().unwrap_or(word);
    word.ends_with('/') || is_file_name(word) || (word.contains('/') && tree.exists(first))
}

fn is_file_name(word: &str) -> bool {
    ENDINGS.iter().any(|ending| word.len() > ending.len() && word.ends_with(ending))
}

/// A line of a tree begins with a folder (`io/`) or with files; deeper indentation means inside of the folder above.
fn in_a_tree(line: &str, folders: &mut Vec<(usize, String)>) -> Vec<String> {
    let drawn = |sign: char| sign.is_whitespace() || "│├└─".contains(sign);
    let indent = line.chars().take_while(|sign| drawn(*sign)).count();
    let entries = line.trim_start_matches(drawn);
    while folders.last().is_some_and(|(outer, _)| *outer >= indent) {
        folders.pop();
    }
    let parent = folders.last().map_or("", |(_, folder)| folder).to_owned();
    let words = entries.split_whitespace().take_while(|word| word.ends_with('/') || is_file_name(word));
    let paths: Vec<String> = words.map(|word| format!("{parent}{word}")).collect();
    if let Some(folder) = paths.first().filter(|path| path.ends_with('/')) {
        folders.push((indent, folder.clone()));
    }
    paths
}

#[cfg(test)]
mod tests {
    use super::*;

    fn found(text: &str) -> Vec<String> {
        let tree =
            Tree::planted(&[("A.md", text), ("src/io/env.rs", ""), ("Cargo.toml", ""), (".ci/run", "")]);
        missing(&tree, "A.md")
            .iter()
            .map(|violation| {
                format!("{}:{}", violation.line, violation.reason.split('`').nth(1).unwrap_or(""))
            })
            .collect()
    }

    #[test]
    fn a_path_in_backticks_or_a_link_that_does_not_exist_is_found() {
        assert_eq!(
            found("Read `src/io/env.rs`,\nthen `src/io/net.rs` and `src/chat/`, `README.md`."),
            ["2:src/io/net.rs", "2:src/chat/", "2:README.md"]
        );
        assert_eq!(found("[map](docs/map.md#top), [web](https://a.b/c.md)"), ["1:docs/map.md"]);
    }

    #[test]
    fn a_path_in_a_tree_that_does_not_exist_is_found() {
        let text = "```\nCargo.toml  README.md  and so on\nsrc/   the program\n├── io/    one layer\n│   ├── env.rs  here\n│   └── net.rs\n└── chat/\n```";
        assert_eq!(found(text), ["2:README.md", "6:src/io/net.rs", "7:src/chat/"]);
    }

    #[test]
    fn what_is_no_path_is_left_alone() {
        let text = "`cargo sim run`, `text/html`, `a / b`, `src/**/x.rs`, `Env`, `--cfg`, `.ci/run`, `io`\n```rust\nno/such.rs\n```\n```\nbytes → engine  src/\n```";
        assert_eq!(found(text), Vec::<String>::new());
    }

    #[test]
    fn a_document_that_does_not_exist_is_found() {
        assert_eq!(missing(&Tree::planted(&[]), "A.md").len(), 1);
    }
}
