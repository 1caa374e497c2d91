//! What a parent and its workers say to each other: a line of JSON each. Both are always the same program.

use std::collections::BTreeSet;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::hunt::Tried;
use crate::plan::Backend;
use crate::subject::Subject;

/// What a parent tells a worker.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Order {
    /// Of what the seeds are that come next.
    Source(Source),
    /// To try seeds, in order.
    Seeds {
        /// The first.
        first: u64,
        /// The one after the last.
        end: u64,
        /// Which of them to run twice.
        twice: BTreeSet<u64>,
    },
}

/// A file as its parent read it: it may have changed since.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Source {
    path: PathBuf,
    text: String,
    backend: Option<Backend>,
}

impl Source {
    pub(super) fn of(subject: &Subject) -> Self {
        Self { path: subject.path.clone(), text: subject.text.clone(), backend: subject.backend }
    }

    /// # Errors
    /// What is wrong with the text.
    pub(super) fn subject(self) -> Result<Subject, String> {
        Ok(Subject::read(self.path, self.text, false)?.on(self.backend))
    }
}

/// What a worker tells its parent.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Says {
    /// Virtual time has moved since it last said something.
    Moved,
    /// A seed was tried: the next of those it was given.
    Tried(Box<Tried>),
}
