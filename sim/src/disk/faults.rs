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
    lasting: BTreeMap<usize, Lasting>,
}

/// Trouble until it ends.
struct Lasting {
    trouble: Trouble,
    /// How many operations it has touched.
    touched: u64,
    /// Told of each, within it.
    hears: Hears,
}

/// Who hears that an operation is touched. The disk is in use meanwhile.
pub(super) type Hears = Box<dyn FnMut() + Send>;

impl Faults {
    pub(super) fn at(&mut self, operation: u64, trouble: Trouble) {
        self.once.insert(operation, trouble);
    }

    pub(super) fn begin(&mut self, fault: usize, trouble: Trouble, hears: Hears) {
        self.lasting.insert(fault, Lasting { trouble, touched: 0, hears });
    }

    /// Says how many operations it has touched.
    pub(super) fn end(&mut self, fault: usize) -> u64 {
        self.lasting.remove(&fault).map_or(0, |lasting| lasting.touched)
    }

    /// What becomes of the operation of that number: it fails, or takes longer by each of these.
    pub(super) fn judge(&mut self, operation: u64, work: Work) -> Result<Vec<SpanRange>, Failure> {
        let mut slower = Vec::new();
        if let Some(trouble) = self.once.get(&operation)
            && work != Work::Read
        {
            slower.extend(trouble.befall(work)?);
        }
        for lasting in self.lasting.values_mut() {
            let befallen = lasting.trouble.befall(work);
            if befallen != Ok(None) {
                lasting.touched += 1;
                (lasting.hears)();
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
