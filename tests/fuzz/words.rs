//! Raw bytes read as choices, and as texts that a parser does not refuse at once: words of the protocols, in any order.

use bytes::Bytes;

/// What the decoders look for; between them, any character.
const WORDS: [&str; 44] = [
    "0",
    "1",
    "2",
    "3",
    "4",
    "5",
    "6",
    "9",
    "40",
    "41",
    "42",
    "43",
    "44",
    "45",
    "46",
    "2probe",
    "3probe",
    "421",
    "51-",
    "52-",
    "61-0",
    "11-",
    "/admin,",
    "/",
    ",",
    "?a=b",
    "[",
    "]",
    "{",
    "}",
    "\"",
    "\"a\"",
    "[\"a\"]",
    "{\"sid\":\"x\"}",
    "{\"_placeholder\":true,\"num\":0}",
    "\"_placeholder\":",
    "null",
    "true",
    "-",
    "1e9",
    "18446744073709551616",
    "\u{1e}",
    "b",
    "AAEC",
];

/// What a client says to a server, as Engine.IO has it.
const PACKETS: [&str; 16] = [
    "40",
    "40",
    "40{\"token\":1}",
    "40/admin,",
    "40/admin,",
    "41",
    "41/admin,",
    "42[\"a\",1]",
    "42[\"a\",1]",
    "4217[\"a\",{}]",
    "42/admin,3[\"b\"]",
    "430[1]",
    "431[]",
    "451-[\"a\",{\"_placeholder\":true,\"num\":0}]",
    "3",
    "2probe",
];

/// Choices, until there is nothing left to choose from.
pub(crate) struct Words<'bytes> {
    bytes: &'bytes [u8],
}

impl<'bytes> Words<'bytes> {
    pub(crate) fn new(bytes: &'bytes [u8]) -> Self {
        Self { bytes }
    }

    pub(crate) fn is_over(&self) -> bool {
        self.bytes.is_empty()
    }

    /// The next choice; zero for ever when it is over.
    pub(crate) fn number(&mut self) -> usize {
        let Some((&first, rest)) = self.bytes.split_first() else { return 0 };
        self.bytes = rest;
        usize::from(first)
    }

    pub(crate) fn coin(&mut self) -> bool {
        self.number() % 2 == 1
    }

    /// A whole packet.
    pub(crate) fn packet(&mut self) -> String {
        PACKETS[self.number() % PACKETS.len()].to_owned()
    }

    /// A few words.
    pub(crate) fn text(&mut self) -> String {
        let count = self.number() % 8;
        (0..count).map(|_| self.word()).collect()
    }

    fn word(&mut self) -> String {
        let number = self.number();
        WORDS.get(number % 64).map_or_else(|| char::from(number as u8).to_string(), |word| (*word).to_owned())
    }

    /// A few bytes.
    pub(crate) fn bytes(&mut self) -> Bytes {
        let count = self.number() % 8;
        (0..count).map(|_| self.number() as u8).collect()
    }
}
