//! The chat page in a real browser, on the real server: a process on a real port, a real file, a real kill.
//!
//! Needs `node`, `npm` and Chromium; `SQUALL_NO_NODE=1` leaves it out. The scripts do what people do and tell what the
//! pages show; this test kills, restarts and judges. Every wait ends at a deadline.
#![cfg(feature = "cli")]

#[path = "interop/node.rs"]
mod node;
#[path = "interop/process.rs"]
mod process;
#[path = "interop/squall.rs"]
mod squall;

use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;

use serde::Deserialize;
use serde_json::{Value, json};

use node::Node;
use process::Deadline;
use squall::{Squall, free_port};

/// Far longer than a test needs on a busy machine (some ten seconds).
const PATIENCE: Duration = Duration::from_secs(120);
const SCRIPTS: &str = "tests/browser";
const WEB: &str = "web";
const BROWSERS: [&str; 3] = ["/usr/bin/chromium", "/usr/bin/chromium-browser", "/usr/bin/google-chrome"];

#[test]
fn pages_show_every_message_once_and_in_one_order_across_outages_and_reloads() {
    let test = "pages_show_every_message_once_and_in_one_order_across_outages_and_reloads";
    let Some(node) = Node::ready(test, &[SCRIPTS, WEB]) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = directory.path().join("chat.db");
    let deadline = Deadline::after(PATIENCE);
    let port = free_port();
    let mut server = Squall::start(port, &database, &[], deadline);
    let mut people = node.run("chat.mjs", &[&server.url, browser()], deadline);
    let mut told = BTreeMap::new();
    let mut reports: Vec<Report> = Vec::new();
    loop {
        let event = people.event();
        match event["event"].as_str().expect("every event has a name") {
            "kill the server" => server.kill(),
            "start the server" => server = Squall::start(port, &database, &[], deadline),
            "report" => reports.push(serde_json::from_value(event).expect("a report")),
            "end" => break,
            name => drop(told.insert(name.to_owned(), event.clone())),
        }
    }

    assert_eq!(told["markup"], json!({ "event": "markup", "ran": false, "elements": 0, "bold": 0 }));
    let state = told["failed"]["state"].as_str().expect("what a failed message says");
    assert!(state.contains("Not sent: the content has 71999 bytes"), "a failed message says {state:?}");
    let said: BTreeMap<String, Vec<String>> =
        serde_json::from_value(told["said"]["said"].clone()).expect("texts by name");
    let wrong = judge(&reports, &said);
    assert!(wrong.is_empty(), "{} things are wrong:\n{}", wrong.len(), wrong.join("\n"));
    assert_eq!(reports.len(), 3, "ada, bob and one who came late report");
    let exit = server.terminate();
    assert!(exit.success(), "with pages connected, the server ended with {exit} on SIGTERM");
}

#[test]
fn the_page_of_the_notes_works_beside_ours() {
    let Some(node) = Node::ready("the_page_of_the_notes_works_beside_ours", &[SCRIPTS, WEB]) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let database = directory.path().join("chat.db");
    let deadline = Deadline::after(PATIENCE);
    let port = free_port();
    let mut server = Squall::start(port, &database, &[], deadline);
    let mut people = node.run("tutorial.mjs", &[&server.url, browser()], deadline);

    let shown = people.until(|event| {
        match event["event"].as_str() {
            Some("kill the server") => server.kill(),
            Some("start the server") => server = Squall::start(port, &database, &[], deadline),
            Some("shown") => return Ok(Some(event.clone())),
            Some(_) | None => {}
        }
        Ok(None)
    });

    let pages: Vec<Vec<String>> =
        serde_json::from_value(shown["pages"].clone()).expect("what three pages show");
    let mut said: Vec<String> = serde_json::from_value(shown["said"].clone()).expect("texts");
    assert_eq!(pages.len(), 3);
    for page in &pages {
        assert_eq!(page, &pages[0], "one order for everybody");
    }
    let mut seen = pages[0].clone();
    seen.sort();
    said.sort();
    assert_eq!(seen, said, "each message once");
}

#[test]
fn a_long_history_ends_in_view() {
    let Some(node) = Node::ready("a_long_history_ends_in_view", &[SCRIPTS, WEB]) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let deadline = Deadline::after(PATIENCE);
    let server = Squall::start(0, &directory.path().join("chat.db"), &[], deadline);
    let mut people = node.run("history.mjs", &[&server.url, browser()], deadline);

    let in_view = people.until(|event| Ok((event["event"] == "shown").then(|| event["inView"].clone())));

    assert_eq!(in_view, json!(true));
}

#[test]
fn without_the_official_client_the_page_says_what_to_run() {
    let test = "without_the_official_client_the_page_says_what_to_run";
    let Some(node) = Node::ready(test, &[SCRIPTS]) else { return };
    let directory = tempfile::tempdir().expect("a temporary directory");
    let deadline = Deadline::after(PATIENCE);
    let nothing = directory.path().to_str().expect("a path of plain characters");
    let flags = ["--client-dist", nothing];
    let server = Squall::start(0, &directory.path().join("chat.db"), &flags, deadline);
    let mut visitor = node.run("missing.mjs", &[&server.url, browser()], deadline);

    let notice = visitor.until(|event| Ok((event["event"] == "notice").then(|| event["text"].clone())));

    let notice = notice.as_str().unwrap_or_default();
    assert!(notice.contains("npm ci --prefix web") && notice.contains("--client-dist"), "it says {notice:?}");
}

/// The browser of this system.
fn browser() -> &'static str {
    let found = BROWSERS.into_iter().find(|path| Path::new(path).exists());
    found.unwrap_or_else(|| {
        panic!("no browser: install Chromium (Debian: `apt-get install chromium`), or leave these tests out with SQUALL_NO_NODE=1")
    })
}

/// What one page showed in the end.
#[derive(Deserialize)]
struct Report {
    name: String,
    troubles: Vec<Value>,
    log: Vec<Shown>,
    outbox: Vec<String>,
}

#[derive(Debug, PartialEq, Deserialize)]
struct Shown {
    offset: u64,
    id: String,
    content: String,
}

/// What is wrong: every page shows each message once, all in the order of the log, each person's in the order of saying.
fn judge(reports: &[Report], said: &BTreeMap<String, Vec<String>>) -> Vec<String> {
    let mut wrong = Vec::new();
    for Report { name, troubles, log, outbox } in reports {
        if !troubles.is_empty() {
            wrong.push(format!("{name}'s page had troubles: {troubles:?}"));
        }
        if !outbox.is_empty() {
            wrong.push(format!("{name} still waits for {outbox:?}"));
        }
        if !log.is_sorted_by(|one, next| one.offset < next.offset) {
            wrong.push(format!("{name}'s page is not in the order of the log: {log:?}"));
        }
        if log != &reports[0].log {
            wrong.push(format!("{name}'s page shows\n{log:?}\n{}'s\n{:?}", reports[0].name, reports[0].log));
        }
    }
    let Some(Report { log, .. }) = reports.first() else { return vec!["nobody reported".to_owned()] };
    for (person, texts) in said {
        let seen: Vec<&String> =
            log.iter().map(|shown| &shown.content).filter(|content| texts.contains(content)).collect();
        if !seen.iter().copied().eq(texts) {
            wrong.push(format!("{person} said\n{texts:?}, seen were\n{seen:?}"));
        }
    }
    let all: usize = said.values().map(Vec::len).sum();
    if log.len() != all {
        wrong.push(format!("{all} messages were said, {} are shown", log.len()));
    }
    wrong
}
