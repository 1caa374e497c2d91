//! Randomness from outside, and the ids made of it.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE;
use bytestring::ByteString;

/// A source of random bytes: the operating system in production, keyed draws in the simulation.
pub trait Entropy: Send + Sync {
    /// Fills `bytes`.
    fn fill(&self, bytes: &mut [u8]);
}

/// The id of an engine session or of a socket: 20 characters of url-safe base64, as the reference implementation makes
/// them. Who knows it can speak for its owner, so it is not guessable.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Sid(ByteString);

impl Sid {
    /// A fresh id: 11 random bytes, then `serial`, which must differ for each id of one server.
    pub fn generate(entropy: &dyn Entropy, serial: u32) -> Self {
        let mut bytes = [0_u8; 15];
        entropy.fill(&mut bytes[..11]);
        bytes[11..].copy_from_slice(&serial.to_be_bytes());
        Self(URL_SAFE.encode(bytes).into())
    }

    /// The id that a peer gave.
    pub fn from_peer(id: impl Into<ByteString>) -> Self {
        Self(id.into())
    }

    /// The id as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Sid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sid({})", self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The worst source there is.
    struct Zero;

    impl Entropy for Zero {
        fn fill(&self, bytes: &mut [u8]) {
            bytes.fill(0);
        }
    }

    #[test]
    fn an_id_is_twenty_url_safe_characters() {
        let id = Sid::generate(&Zero, u32::MAX);

        assert_eq!(id.as_str(), "AAAAAAAAAAAAAAD_____");
    }

    #[test]
    fn ids_of_one_server_differ_even_where_entropy_repeats() {
        assert_ne!(Sid::generate(&Zero, 1), Sid::generate(&Zero, 2));
    }
}
