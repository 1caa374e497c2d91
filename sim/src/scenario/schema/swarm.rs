//! What a scenario file says of all that breaks: a list of faults, or a swarm that draws them.

use std::fmt;

use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{Deserialize, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::FaultText;
use crate::scenario::swarm::Intensity;
use crate::scenario::yaml::Spanned;

/// `[…]`, `swarm`, or `{ swarm: { … } }`.
pub(in crate::scenario) enum FaultsText {
    Steps(Vec<Spanned<FaultText>>),
    Swarm(SwarmText),
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(in crate::scenario) struct SwarmText {
    pub(in crate::scenario) intensity: Option<Intensity>,
    pub(in crate::scenario) kinds: Option<Spanned<Vec<Spanned<String>>>>,
}

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
struct LongText {
    swarm: SwarmText,
}

impl Default for FaultsText {
    /// Nothing breaks.
    fn default() -> Self {
        Self::Steps(Vec::new())
    }
}

impl<'de> Deserialize<'de> for FaultsText {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct StepsOrSwarm;

        impl<'de> Visitor<'de> for StepsOrSwarm {
            type Value = FaultsText;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of faults, or `swarm`")
            }

            fn visit_str<E: Error>(self, word: &str) -> Result<FaultsText, E> {
                match word {
                    "swarm" => Ok(FaultsText::Swarm(SwarmText::default())),
                    _ => Err(E::unknown_variant(word, &["swarm"])),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, steps: A) -> Result<FaultsText, A::Error> {
                Vec::deserialize(SeqAccessDeserializer::new(steps)).map(FaultsText::Steps)
            }

            fn visit_map<A: MapAccess<'de>>(self, mapping: A) -> Result<FaultsText, A::Error> {
                let long = LongText::deserialize(MapAccessDeserializer::new(mapping))?;
                Ok(FaultsText::Swarm(long.swarm))
            }
        }

        deserializer.deserialize_any(StepsOrSwarm)
    }
}
