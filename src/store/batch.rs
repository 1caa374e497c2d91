//! One batch of requests: what is done to the storage in one go, inside a blocking job.

use std::sync::Arc;

use tokio::sync::oneshot;

use super::{Appended, Draft, LogOffset, MessageLog, StoreError, Stored};

pub(super) type Page = Vec<Arc<Stored>>;

pub(super) type Answer<T> = oneshot::Sender<Result<T, StoreError>>;

pub(super) enum Request {
    Append { draft: Draft, answer: Answer<Appended> },
    Read { room: String, after: LogOffset, limit: usize, answer: Answer<Page> },
}

/// What is done in one go: all appends in one transaction, then the reads.
pub(super) struct Batch {
    drafts: Vec<Draft>,
    append_answers: Vec<Answer<Appended>>,
    reads: Vec<Read>,
}

struct Read {
    room: String,
    after: LogOffset,
    limit: usize,
    answer: Answer<Page>,
}

/// A batch that was tried.
pub(super) struct Done {
    pub(super) drafts: Vec<Draft>,
    pub(super) append_answers: Vec<Answer<Appended>>,
    pub(super) appended: Result<Vec<Appended>, StoreError>,
    pub(super) pages: Vec<(Answer<Page>, Result<Page, StoreError>)>,
}

impl Batch {
    pub(super) fn new(requests: Vec<Request>) -> Self {
        let mut batch = Self { drafts: Vec::new(), append_answers: Vec::new(), reads: Vec::new() };
        for request in requests {
            match request {
                Request::Append { draft, answer } => {
                    batch.drafts.push(draft);
                    batch.append_answers.push(answer);
                }
                Request::Read { room, after, limit, answer } => {
                    batch.reads.push(Read { room, after, limit, answer });
                }
            }
        }
        batch
    }

    pub(super) fn run(self, storage: &mut impl MessageLog) -> Done {
        let Self { drafts, append_answers, reads } = self;
        let appended = if drafts.is_empty() { Ok(Vec::new()) } else { storage.append(&drafts) };
        let pages = reads
            .into_iter()
            .map(|Read { room, after, limit, answer }| {
                let page = storage.read(&room, after, limit);
                (answer, page.map(|page| page.into_iter().map(Arc::new).collect()))
            })
            .collect();
        Done { drafts, append_answers, appended, pages }
    }
}
