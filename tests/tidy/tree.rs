//! The files of the repository as text, by their path from its root.

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::Path;

/// What is not ours: built, installed, or written by a run.
const SKIPPED: [&str; 3] = [".git", "target", "history"];
/// The same, wherever it is.
const INSTALLED: &str = "node_modules";

/// All files. Those that are no text are there without it.
pub(crate) struct Tree {
    files: BTreeMap<String, String>,
}

/// A rule that a line breaks.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Violation {
    /// From the root, with `/`.
    pub(crate) path: String,
    /// From 1.
    pub(crate) line: usize,
    /// What is wrong, and why it is.
    pub(crate) reason: String,
}

impl fmt::Display for Violation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.path, self.line, self.reason)
    }
}

impl Tree {
    /// The repository this test was built from.
    pub(crate) fn of_this_repository() -> Self {
        let mut files = BTreeMap::new();
        collect(Path::new(env!("CARGO_MANIFEST_DIR")), "", &mut files);
        Self { files }
    }

    /// A planted one.
    #[cfg(test)]
    pub(crate) fn planted(files: &[(&str, &str)]) -> Self {
        Self { files: files.iter().map(|(path, text)| ((*path).to_owned(), (*text).to_owned())).collect() }
    }

    /// Path and text of all files under a folder (`""` for all) whose name ends so.
    pub(crate) fn files<'a>(
        &'a self,
        folder: &'a str,
        end: &'a str,
    ) -> impl Iterator<Item = (&'a str, &'a str)> + 'a {
        let all = self.files.iter().map(|(path, text)| (path.as_str(), text.as_str()));
        all.filter(move |(path, _)| path.starts_with(folder) && path.ends_with(end))
    }

    /// The text of one file.
    pub(crate) fn text(&self, path: &str) -> Option<&str> {
        self.files.get(path).map(String::as_str)
    }

    /// Whether there is a file or a folder of this path.
    pub(crate) fn exists(&self, path: &str) -> bool {
        let path = path.trim_end_matches('/');
        let folder = format!("{path}/");
        self.files.contains_key(path)
            || self.files.range(folder.clone()..).next().is_some_and(|(next, _)| next.starts_with(&folder))
    }
}

fn collect(folder: &Path, prefix: &str, files: &mut BTreeMap<String, String>) {
    let entries =
        fs::read_dir(folder).unwrap_or_else(|error| panic!("{} cannot be read: {error}", folder.display()));
    for entry in entries {
        let entry = entry.expect("an entry of a folder that could be read");
        let name = entry.file_name().to_string_lossy().into_owned();
        let path = format!("{prefix}{name}");
        if SKIPPED.contains(&path.as_str()) || name == INSTALLED {
            continue;
        }
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            collect(&entry.path(), &format!("{path}/"), files);
        } else {
            files.insert(path, fs::read_to_string(entry.path()).unwrap_or_default());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_exists_by_the_files_in_it() {
        let tree = Tree::planted(&[("src/io/env.rs", ""), ("src/io.md", "")]);
        assert!(tree.exists("src/io/") && tree.exists("src/io") && tree.exists("src/io/env.rs"));
        assert!(!tree.exists("src/i") && !tree.exists("src/io/net.rs") && !tree.exists("src/io/env"));
    }

    #[test]
    fn this_repository_is_found_and_what_is_built_is_not() {
        let tree = Tree::of_this_repository();
        assert!(tree.text("tests/tidy/tree.rs").is_some());
        assert!(tree.exists("sim/src/history/"), "only the folder at the root is written by runs");
        assert!(!tree.exists("target") && !tree.exists(".git"));
    }
}
