//! A plan as YAML: printed for people to read, edit and send; read back with errors that point.

use std::path::Path as FilePath;

use serde::de::IgnoredAny;
use serde::ser::{self, Serialize, SerializeSeq, Serializer};

use crate::scenario::yaml::{self, FlowMap, Spanned};
use crate::scenario::{Diagnostics, Findings, text_of};

use super::{Part, Plan, PlanError};

/// The largest file: the most ops, with the most content.
const SIZE: yaml::Size = yaml::Size { bytes: 64 << 20, nodes: 2_000_000 };

impl Plan {
    /// Reads a plan from a file.
    ///
    /// # Errors
    /// When the file cannot be read, is not UTF-8, or [`Plan::from_yaml`] refuses it.
    pub fn load(path: impl AsRef<FilePath>) -> Result<Self, Diagnostics> {
        let path = path.as_ref();
        let file = path.display().to_string();
        let text = text_of(path, &file, SIZE.bytes)?;
        Self::from_yaml(&file, &text)
    }

    /// Reads a plan, and validates it. `file_name` is what errors call it.
    ///
    /// # Errors
    /// The first thing that is wrong with it, with its line and column.
    pub fn from_yaml(file_name: &str, text: &str) -> Result<Self, Diagnostics> {
        let plan: Self = yaml::read(file_name, text, SIZE)?;
        match plan.validate() {
            Ok(()) => Ok(plan),
            Err(error) => Err(locate(file_name, text, &error)),
        }
    }

    /// Prints the plan: an op and a fault a line. [`Plan::from_yaml`] reads the same plan from it.
    pub fn to_yaml(&self) -> String {
        yaml::print(self)
    }
}

/// Prints each item as a mapping on a line of its own.
pub(super) fn one_a_line<T: Serialize, S: Serializer>(items: &[T], serializer: S) -> Result<S::Ok, S::Error> {
    let mut list = serializer.serialize_seq(Some(items.len()))?;
    for item in items {
        // Within a line the YAML library forgets the braces around an enum's content; a plain mapping has them.
        let mapping = serde_json::to_value(item).map_err(ser::Error::custom)?;
        list.serialize_element(&FlowMap(mapping))?;
    }
    list.end()
}

/// Where the ops and faults of a plan stand in its text.
#[derive(serde::Deserialize)]
struct Places {
    ops: Vec<Spanned<IgnoredAny>>,
    faults: Vec<Spanned<IgnoredAny>>,
}

fn locate(file_name: &str, text: &str, error: &PlanError) -> Diagnostics {
    let places = yaml::read::<Places>(file_name, text, SIZE).ok();
    let place = places.as_ref().and_then(|places| match error.part {
        Part::Op(op) => places.ops.get(op),
        Part::Fault(fault) => places.faults.get(fault),
        Part::Plan => None,
    });
    let bytes = place.map_or(0..0, |place| yaml::bytes_of(text, place));
    let mut findings = Findings::new(file_name, text);
    findings.add(bytes, &error.says);
    findings.finish().expect_err("a finding was just added")
}
