//! What a scenario file says, before anyone asks what it means.
//!
//! Unknown keys are errors everywhere. Enums are externally tagged (`do: { say: … }`), because only these let an error
//! point at the token. Times stay text here, so that all wrong ones can be told at once.

mod faults;
mod swarm;
mod work;

use std::fmt;
use std::marker::PhantomData;

use serde::de::{Deserialize, Deserializer, MapAccess, Visitor};

use super::client::Guarantee;
use super::yaml::Spanned;

pub(super) use faults::{
    EndsText, EventTriggerText, FaultActText, FaultText, TriggerText, WayText, WhichText,
};
pub(super) use swarm::{FaultsText, SwarmText};
pub(super) use work::{BroadcastText, ClientText, EmitText, JoinText, SayText, StepActText, StepText, Who};

/// A time, or a range of times, as it stands in the file.
pub(super) type TimeText = Spanned<String>;

#[derive(serde::Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct ScenarioText {
    pub(super) name: Spanned<String>,
    pub(super) about: Spanned<String>,
    pub(super) guarantee: Spanned<Guarantee>,
    #[serde(default)]
    pub(super) server: Option<ServerText>,
    #[serde(default)]
    pub(super) clients: Option<Spanned<Entries<ClientText>>>,
    #[serde(default)]
    pub(super) network: Option<NetworkText>,
    #[serde(default)]
    pub(super) work: Option<Spanned<Vec<Spanned<StepText>>>>,
    #[serde(default)]
    pub(super) faults: FaultsText,
    #[serde(default)]
    pub(super) core: Option<Spanned<Who>>,
    #[serde(default)]
    pub(super) settle: Option<TimeText>,
    #[serde(default)]
    pub(super) expect: ExpectText,
    #[serde(default)]
    pub(super) seeds: Option<Spanned<u32>>,
}

impl ScenarioText {
    /// What is written of each client; nothing where a swarm draws them.
    pub(super) fn clients(&self) -> &[(Spanned<String>, ClientText)] {
        self.clients.as_ref().map_or(&[], |clients| &clients.value.0)
    }

    /// What is written of the work; nothing where a swarm draws it.
    pub(super) fn work(&self) -> &[Spanned<StepText>] {
        self.work.as_ref().map_or(&[], |work| &work.value)
    }

    /// What is written of each fault; nothing where a swarm draws them.
    pub(super) fn faults(&self) -> &[Spanned<FaultText>] {
        match &self.faults {
            FaultsText::Steps(steps) => steps,
            FaultsText::Swarm(_) => &[],
        }
    }

    /// What draws what is not written, if anything does.
    pub(super) fn swarm(&self) -> Option<&SwarmText> {
        match &self.faults {
            FaultsText::Steps(_) => None,
            FaultsText::Swarm(swarm) => Some(swarm),
        }
    }
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ServerText {
    pub(super) ping_interval: Option<TimeText>,
    pub(super) ping_timeout: Option<TimeText>,
    pub(super) fsync: Option<TimeText>,
    pub(super) recovery: Option<TimeText>,
    pub(super) store_sessions: Option<Spanned<bool>>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct NetworkText {
    pub(super) latency: Option<TimeText>,
}

#[derive(Default, serde::Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct ExpectText {
    pub(super) broken: Option<Spanned<String>>,
    pub(super) counted: Entries<Spanned<String>>,
    pub(super) reached: Vec<Spanned<String>>,
}

/// A mapping whose keys are names, each with its place in the file.
pub(super) struct Entries<T>(pub(super) Vec<(Spanned<String>, T)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ByName<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for ByName<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping from names to options")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut mapping: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = mapping.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(ByName(PhantomData))
    }
}
