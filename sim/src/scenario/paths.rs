//! Where a fault of the network is: a link, one way of it or both, all of its connections or one.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::terms::Name;

/// Two processes, unordered.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Pair {
    /// The two.
    pub between: [Name; 2],
}

/// The connections between two processes: all of them, or one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Connections {
    /// The two.
    pub between: [Name; 2],
    /// Which one; all of them where nothing is said.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub connection: Option<Which>,
}

impl fmt::Display for Connections {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [a, b] = &self.between;
        write!(f, "{a} -- {b}")?;
        self.connection.map_or(Ok(()), |which| write!(f, " {which}"))
    }
}

/// Which of the connections between two processes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Which {
    /// The last one that was made, of those that there are as the fault begins.
    Current,
    /// The so manieth one that the client asked for in the run, counted from one.
    Nth(u32),
}

impl fmt::Display for Which {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Current => f.write_str("(current)"),
            Self::Nth(nth) => write!(f, "#{nth}"),
        }
    }
}

/// A link, or one connection of it, one way or both.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "PathText", into = "PathText")]
pub struct Path {
    /// Which ways of the link.
    pub ways: Ways,
    /// Of which connection; of all where nothing is said.
    pub connection: Option<Which>,
}

/// One way of a link, or both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ways {
    /// Both ways: `{ between: [alice, server] }`.
    Between([Name; 2]),
    /// From the first to the second: `{ from: alice, to: server }`.
    OneWay([Name; 2]),
}

impl Path {
    /// Both ways, all connections.
    pub fn between(ends: [Name; 2]) -> Self {
        Self { ways: Ways::Between(ends), connection: None }
    }

    /// From the first to the second, all connections.
    pub fn one_way(ends: [Name; 2]) -> Self {
        Self { ways: Ways::OneWay(ends), connection: None }
    }

    /// The processes at its ends.
    pub fn ends(&self) -> &[Name; 2] {
        match &self.ways {
            Ways::Between(ends) | Ways::OneWay(ends) => ends,
        }
    }
}

impl fmt::Display for Path {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.ways {
            Ways::Between([a, b]) => write!(f, "{a} -- {b}")?,
            Ways::OneWay([from, to]) => write!(f, "{from} -> {to}")?,
        }
        self.connection.map_or(Ok(()), |which| write!(f, " {which}"))
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct PathText {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    between: Option<[Name; 2]>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    from: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    to: Option<Name>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    connection: Option<Which>,
}

impl TryFrom<PathText> for Path {
    type Error = &'static str;

    fn try_from(text: PathText) -> Result<Self, Self::Error> {
        let ways = match (text.between, text.from, text.to) {
            (Some(ends), None, None) => Ways::Between(ends),
            (None, Some(from), Some(to)) => Ways::OneWay([from, to]),
            _ => return Err(PATH_FORMS),
        };
        Ok(Self { ways, connection: text.connection })
    }
}

impl From<Path> for PathText {
    fn from(Path { ways, connection }: Path) -> Self {
        match ways {
            Ways::Between(ends) => Self { between: Some(ends), from: None, to: None, connection },
            Ways::OneWay([from, to]) => Self { between: None, from: Some(from), to: Some(to), connection },
        }
    }
}

/// What a fault of a link must say.
pub(super) const PATH_FORMS: &str =
    "a link is either `between` two processes, for both ways, or `from` one `to` the other, for one way";
