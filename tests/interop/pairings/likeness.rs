//! Whether what was found is what a case expects, where `*` stands for any text: ids differ from run to run.

use serde_json::Value;

const ANY: &str = "*";
/// The same within a packet.
const ANY_QUOTED: &str = "\"*\"";

/// Whether a value is as expected.
pub(crate) fn is_like(expected: &Value, found: &Value) -> bool {
    match (expected, found) {
        (Value::String(expected), Value::String(found)) => expected == ANY || expected == found,
        (Value::Array(expected), Value::Array(found)) => {
            expected.len() == found.len()
                && expected.iter().zip(found).all(|(expected, found)| is_like(expected, found))
        }
        (Value::Object(expected), Value::Object(found)) => {
            expected.len() == found.len()
                && expected
                    .iter()
                    .all(|(key, value)| found.get(key).is_some_and(|found| is_like(value, found)))
        }
        (expected, found) => expected == found,
    }
}

/// Whether a packet is as expected.
pub(crate) fn is_packet_like(expected: &str, found: &str) -> bool {
    let mut parts = expected.split(ANY_QUOTED);
    let first = parts.next().unwrap_or_default();
    let rest = parts.try_fold(found.strip_prefix(first), |rest, part| {
        let (_any, rest) = rest?.strip_prefix('"')?.split_once('"')?;
        Some(rest.strip_prefix(part))
    });
    rest.flatten() == Some("")
}
