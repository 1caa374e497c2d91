//! Which pages of other origins may speak to the server (Fetch standard, "CORS protocol"): a request's headers in, the
//! headers of its answer out, as the official server's `cors` option has them.

use hyper::header::{
    ACCESS_CONTROL_ALLOW_CREDENTIALS, ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS,
    ACCESS_CONTROL_ALLOW_ORIGIN, ACCESS_CONTROL_REQUEST_HEADERS, CONTENT_LENGTH, HeaderMap, HeaderName,
    HeaderValue, ORIGIN, VARY,
};
use hyper::{Method, StatusCode};

use super::answer::Answer;

/// Which pages may speak to the server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CorsOptions {
    /// Where they may come from; any origin.
    pub origins: CorsOrigins,
    /// Whether they may send cookies along; `false`. A browser takes that of no server that says `*`.
    pub credentials: bool,
    /// The methods they may use; GET, HEAD, PUT, PATCH, POST, DELETE.
    pub methods: Vec<Method>,
    /// The headers they may send; `None`: whatever they ask for.
    pub allowed_headers: Option<Vec<HeaderName>>,
}

/// Where pages may come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CorsOrigins {
    /// From anywhere, and the answer says `*`.
    Any,
    /// From anywhere, and the answer names the origin that asks.
    Mirrored,
    /// From these, each written as a browser writes it: `https://example.org`, with a port that is not the scheme's own.
    Only(Vec<String>),
}

impl Default for CorsOptions {
    fn default() -> Self {
        Self {
            origins: CorsOrigins::Any,
            credentials: false,
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::PUT,
                Method::PATCH,
                Method::POST,
                Method::DELETE,
            ],
            allowed_headers: None,
        }
    }
}

impl CorsOptions {
    /// Adds what the page's browser must see on any answer.
    pub(super) fn apply(&self, request: &HeaderMap, answer: &mut HeaderMap) {
        if let Some(origin) = self.origin(request) {
            answer.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin);
        }
        if self.origins != CorsOrigins::Any {
            answer.append(VARY, HeaderValue::from_static("Origin"));
        }
        if self.credentials {
            answer.insert(ACCESS_CONTROL_ALLOW_CREDENTIALS, HeaderValue::from_static("true"));
        }
    }

    /// Answers the question that a browser asks before the request itself.
    pub(super) fn preflight(&self, request: &HeaderMap) -> Answer {
        let mut answer = Answer::default();
        *answer.status_mut() = StatusCode::NO_CONTENT;
        let headers = answer.headers_mut();
        self.apply(request, headers);
        headers.insert(ACCESS_CONTROL_ALLOW_METHODS, joined(self.methods.iter().map(Method::as_str)));
        match &self.allowed_headers {
            Some(allowed) => {
                headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, joined(allowed.iter().map(HeaderName::as_str)));
            }
            None => {
                headers.append(VARY, HeaderValue::from_static("Access-Control-Request-Headers"));
                if let Some(asked) = request.get(ACCESS_CONTROL_REQUEST_HEADERS) {
                    headers.insert(ACCESS_CONTROL_ALLOW_HEADERS, asked.clone());
                }
            }
        }
        // Safari waits for a body without it.
        headers.insert(CONTENT_LENGTH, HeaderValue::from_static("0"));
        answer
    }

    /// The origin that may read the answer.
    fn origin(&self, request: &HeaderMap) -> Option<HeaderValue> {
        let asking = request.get(ORIGIN);
        match &self.origins {
            CorsOrigins::Any => Some(HeaderValue::from_static("*")),
            CorsOrigins::Mirrored => asking.cloned(),
            CorsOrigins::Only(allowed) => {
                asking.filter(|&asking| allowed.iter().any(|allowed| asking == allowed)).cloned()
            }
        }
    }
}

fn joined<'a>(names: impl Iterator<Item = &'a str>) -> HeaderValue {
    let names: Vec<_> = names.collect();
    HeaderValue::from_str(&names.join(",")).expect("names of methods and headers are tokens")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn asking(origin: &str) -> HeaderMap {
        [
            (ORIGIN, HeaderValue::from_str(origin).unwrap()),
            (ACCESS_CONTROL_REQUEST_HEADERS, HeaderValue::from_static("x-token")),
        ]
        .into_iter()
        .collect()
    }

    fn shown(headers: &HeaderMap) -> Vec<String> {
        let show =
            |(name, value): (&HeaderName, &HeaderValue)| format!("{name}: {}", value.to_str().unwrap());
        headers.iter().map(show).collect()
    }

    #[test]
    fn any_origin_is_a_star() {
        let answer = CorsOptions::default().preflight(&asking("http://a"));

        assert_eq!(answer.status(), 204);
        assert_eq!(
            shown(answer.headers()),
            [
                "access-control-allow-origin: *",
                "access-control-allow-methods: GET,HEAD,PUT,PATCH,POST,DELETE",
                "vary: Access-Control-Request-Headers",
                "access-control-allow-headers: x-token",
                "content-length: 0",
            ]
        );
    }

    #[test]
    fn an_origin_that_is_listed_is_named_and_no_other() {
        let origins = CorsOrigins::Only(vec!["http://a".to_owned(), "http://b".to_owned()]);
        let cors = CorsOptions { origins, credentials: true, ..CorsOptions::default() };
        for (origin, allowed) in [("http://b", true), ("http://c", false), ("http://a.example", false)] {
            let mut answer = HeaderMap::new();
            cors.apply(&asking(origin), &mut answer);

            let mut expected =
                vec!["vary: Origin".to_owned(), "access-control-allow-credentials: true".to_owned()];
            if allowed {
                expected.insert(0, format!("access-control-allow-origin: {origin}"));
            }
            assert_eq!(shown(&answer), expected);
        }
    }

    #[test]
    fn headers_and_methods_that_are_listed_are_told() {
        let cors = CorsOptions {
            origins: CorsOrigins::Mirrored,
            methods: vec![Method::GET, Method::POST],
            allowed_headers: Some(vec![HeaderName::from_static("x-a"), HeaderName::from_static("x-b")]),
            ..CorsOptions::default()
        };

        let answer = cors.preflight(&asking("http://a"));

        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_ORIGIN], "http://a");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_METHODS], "GET,POST");
        assert_eq!(answer.headers()[ACCESS_CONTROL_ALLOW_HEADERS], "x-a,x-b");
    }
}
