//! What the code under test says through `tracing`: marks it has reached, always; lines of a log, when asked for.
//!
//! A mark is an event with a field `reached`, such as `trace!(reached = "catch_up.replayed")`. Only places in the code that
//! have that field cost anything.

use std::collections::BTreeMap;
use std::fmt;
use std::io::{self, Write};
use std::sync::{Arc, Mutex, PoisonError};

use tracing::field::{Field, Visit};
use tracing::subscriber::DefaultGuard;
use tracing::{Event, Subscriber};
use tracing_subscriber::filter::{LevelFilter, filter_fn};
use tracing_subscriber::fmt::format::Writer;
use tracing_subscriber::fmt::time::FormatTime;
use tracing_subscriber::layer::{Context, SubscriberExt};
use tracing_subscriber::{EnvFilter, Layer, Registry};

use super::{LogLine, RunOptions, moment};
use crate::history::Recorder;

/// Listens to this thread until it is dropped.
pub(super) struct Listening {
    reached: Arc<Mutex<BTreeMap<String, u64>>>,
    lines: Arc<Mutex<Vec<LogLine>>>,
    _guard: DefaultGuard,
}

impl Listening {
    /// # Errors
    /// When the directives of the log are none.
    pub(super) fn start(options: &RunOptions, recorder: &Recorder) -> Result<Self, String> {
        let reached: Arc<Mutex<BTreeMap<String, u64>>> = Arc::default();
        let lines: Arc<Mutex<Vec<LogLine>>> = Arc::default();
        let marks = Marks(Arc::clone(&reached))
            .with_filter(filter_fn(|metadata| metadata.fields().field(REACHED).is_some()));
        let registry = Registry::default().with(marks);
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

    /// Every mark that was reached, and how often.
    pub(super) fn reached(&self) -> BTreeMap<String, u64> {
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

const REACHED: &str = "reached";

struct Marks(Arc<Mutex<BTreeMap<String, u64>>>);

impl<S: Subscriber> Layer<S> for Marks {
    fn on_event(&self, event: &Event<'_>, _context: Context<'_, S>) {
        event.record(&mut Mark(&self.0));
    }
}

struct Mark<'a>(&'a Mutex<BTreeMap<String, u64>>);

impl Mark<'_> {
    fn reach(&self, field: &Field, mark: &str) {
        if field.name() == REACHED {
            let mut reached = self.0.lock().expect("no one panics while holding it");
            match reached.get_mut(mark) {
                Some(times) => *times += 1,
                None => drop(reached.insert(mark.to_owned(), 1)),
            }
        }
    }
}

impl Visit for Mark<'_> {
    fn record_str(&mut self, field: &Field, value: &str) {
        self.reach(field, value);
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        self.reach(field, &format!("{value:?}"));
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
