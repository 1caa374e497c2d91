//! The address of a server, as users write it.

use std::fmt;
use std::str::FromStr;

use thiserror::Error;

/// Where a server is: `http://host[:port]`, default port 80, or `https://host[:port]`, default port 443.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectUrl {
    /// Whether to speak TLS; that takes a connector that does, such as `io::net::tls::TlsConnector`.
    pub secure: bool,
    /// A name or an address; an IPv6 address without its brackets.
    pub host: String,
    /// The port.
    pub port: u16,
}

/// A URL that no client can dial.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum UrlError {
    /// The scheme is not one of HTTP or WebSockets.
    #[error("{0:?} does not start with http://, https://, ws:// or wss://")]
    Scheme(String),
    /// There is no host in it, or the port is no number.
    #[error("{0:?} names no host, or a port that is not a number up to 65535")]
    Authority(String),
    /// There is more behind the authority: namespaces and query strings are not supported.
    #[error("{0:?} has a path or a query: give the server's address alone")]
    Path(String),
}

/// The port of `http` and `ws`.
const PLAIN_PORT: u16 = 80;

/// The port of `https` and `wss`.
const SECURE_PORT: u16 = 443;

impl FromStr for ConnectUrl {
    type Err = UrlError;

    fn from_str(url: &str) -> Result<Self, UrlError> {
        let (secure, rest) = split_scheme(url).ok_or_else(|| UrlError::Scheme(url.to_owned()))?;
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (authority, path) = rest.split_at(end);
        if !matches!(path, "" | "/") {
            return Err(UrlError::Path(url.to_owned()));
        }
        let (host, port) = host_and_port(authority).ok_or_else(|| UrlError::Authority(url.to_owned()))?;
        let port = port.unwrap_or(if secure { SECURE_PORT } else { PLAIN_PORT });
        Ok(Self { secure, host: host.to_owned(), port })
    }
}

impl fmt::Display for ConnectUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "http{}://{}", if self.secure { "s" } else { "" }, self.authority())
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

/// Whether the scheme, which may be written in either case (RFC 3986 §3.1), asks for TLS; and what stands behind it.
fn split_scheme(url: &str) -> Option<(bool, &str)> {
    let (scheme, rest) = url.split_once("://")?;
    let secure = match scheme.to_ascii_lowercase().as_str() {
        "http" | "ws" => false,
        "https" | "wss" => true,
        _ => return None,
    };
    Some((secure, rest))
}

/// The port only where it is said.
fn host_and_port(authority: &str) -> Option<(&str, Option<u16>)> {
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
        None => None,
        // `parse` would also take a sign.
        Some(port) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(port.parse().ok()?),
        Some(_) => return None,
    };
    Some((host, port))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn url(url: &str) -> Result<ConnectUrl, UrlError> {
        url.parse()
    }

    #[test]
    fn addresses_are_read() {
        for (text, secure, host, port) in [
            ("http://localhost:3000", false, "localhost", 3000),
            ("ws://localhost:3000/", false, "localhost", 3000),
            ("HTTP://chat.example.org", false, "chat.example.org", 80),
            ("http://127.0.0.1:65535", false, "127.0.0.1", 65535),
            ("http://[::1]:3000/", false, "::1", 3000),
            ("http://[::1]", false, "::1", 80),
            ("https://localhost:3000", true, "localhost", 3000),
            ("WSS://chat.example.org", true, "chat.example.org", 443),
        ] {
            let read = ConnectUrl { secure, host: host.to_owned(), port };
            assert_eq!(url(text), Ok(read), "{text}");
        }
    }

    #[test]
    fn what_cannot_be_dialled_says_why() {
        for text in ["localhost:3000", "httpss://localhost", "", "ftp://localhost"] {
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
    }

    #[test]
    fn an_address_is_printed_as_it_is_read() {
        for text in ["http://localhost:3000", "http://[::1]:80", "https://localhost:443"] {
            assert_eq!(text.parse::<ConnectUrl>().map(|url| url.to_string()).as_deref(), Ok(text));
        }
    }
}
