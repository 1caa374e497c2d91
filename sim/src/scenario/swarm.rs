//! A swarm: all that a story leaves open is drawn anew with each seed, what breaks above all.

use serde::Deserialize;

use super::faults::FaultKind;

/// What draws what a scenario does not say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Swarm {
    /// How much breaks.
    pub intensity: Intensity,
    /// What may break; each seed has only some of them, because bugs hide from averages.
    pub kinds: Vec<FaultKind>,
    /// Which parts of the story it draws beside what breaks.
    pub open: Open,
}

/// How much breaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Intensity {
    /// A few kinds of faults, seldom.
    Light,
    /// Some kinds, now and then.
    #[default]
    Moderate,
    /// Most kinds, and one as good as always.
    Heavy,
}

/// Which parts of a story are left to the dice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Open {
    /// The server's options.
    pub server: bool,
    /// Who is there, with which options.
    pub clients: bool,
    /// The network's options.
    pub network: bool,
    /// What users do.
    pub work: bool,
}

impl Default for Swarm {
    /// What `faults: swarm` means where the file says nothing else.
    fn default() -> Self {
        Self {
            intensity: Intensity::default(),
            kinds: FaultKind::ALL.to_vec(),
            open: Open { server: true, clients: true, network: true, work: true },
        }
    }
}
