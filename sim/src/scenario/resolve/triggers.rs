//! When a fault begins.

use crate::scenario::limits::{CONTENT_BYTES_TOTAL_MAX, DISK_OPERATIONS_MAX, STEPS_MAX};
use crate::scenario::schema::{EventTriggerText, TriggerText};
use crate::scenario::trigger::{ByteTrigger, DiskOpTrigger, EventTrigger, Trigger};
use crate::scenario::yaml::Spanned;
use crate::units::SpanRange;

use super::Resolver;

impl Resolver<'_> {
    pub(super) fn trigger(&mut self, written: &Spanned<TriggerText>) -> Option<Trigger> {
        match &written.value {
            TriggerText::Time(time) => self.range_at(written, time).map(Trigger::Time),
            TriggerText::Event(event) => self.happening(event).map(Trigger::Event),
        }
    }

    fn happening(&mut self, written: &EventTriggerText) -> Option<EventTrigger> {
        match written {
            EventTriggerText::Step(step) => {
                let label = format!("0 to {STEPS_MAX}");
                self.numbers(step, 0..=STEPS_MAX, "no history is so long", &label).map(EventTrigger::Step)
            }
            EventTriggerText::DiskOp(operation) => {
                let label = format!("1 to {DISK_OPERATIONS_MAX}");
                let nth = self.numbers(
                    &operation.nth,
                    1..=DISK_OPERATIONS_MAX,
                    "no run has such a disk operation",
                    &label,
                );
                let of = self.a_machine(&operation.of);
                let since = self.range_or(operation.since.as_ref(), SpanRange::default());
                Some(EventTrigger::DiskOp(DiskOpTrigger { of: of?, nth: nth?, since: since? }))
            }
            EventTriggerText::Byte(written) => {
                let byte = &written.value;
                let label = format!("1 to {CONTENT_BYTES_TOTAL_MAX}");
                let nth = self.numbers(
                    &byte.nth,
                    1..=CONTENT_BYTES_TOTAL_MAX,
                    "no connection has such a byte",
                    &label,
                );
                let path = self.path_of(written, "byte", byte.way());
                let since = self.range_or(byte.since.as_ref(), SpanRange::default());
                Some(EventTrigger::Byte(ByteTrigger { path: path?, nth: nth?, since: since? }))
            }
        }
    }
}
