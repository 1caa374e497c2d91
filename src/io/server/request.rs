//! The request that opened a session, kept for as long as the session lives: in goes an HTTP head, out comes what
//! handlers may ask about their client.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::SystemTime;

use hyper::Request;
use hyper::header::{HeaderMap, ORIGIN};

/// What is known of the request that opened a session, as the official server's `handshake` shows it.
#[derive(Debug, Clone)]
pub struct RequestInfo {
    /// Its headers.
    pub headers: HeaderMap,
    /// Its path and query as they came.
    pub url: String,
    /// The query, decoded. Of a key that occurs twice, the first counts.
    pub query: BTreeMap<String, String>,
    /// Whom the connection comes from. `None` where another HTTP server took it and does not say.
    pub peer: Option<SocketAddr>,
    /// When it came, by the wall clock.
    pub time: SystemTime,
    /// Whether the connection is encrypted.
    pub secure: bool,
    /// Whether a page asks for it, which says so by an `Origin`. The official server calls that `xdomain`, and does not
    /// compare the origin with its own either.
    pub cross_domain: bool,
}

impl RequestInfo {
    /// What a request tells that came at `time`.
    pub(super) fn new<B>(
        request: &Request<B>,
        peer: Option<SocketAddr>,
        secure: bool,
        time: SystemTime,
    ) -> Self {
        let mut query = BTreeMap::new();
        for pair in request.uri().query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            let (key, value) = pair.split_once('=').unwrap_or((pair, ""));
            query.entry(decode(key)).or_insert_with(|| decode(value));
        }
        Self {
            headers: request.headers().clone(),
            url: request.uri().path_and_query().map_or_else(String::new, ToString::to_string),
            query,
            peer,
            time,
            secure,
            cross_domain: request.headers().contains_key(ORIGIN),
        }
    }
}

/// A part of a query as it was meant: `+` is a space and `%` begins a byte (URL standard,
/// "application/x-www-form-urlencoded parsing"). What is no such byte stays as it is.
fn decode(text: &str) -> String {
    let mut bytes = Vec::with_capacity(text.len());
    let mut rest = text.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => hex(*high).zip(hex(*low)),
            _ => None,
        };
        rest = match escaped {
            Some((high, low)) => {
                bytes.push(high << 4 | low);
                &after[2..]
            }
            None => {
                bytes.push(if first == b'+' { b' ' } else { first });
                after
            }
        };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn hex(digit: u8) -> Option<u8> {
    // A digit of base 16 is less than 16.
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(uri: &str, origin: Option<&str>) -> RequestInfo {
        let mut request = Request::builder().uri(uri);
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        RequestInfo::new(&request.body(()).unwrap(), None, false, SystemTime::UNIX_EPOCH)
    }

    #[test]
    fn a_query_is_decoded_and_its_first_value_counts() {
        let info = info("/socket.io/?EIO=4&token=a%20b+c&token=d&flag&%C3%A9=%&=x&", None);

        let query: Vec<_> = info.query.iter().map(|(key, value)| (&**key, &**value)).collect();
        assert_eq!(query, [("", "x"), ("EIO", "4"), ("flag", ""), ("token", "a b c"), ("\u{e9}", "%")]);
        assert_eq!(info.url, "/socket.io/?EIO=4&token=a%20b+c&token=d&flag&%C3%A9=%&=x&");
    }

    #[test]
    fn half_an_escape_stays_as_it_is() {
        for (text, decoded) in
            [("%", "%"), ("%4", "%4"), ("%4x", "%4x"), ("%\u{e9}a", "%\u{e9}a"), ("%ff", "\u{fffd}")]
        {
            assert_eq!(decode(text), decoded);
        }
    }

    #[test]
    fn a_page_is_known_by_its_origin() {
        assert!(info("/", Some("http://example.org")).cross_domain);
        assert!(!info("/", None).cross_domain);
    }
}
