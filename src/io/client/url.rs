//! The address of a server, as users write it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Where a server is: `http://host[:port]`, default port 80.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectUrl {
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A URL that no client can dial.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// Only `http` and `ws` are spoken.
    #[error(
        "{0:?} does not start with http:// or ws:// (TLS, which is https:// and wss://, is not supported)"
    )]
    Scheme(String),
    /// There is no host in it, or the port is no number.
    #[error("{0:?} names no host, or a port that is not a number up to 65535")]
    Authority(String),
    /// There is more behind the authority: namespaces and query strings are not supported.
    #[error("{0:?} has a path or a query: give the server's address alone")]
    Path(String),
}

/// The port of `http` and `ws`.
const DEFAULT_PORT: u16 = 80;

impl FromStr for ConnectUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let rest = after_scheme(url).ok_or_else(|| UrlError::Scheme(url.to_owned()))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(UrlError::Path(url.to_owned()));
        }
        let (host, port) = host_and_port(authority).ok_or_else(|| UrlError::Authority(url.to_owned()))?;
        Ok(Self { host: host.to_owned(), port })
    }
}

impl fmt::Display for ConnectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http://{}", self.authority())
    }
}

impl ConnectUrl {
    /// The host and the port as they stand in a URL.
    pub(super) fn authority(&self) -> String {
        if self.host.contains(':') {
            format!("[{}]:{}", self.host, self.port)
        } else {
            format!("{}:{}", self.host, self.port)
        }
    }
}

/// What stands behind the scheme, which may be written in either case (RFC 3986 §3.1).
fn after_scheme(url: &str) -> Option<&str> {
    let (scheme, rest) = url.split_once("://")?;
    (scheme.eq_ignore_ascii_case("http") || scheme.eq_ignore_ascii_case("ws")).then_some(rest)
}

fn host_and_port(authority: &str) -> Option<(&str, u16)> {
    let (host, port) = match authority.strip_prefix('[') {
        Some(bracketed) => {
            let (host, rest) = bracketed.split_once(']')?;
            host.parse::<std::net::Ipv6Addr>().ok()?;
            (host, if rest.is_empty() { None } else { Some(rest.strip_prefix(':')?) })
        }
        None => match authority.split_once(':') {
            Some((host, port)) => (host, Some(port)),
            None => (authority, None),
        },
    };
    let is_host_character = |character: char| character.is_alphanumeric() || "-._:".contains(character);
    if host.is_empty() || !host.chars().all(is_host_character) {
        return None;
    }
    let port = match port {
        None => DEFAULT_PORT,
        // `parse` would also take a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => port.parse().ok()?,
        Some(_) => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Result<(String, u16), UrlError> {
        url.parse::<ConnectUrl>().map(|url| (url.host, url.port))
    }

    #[test]
    fn addresses_are_read() {
        for (text, host, port) in [
            ("http://localhost:3000", "localhost", 3000),
            ("ws://localhost:3000/", "localhost", 3000),
            ("HTTP://chat.example.org", "chat.example.org", 80),
            ("http://127.0.0.1:65535", "127.0.0.1", 65535),
            ("http://[::1]:3000/", "::1", 3000),
            ("http://[::1]", "::1", 80),
        ] {
            assert_eq!(url(text), Ok((host.to_owned(), port)), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_says_why() {
        for text in ["localhost:3000", "https://localhost", "wss://localhost", "", "ftp://localhost"] {
            assert_eq!(url(text), Err(UrlError::Scheme(text.to_owned())));
        }
        for text in [
            "http://",
            "http://:80",
            "http://a:",
            "http://a:+1",
            "http://a:65536",
            "http://a:b",
            "http://a b",
        ] {
            // An empty port is the default port (RFC 3986 §3.2.3), but more likely a slip.
            assert_eq!(url(text), Err(UrlError::Authority(text.to_owned())));
        }
        for text in
            ["http://[::1", "http://[]", "http://[::1]3", "http://[localhost]", "http://::1", "http://u@a"]
        {
            assert_eq!(url(text), Err(UrlError::Authority(text.to_owned())));
        }
        for text in ["http://a/chat", "http://a/?x", "http://a?x", "http://a#x", "http://a//"] {
            assert_eq!(url(text), Err(UrlError::Path(text.to_owned())));
        }
        assert!(url("https://localhost").unwrap_err().to_string().contains("TLS"));
    }

    #[test]
    fn an_address_is_printed_as_it_is_read() {
        for text in ["http://localhost:3000", "http://[::1]:80"] {
            assert_eq!(text.parse::<ConnectUrl>().map(|url| url.to_string()).as_deref(), Ok(text));
        }
    }
}
