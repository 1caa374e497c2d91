//! Seeds tried in worker processes, which may die, loop for ever or be killed without taking the hunt with them.
//!
//! In: scenarios and seeds. Out: each seed once, tried or lost, in any order. The parent gives a worker a few seeds at a
//! time and hears of each as it ends; so it knows on which seed a worker died or stands still, names it, starts another
//! worker and goes on with the rest. A worker whose virtual time stands still for as long as it may is killed.
//!
//! | module | is |
//! |---|---|
//! | `wire` | what parent and worker say to each other: a line of JSON each |
//! | `serve` | the worker |
//! | `worker` | one worker, as its parent has it |

mod serve;
mod wire;
mod worker;

use std::collections::{BTreeMap, VecDeque};
use std::ops::Range;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::Builder;
use std::time::Duration;

use super::{Fate, LOOKS};
use crate::subject::Subject;
pub use serve::serve;
use wire::{Says, Source};
use worker::Worker;

/// How many seeds a worker is given at most at a time: few enough that no worker waits long for another at the end.
const BATCH_MAX: u64 = 16;

/// Into how many batches each worker's part is split at least, for the same reason.
const BATCHES: u64 = 4;

/// Worker processes and their parent. They are killed when this is dropped, and end by themselves when their parent dies.
pub struct Workers {
    command: Box<dyn Fn() -> Command>,
    jobs: usize,
    patience: Duration,
    /// Which seeds are run twice: the first of a hunt, and each so-manieth after it.
    twice_each: u64,
    /// By the order in which they were started.
    workers: BTreeMap<u64, Worker>,
    started: u64,
    /// Which scenario is run, counted from the first.
    sources: u64,
    events: Receiver<Event>,
    interrupter: Interrupter,
}

/// Something that a parent has to deal with.
enum Event {
    /// A worker says something.
    Said(u64, Says),
    /// A worker closed its output: it is dead or dying.
    Ended(u64),
    /// It is time to look who stands still.
    Look,
    /// Someone wants it all to end.
    Interrupted,
}

/// Why a hunt ended before its last seed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Stop {
    /// Someone wanted it to.
    Interrupted,
    /// No worker could be started, and why.
    Failed(String),
}

impl Workers {
    /// At most `jobs` workers, each the process that `command` starts and in which [`serve`] runs. Each may stand still
    /// for `patience`.
    ///
    /// # Errors
    /// When there cannot be another thread.
    pub fn new(
        jobs: usize,
        patience: Duration,
        command: impl Fn() -> Command + 'static,
    ) -> std::io::Result<Self> {
        let (sender, events) = channel();
        let look = sender.clone();
        Builder::new().name("looks".to_owned()).spawn(move || {
            // Until no one is left to look.
            while look.send(Event::Look).is_ok() {
                std::thread::park_timeout(patience / LOOKS);
            }
        })?;
        Ok(Self {
            command: Box::new(command),
            jobs: jobs.max(1),
            patience,
            twice_each: u64::MAX,
            workers: BTreeMap::new(),
            started: 0,
            sources: 0,
            events,
            interrupter: Interrupter { hunting: Arc::default(), events: sender },
        })
    }

    /// Has each so-manieth seed of a hunt run twice, the first of them among them, and not the first alone.
    pub fn twice_each(mut self, seeds: u64) -> Self {
        self.twice_each = seeds.max(1);
        self
    }

    /// To end a hunt with, from another thread.
    pub fn interrupter(&self) -> Interrupter {
        self.interrupter.clone()
    }

    /// Tries seeds of a file, and says what became of each as soon as it is known. The first is run twice, and more where
    /// [`Self::twice_each`] says so.
    ///
    /// # Errors
    /// When it ended before the last seed.
    pub fn hunt(
        &mut self,
        subject: &Subject,
        seeds: Range<u64>,
        told: &mut dyn FnMut(Fate),
    ) -> Result<(), Stop> {
        self.sources += 1;
        self.forget_the_time_between();
        self.interrupter.hunting.store(true, Ordering::SeqCst);
        let mut hunt = Hunt {
            source: Source::of(subject),
            waiting: self.split(seeds.clone()),
            first: seeds.start,
            twice_each: self.twice_each,
        };
        let ended = self.work(&mut hunt, told);
        self.interrupter.hunting.store(false, Ordering::SeqCst);
        if ended.is_err() {
            self.workers.clear();
        }
        ended
    }

    /// What came while there was nothing to do is no word on what is done now.
    fn forget_the_time_between(&mut self) {
        while let Ok(event) = self.events.try_recv() {
            match event {
                Event::Ended(number) => drop(self.workers.remove(&number)),
                Event::Said(..) | Event::Look | Event::Interrupted => {}
            }
        }
    }

    fn split(&self, seeds: Range<u64>) -> VecDeque<Range<u64>> {
        let parts = BATCHES * u64::try_from(self.jobs).unwrap_or(u64::MAX);
        let size = (seeds.end.saturating_sub(seeds.start) / parts).clamp(1, BATCH_MAX);
        let step = usize::try_from(size).unwrap_or(usize::MAX);
        seeds.clone().step_by(step).map(|first| first..first.saturating_add(size).min(seeds.end)).collect()
    }

    fn work(&mut self, hunt: &mut Hunt, told: &mut dyn FnMut(Fate)) -> Result<(), Stop> {
        loop {
            self.hand_out(hunt)?;
            if self.workers.values().all(Worker::is_idle) {
                return Ok(());
            }
            let event = self.events.recv().map_err(|_| Stop::Failed("no one is left to tell".to_owned()))?;
            match event {
                Event::Said(number, says) => {
                    if let Some(worker) = self.workers.get_mut(&number)
                        && let Some(tried) = worker.said(says)
                    {
                        told(Fate::Tried(tried));
                    }
                }
                Event::Ended(number) => self.bury(number, hunt, told),
                Event::Look => self.workers.values_mut().for_each(|worker| worker.look(LOOKS, self.patience)),
                Event::Interrupted => return Err(Stop::Interrupted),
            }
        }
    }

    /// Every worker that has nothing to do gets something, while there is something.
    fn hand_out(&mut self, hunt: &mut Hunt) -> Result<(), Stop> {
        while !hunt.waiting.is_empty() {
            if self.workers.values().all(|worker| !worker.is_idle()) {
                if self.workers.len() == self.jobs {
                    return Ok(());
                }
                self.start()?;
            }
            let idle = self.workers.values_mut().find(|worker| worker.is_idle());
            if let Some(worker) = idle
                && let Some(batch) = hunt.waiting.pop_front()
            {
                let twice = batch.clone().filter(|seed| hunt.runs_twice(*seed)).collect();
                worker.give(self.sources, &hunt.source, batch, twice);
            }
        }
        Ok(())
    }

    fn start(&mut self) -> Result<(), Stop> {
        self.started += 1;
        let number = self.started;
        let events = self.interrupter.events.clone();
        let worker = Worker::start((self.command)(), move |said| {
            let event = said.map_or(Event::Ended(number), |says| Event::Said(number, says));
            events.send(event).is_ok()
        });
        let worker = worker.map_err(|error| Stop::Failed(format!("failed to start a worker: {error}")))?;
        self.workers.insert(number, worker);
        Ok(())
    }

    /// A worker is dead. It died of the seed that it was at; the others it had go to another.
    fn bury(&mut self, number: u64, hunt: &mut Hunt, told: &mut dyn FnMut(Fate)) {
        let Some(mut worker) = self.workers.remove(&number) else { return };
        let mut left = worker.left.clone();
        if let Some(seed) = left.next() {
            told(Fate::Lost(seed, worker.post_mortem()));
        }
        if !left.is_empty() {
            hunt.waiting.push_front(left);
        }
    }
}

/// What is still to be done of one file.
struct Hunt {
    source: Source,
    waiting: VecDeque<Range<u64>>,
    /// Its first seed.
    first: u64,
    twice_each: u64,
}

impl Hunt {
    fn runs_twice(&self, seed: u64) -> bool {
        (seed - self.first).is_multiple_of(self.twice_each)
    }
}

/// Ends a hunt from another thread.
#[derive(Clone)]
pub struct Interrupter {
    hunting: Arc<AtomicBool>,
    events: Sender<Event>,
}

impl Interrupter {
    /// Ends the hunt that goes on, and says whether one does. A second time it says no: the first was in vain.
    pub fn interrupt(&self) -> bool {
        self.hunting.swap(false, Ordering::SeqCst) && self.events.send(Event::Interrupted).is_ok()
    }
}
