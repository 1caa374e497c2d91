//! What the code under test says through `tracing`: the places it has reached, always; lines of a log, when asked for.
//!
//! A place is an event of [`squall::reached`], and its name is the event's. Nothing is formatted, and no other event costs
//! anything.

use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use squall::reached::TARGET;
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::{LogLine, RunOptions, moment};
use crate::history::Recorder;
use crate::reach::{Reached, Trail};

/// Listens to this thread until it is dropped.
pub(super) struct Listening {
    reached: Arc<Mutex<Reached>>,
    lines: Arc<Mutex<Vec<LogLine>>>,
    _guard: DefaultGuard,
}

impl Listening {
    /// # Errors
    /// When the directives of the log are none.
    pub(super) fn start(options: &RunOptions, recorder: &Recorder, trail: &Trail) -> Result<Self, String> {
        let reached: Arc<Mutex<Reached>> = Arc::default();
        let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let places = Places { reached: Arc::clone(&reached), trail: trail.clone() };
        let registry =
            Registry::default().with(places.with_filter(filter_fn(|metadata| metadata.target() == TARGET)));
        // Not an optional layer: one that is absent would enable every span and event there is.
        let guard = match &options.log {
            None => tracing::subscriber::set_default(registry),
            Some(directives) => {
                let (kept, recorder) = (Arc::clone(&lines), recorder.clone());
                let layer = tracing_subscriber::fmt::layer()
                    .with_timer(Stamp)
                    .with_ansi(false)
                    .with_writer(move || Lines { kept: Arc::clone(&kept), recorder: recorder.clone() })
                    .with_filter(filter(directives)?);
                tracing::subscriber::set_default(registry.with(layer))
            }
        };
        Ok(Self { reached, lines, _guard: guard })
    }

    /// Every line that was logged; later ones go nowhere.
    pub(super) fn lines(&self) -> Vec<LogLine> {
        std::mem::take(&mut self.lines.lock().expect("no one panics while holding it"))
    }

    /// Every place that was reached, and how often.
    pub(super) fn reached(&self) -> Reached {
        self.reached.lock().expect("no one panics while holding it").clone()
    }
}

/// What a log shows: directives as `RUST_LOG` has them; a level alone is that of the program under test, not of what
/// carries its bytes.
///
/// # Errors
/// When these are no directives.
pub(super) fn filter(directives: &str) -> Result<EnvFilter, String> {
    let directives = match directives.parse::<LevelFilter>() {
        Ok(level) => format!("off,squall={level}"),
        Err(_) => directives.to_owned(),
    };
    EnvFilter::try_new(&directives).map_err(|error| format!("{directives:?} says not what to log: {error}"))
}

/// Counts the places that are reached, and leaves a trail.
struct Places {
    reached: Arc<Mutex<Reached>>,
    trail: Trail,
}

impl<S: Subscriber> Layer<S> for Places {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        let place = event.metadata().name();
        self.reached.lock().expect("no one panics while holding it").count(place);
        if let Some(label) = moment::label()
            && let Some((process, life)) = moment::who(&label)
        {
            self.trail.reached(moment::now(), process, life, place);
        }
    }
}

/// `[12.340s alice#1]`
struct Stamp;

impl FormatTime for Stamp {
    fn format_time(&self, writer: &mut Writer<'_>) -> fmt::Result {
        let now = moment::now();
        let label = moment::label();
        let who = label.as_deref().unwrap_or("world");
        write!(writer, "[{}.{:03}s {who}]", now.as_secs(), now.subsec_millis())
    }
}

/// Keeps lines, each with its place among the records.
struct Lines {
    kept: Arc<Mutex<Vec<LogLine>>>,
    recorder: Recorder,
}

impl Write for Lines {
    /// The layer writes one event at a time, whole.
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let before = self.recorder.written();
        let text = String::from_utf8_lossy(bytes).trim_end().to_owned();
        self.kept.lock().unwrap_or_else(PoisonError::into_inner).push(LogLine { before, text });
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}
