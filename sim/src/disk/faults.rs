//! Operations that fail, or take long.

use std::collections::BTreeMap;

use super::storage::Failure;
use crate::units::SpanRange;

/// What a disk can suffer from.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Trouble {
    /// There is no space left: files cannot be made and do not grow (`ENOSPC`).
    Full,
    /// Nothing can be read or written (`EIO`).
    Error,
    /// Each sync takes longer, by a time that is drawn for it.
    Slow(SpanRange),
}

/// What an operation does to a disk.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Work {
    Read,
    /// Needs space that the file does not have yet.
    Grow,
    /// Does not.
    Change,
    Sync,
}

/// Which operations are in trouble.
#[derive(Default)]
pub(super) struct Faults {
    once: BTreeMap<u64, Trouble>,
    /// And how many operations each has touched.
    lasting: BTreeMap<usize, (Trouble, u64)>,
}

impl Faults {
    pub(super) fn at(&mut self, operation: u64, trouble: Trouble) {
        self.once.insert(operation, trouble);
    }

    pub(super) fn begin(&mut self, fault: usize, trouble: Trouble) {
        self.lasting.insert(fault, (trouble, 0));
    }

    /// Says how many operations it has touched.
    pub(super) fn end(&mut self, fault: usize) -> u64 {
        self.lasting.remove(&fault).map_or(0, |(_, touched)| touched)
    }

    /// What becomes of the operation of that number: it fails, or takes longer by each of these.
    pub(super) fn judge(&mut self, operation: u64, work: Work) -> Result<Vec<SpanRange>, Failure> {
        let mut slower = Vec::new();
        if let Some(trouble) = self.once.get(&operation)
            && work != Work::Read
        {
            slower.extend(trouble.befall(work)?);
        }
        for (trouble, touched) in self.lasting.values_mut() {
            let befallen = trouble.befall(work);
            *touched += u64::from(befallen != Ok(None));
            slower.extend(befallen?);
        }
        Ok(slower)
    }
}

impl Trouble {
    fn befall(self, work: Work) -> Result<Option<SpanRange>, Failure> {
        match (self, work) {
            (Self::Full, Work::Grow) => Err(Failure::Full),
            (Self::Error, _) => Err(Failure::Error),
            (Self::Slow(by), Work::Sync) => Ok(Some(by)),
            (Self::Full | Self::Slow(_), Work::Read | Work::Grow | Work::Change | Work::Sync) => Ok(None),
        }
    }
}
