//! The places that `reached!` names: those of the catalog, each at one place in the sources.

use std::collections::BTreeMap;

use squall::reached::Site;

use crate::tree::{Tree, Violation};

const CATALOG: &str = "src/reached.rs";

/// Every place that the catalog has and the sources have not, or more than once; and every mark past the catalog.
pub(crate) fn violations(tree: &Tree, catalog: &[Site]) -> Vec<Violation> {
    let mut found = Vec::new();
    let mut places: BTreeMap<&str, Vec<(&str, usize)>> = BTreeMap::new();
    for (path, text) in tree.files("src/", ".rs").filter(|(path, _)| *path != CATALOG) {
        for (line, code) in text.lines().enumerate().filter(|(_, code)| !code.trim_start().starts_with("//"))
        {
            for name in quoted(code, "reached!(\"") {
                places.entry(name).or_default().push((path, line + 1));
            }
            if quoted(code, "reached = \"").next().is_some() {
                let reason =
                    "a place that is reached is one of `reached!`, which sees to its name".to_owned();
                found.push(Violation { path: path.to_owned(), line: line + 1, reason });
            }
        }
    }
    for (name, (path, line)) in
        places.iter().flat_map(|(name, at)| at[1..].iter().map(move |place| (name, place)))
    {
        let reason = format!("`{name}` stands at another place too: a name is one place");
        found.push(Violation { path: (*path).to_owned(), line: *line, reason });
    }
    for site in catalog.iter().filter(|site| !places.contains_key(site.name)) {
        let reason = format!("`{}` stands nowhere in the sources: it would never be reached", site.name);
        found.push(Violation { path: CATALOG.to_owned(), line: 1, reason });
    }
    found
}

/// The places that the page does not list, each in a row of its own, as the catalog describes it.
pub(crate) fn unlisted(tree: &Tree, page: &str, catalog: &[Site]) -> Vec<Violation> {
    let text = tree.text(page).unwrap_or_default();
    let missing = catalog.iter().map(row).filter(|row| !text.lines().any(|line| line == row));
    missing
        .map(|row| Violation { path: page.to_owned(), line: 1, reason: format!("lacks the line `{row}`") })
        .collect()
}

fn row(Site { name, about, stranger }: &Site) -> String {
    format!("| `{name}` | {about}{} |", if *stranger { " (strangers only)" } else { "" })
}

/// What stands between `before` and the next quotation mark.
fn quoted<'a>(code: &'a str, before: &'a str) -> impl Iterator<Item = &'a str> {
    code.split(before).skip(1).filter_map(|rest| rest.split('"').next())
}

#[cfg(test)]
mod tests {
    use super::*;

    const CATALOG: [Site; 2] = [
        Site { name: "a.one", about: "", stranger: false },
        Site { name: "a.two", about: "", stranger: false },
    ];

    fn found(text: &str) -> Vec<String> {
        let tree = Tree::planted(&[("src/a.rs", text), ("src/reached.rs", "reached!(\"a.two\")")]);
        violations(&tree, &CATALOG).iter().map(|violation| violation.to_string()).collect()
    }

    #[test]
    fn a_name_stands_at_one_place() {
        assert_eq!(found("reached!(\"a.one\");\nmatch a { b => reached!(\"a.two\") }"), Vec::<String>::new());
        let twice = found("reached!(\"a.one\"); reached!(\"a.two\");\nreached!(\"a.one\");");
        assert_eq!(twice, ["src/a.rs:2: `a.one` stands at another place too: a name is one place"]);
    }

    #[test]
    fn a_name_that_stands_nowhere_is_found() {
        let missing = found("reached!(\"a.one\");\n// reached!(\"a.two\");");
        assert_eq!(
            missing,
            ["src/reached.rs:1: `a.two` stands nowhere in the sources: it would never be reached"]
        );
    }

    #[test]
    fn a_name_that_the_page_lacks_or_describes_otherwise_is_found() {
        let catalog = [
            Site { name: "a.one", about: "it is", stranger: false },
            Site { name: "a.two", about: "it was", stranger: true },
        ];
        let page = |second: &str| format!("# Places\n\n| `a.one` | it is |\n| `a.two` | {second} |\n");
        let unlisted = |text: &str| unlisted(&Tree::planted(&[("A.md", text)]), "A.md", &catalog).len();
        assert_eq!(unlisted(&page("it was (strangers only)")), 0);
        assert_eq!(unlisted(&page("it was")), 1);
        assert_eq!(unlisted(""), 2);
    }

    #[test]
    fn a_mark_past_the_catalog_is_found() {
        let past = found("reached!(\"a.one\"); reached!(\"a.two\"); debug!(reached = \"a.three\");");
        assert_eq!(past.len(), 1, "{past:?}");
        assert!(past[0].contains("one of `reached!`"), "{past:?}");
    }
}
