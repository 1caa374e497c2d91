//! Our client with our server: what was said is shown once, in one order, whatever happens in between.

use std::collections::VecDeque;
use std::future::pending;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::SystemTime;

use crate::chat::{ChatEvent, ChatOptions};
use crate::io::env::{Blocking, BoxFuture};
use crate::store::testing::log_in_memory;
use crate::store::{Appended, Draft, LogOffset, MessageLog, SqliteLog, StoreError, Stored};

use super::world::{Process, World};

fn numbered(range: std::ops::Range<usize>) -> Vec<String> {
    range.map(|n| format!("message {n}")).collect()
}

#[tokio::test(start_paused = true)]
async fn two_people_see_the_same_messages_in_the_same_order() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    alice.client.connect();
    bob.client.connect();

    for n in 0..10 {
        let speaker = if n % 2 == 0 { &alice } else { &bob };
        speaker.say(&format!("message {n}")).await;
    }

    let seen = alice.read(10).await;
    assert_eq!(seen, bob.read(10).await);
    let mut sorted = seen;
    sorted.sort();
    assert_eq!(sorted, numbered(0..10));
}

#[tokio::test(start_paused = true)]
async fn what_was_typed_offline_arrives_after_connecting_in_order() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    bob.client.connect();
    for content in numbered(0..5) {
        alice.say(&content).await;
    }
    assert_eq!(alice.client.status().pending.len(), 5);

    alice.client.connect();

    assert_eq!(bob.read(5).await, numbered(0..5));
    alice.settle().await;
}

#[tokio::test(start_paused = true)]
async fn a_server_that_is_killed_between_sends_loses_and_repeats_nothing() {
    let world = World::new();
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    alice.client.connect();
    bob.client.connect();

    for life in 0..4 {
        let server = world.serve_chat().await;
        alice.say(&format!("message {}", 2 * life)).await;
        alice.settle().await;
        server.kill().await;
        alice.say(&format!("message {}", 2 * life + 1)).await;
    }
    let _server = world.serve_chat().await;

    alice.settle().await;
    assert_eq!(bob.read_for_a_minute().await, numbered(0..8));
    assert_eq!(alice.read_for_a_minute().await, numbered(0..8));
}

#[tokio::test(start_paused = true)]
async fn what_a_killed_client_had_said_is_sent_by_its_next_life() {
    let world = World::new();
    let mut bob = world.person("bob").await;
    let alice = world.person("alice").await;
    alice.say("message 0").await;
    alice.process.kill().await;
    drop(alice.client);

    let alice = world.person("alice").await;
    alice.say("message 1").await;
    let _server = world.serve_chat().await;
    alice.client.connect();
    bob.client.connect();

    assert_eq!(bob.read(2).await, numbered(0..2));
}

/// Does its work, and from some moment on does not come to say so.
#[derive(Default)]
struct DyingDisk(AtomicBool);

impl Blocking for DyingDisk {
    fn run(&self, job: Box<dyn FnOnce() + Send>) -> BoxFuture<()> {
        let dies = self.0.load(Ordering::Relaxed);
        Box::pin(async move {
            job();
            if dies {
                pending::<()>().await;
            }
        })
    }
}

#[tokio::test(start_paused = true)]
async fn the_user_knows_what_became_of_a_message_before_the_outbox_forgets_it() {
    let world = World::new();
    let _server = world.serve_chat().await;
    for content in ["message 0".to_owned(), "x".repeat(70_000), "x".repeat(2_000_000)] {
        let (disk, mut process) = (Arc::new(DyingDisk::default()), Process::new());
        process.env.blocking = disk.clone();
        let mut alice = world.person_in(process, "alice", ChatOptions::default()).await;
        let said = alice.say(&content).await;
        disk.0.store(true, Ordering::Relaxed);

        alice.client.connect();

        alice
            .until(|event| matches!(event, ChatEvent::Acknowledged { id, .. } | ChatEvent::Failed { id, .. } if *id == said))
            .await;
        alice.process.kill().await;
    }
}

#[tokio::test(start_paused = true)]
async fn who_disconnects_stays_so_and_misses_nothing() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let (mut alice, mut bob) = (world.person("alice").await, world.person("bob").await);
    alice.client.connect();
    bob.client.connect();
    alice.say("message 0").await;
    assert_eq!(bob.read(1).await, numbered(0..1));

    bob.client.disconnect();
    bob.until(|event| matches!(event, ChatEvent::Disconnected(_))).await;
    alice.say("message 1").await;
    alice.settle().await;
    assert_eq!(bob.read_for_a_minute().await, [""; 0]);

    bob.client.connect();
    assert_eq!(bob.read(1).await, ["message 1"]);
    assert_eq!(bob.client.status().shown["general"], Some(LogOffset(2)));
}

#[tokio::test(start_paused = true)]
async fn a_long_history_of_long_messages_arrives_over_one_connection() {
    let world = World::new();
    let mut storage = log_in_memory();
    let long = |n: usize| format!("message {n} {}", "\u{1}x".repeat(15_000));
    let draft =
        |n| Draft { room: "general".to_owned(), id: None, content: long(n), at: SystemTime::UNIX_EPOCH };
    storage.append(&(0..250).map(draft).collect::<Vec<_>>()).unwrap();
    let _server = world.serve_chat_on(storage).await;
    let mut bob = world.person("bob").await;

    bob.client.connect();

    assert_eq!(bob.hear().await, ChatEvent::Connected);
    for n in 0..250 {
        let event = bob.hear().await;
        let ChatEvent::Message(message) = event else { panic!("{event:?}") };
        assert_eq!(message.content, long(n));
    }
}

/// A storage of which some calls fail.
struct Failing {
    storage: SqliteLog,
    /// Whether the next calls fail; after the last, none does.
    appends: VecDeque<bool>,
    reads: VecDeque<bool>,
}

fn fail(plan: &mut VecDeque<bool>) -> Result<(), StoreError> {
    if plan.pop_front() == Some(true) {
        return Err(StoreError::Database("disk is full".to_owned()));
    }
    Ok(())
}

impl MessageLog for Failing {
    fn append(&mut self, batch: &[Draft]) -> Result<Vec<Appended>, StoreError> {
        fail(&mut self.appends)?;
        self.storage.append(batch)
    }

    fn read(&mut self, room: &str, after: LogOffset, limit: usize) -> Result<Vec<Stored>, StoreError> {
        fail(&mut self.reads)?;
        self.storage.read(room, after, limit)
    }

    fn head(&mut self) -> Result<LogOffset, StoreError> {
        self.storage.head()
    }
}

#[tokio::test(start_paused = true)]
async fn a_disk_that_fails_for_a_while_delays_messages_and_loses_none() {
    let world = World::new();
    let mut storage = log_in_memory();
    let old = Draft {
        room: "general".to_owned(),
        id: None,
        content: "message 0".to_owned(),
        at: SystemTime::UNIX_EPOCH,
    };
    storage.append(&[old]).unwrap();
    let failing =
        Failing { storage, appends: [true, true, false, true].into(), reads: [true, true, true].into() };
    let _server = world.serve_chat_on(failing).await;
    let mut alice = world.person("alice").await;
    alice.client.connect();
    for content in numbered(1..4) {
        alice.say(&content).await;
    }

    assert_eq!(alice.read(4).await, numbered(0..4));
    alice.settle().await;
    assert_eq!(alice.read_for_a_minute().await, [""; 0]);
}

#[tokio::test(start_paused = true)]
async fn what_the_server_refuses_is_shown_as_failed_and_holds_nothing_up() {
    let world = World::new();
    let _server = world.serve_chat().await;
    let mut alice = world.person("alice").await;
    let refused = alice.say(&"x".repeat(70_000)).await;
    let never_sent = alice.say(&"x".repeat(2_000_000)).await;
    alice.say("message 0").await;
    alice.client.connect();

    for expected in [refused, never_sent] {
        let is_it = |event: &ChatEvent| matches!(event, ChatEvent::Failed { id, .. } if *id == expected);
        alice.until(is_it).await;
    }
    assert_eq!(alice.read(1).await, numbered(0..1));
    alice.settle().await;
}
