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
    lasting: BTreeMap<usize, Trouble>,
    touched: BTreeMap<usize, u64>,
}

impl Faults {
    pub(super) fn at(&mut self, operation: u64, trouble: Trouble) {
        self.once.insert(operation, trouble);
    }

    pub(super) fn begin(&mut self, fault: usize, trouble: Trouble) {
        self.lasting.insert(fault, trouble);
        self.touched.entry(fault).or_default();
    }

    pub(super) fn end(&mut self, fault: usize) {
        self.lasting.remove(&fault);
    }

    pub(super) fn touched(&self) -> Vec<(usize, u64)> {
        self.touched.iter().map(|(fault, times)| (*fault, *times)).collect()
    }

    /// What becomes of the operation of that number: it fails, or takes longer by each of these.
    pub(super) fn judge(&mut self, operation: u64, work: Work) -> Result<Vec<SpanRange>, Failure> {
        let mut slower = Vec::new();
        if let Some(trouble) = self.once.get(&operation)
            && work != Work::Read
        {
            slower.extend(trouble.befall(work)?);
        }
        for (fault, trouble) in &self.lasting {
            let befallen = trouble.befall(work);
            if befallen != Ok(None) {
                *self.touched.entry(*fault).or_default() += 1;
            }
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
