//! The rules of the house that no compiler keeps: which layer names which, what the documents promise to exist, what
//! never stays in a source. A violation is listed with its file, its line and the reason for the rule.
//!
//! Each rule is a function over text, so that the tests beside it can plant a violation and see it found.

#[path = "tidy/arrows.rs"]
mod arrows;
#[path = "tidy/bans.rs"]
mod bans;
#[path = "tidy/paths.rs"]
mod paths;
#[path = "tidy/rust.rs"]
mod rust;
#[path = "tidy/sites.rs"]
mod sites;
#[path = "tidy/tree.rs"]
mod tree;

use tree::{Tree, Violation};

#[test]
fn a_layer_names_only_layers_before_it() {
    let tree = Tree::of_this_repository();
    let violations: Vec<Violation> =
        [arrows::SQUALL, arrows::SIM].iter().flat_map(|package| package.violations(&tree)).collect();
    assert_none(&violations);
}

#[test]
fn a_word_that_belongs_to_one_layer_stays_there() {
    assert_none(&arrows::words_out_of_place(&Tree::of_this_repository()));
}

#[test]
fn every_path_that_architecture_names_exists() {
    assert_none(&paths::missing(&Tree::of_this_repository(), "ARCHITECTURE.md"));
}

#[test]
fn nothing_that_is_banned_is_in_the_sources() {
    assert_none(&bans::violations(&Tree::of_this_repository()));
}

#[test]
fn each_place_of_the_catalog_of_reached_stands_once_in_the_sources() {
    assert_none(&sites::violations(&Tree::of_this_repository(), squall::reached::SITES));
}

#[test]
fn each_place_of_the_catalog_of_reached_is_known_to_who_writes_scenarios() {
    assert_none(&sites::unlisted(&Tree::of_this_repository(), "scenarios/README.md", squall::reached::SITES));
}

fn assert_none(violations: &[Violation]) {
    let lines: Vec<String> = violations.iter().map(ToString::to_string).collect();
    assert!(violations.is_empty(), "{} violations:\n{}", lines.len(), lines.join("\n"));
}
