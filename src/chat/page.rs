//! The chat page at `/`, and the official client's script where the official server has it: requests in, responses out.
//!
//! The page is in the program. The script is not: it comes from npm, is read once from the folder `dist` of the package
//! `socket.io-client`, and where it is missing, page and script say what to run.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
use std::io::ErrorKind;
use std::path::Path;

use bytes::Bytes;

use crate::Server;
use crate::io::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, ETAG, HeaderName, HeaderValue, IF_NONE_MATCH,
    REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use crate::io::http::{HeaderMap, Request, Response, StatusCode};

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const JAVASCRIPT: &str = "text/javascript; charset=utf-8";
const SVG: &str = "image/svg+xml";
const TEXT: &str = "text/plain; charset=utf-8";

/// Path, type and bytes of what is in the program.
const PAGE: [(&str, &str, &[u8]); 6] = [
    ("/", HTML, include_bytes!("../../web/index.html")),
    ("/style.css", CSS, include_bytes!("../../web/style.css")),
    ("/icon.svg", SVG, include_bytes!("../../web/icon.svg")),
    ("/page.js", JAVASCRIPT, include_bytes!("../../web/page.js")),
    ("/chat.js", JAVASCRIPT, include_bytes!("../../web/chat.js")),
    ("/outbox.js", JAVASCRIPT, include_bytes!("../../web/outbox.js")),
];

/// What is taken from the official client, under the names that the official server gives it.
const CLIENT: [(&str, &str); 3] = [
    ("/socket.io/socket.io.js", "socket.io.js"),
    ("/socket.io/socket.io.min.js", "socket.io.min.js"),
    ("/socket.io/socket.io.esm.min.js", "socket.io.esm.min.js"),
];

/// Where npm puts the official client, from the root of the repository.
pub const CLIENT_DIST: &str = "web/node_modules/socket.io-client/dist";

const CLIENT_MISSING: &str = "The official Socket.IO client is not here: run `npm ci --prefix web`, or name its folder \
with --client-dist or SQUALL_CLIENT_DIST; then start the server again.\n";

/// Said with every answer. The page takes nothing from elsewhere, and nothing that was said in the chat can run in it.
const HEADERS: [(HeaderName, &str); 4] = [
    (
        CONTENT_SECURITY_POLICY,
        "default-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (REFERRER_POLICY, "no-referrer"),
    // As the official server for its script: kept, and asked for again each time.
    (CACHE_CONTROL, "public, max-age=0"),
];

/// Serves the page beside the server's endpoint, with the official client from `client_dist`. Reads it now, blocking.
pub fn serve(server: &Server, client_dist: &Path) {
    let files = Files::load(client_dist);
    if !files.0.contains_key(CLIENT[0].0) {
        let client_dist = client_dist.display();
        tracing::warn!(%client_dist, "the page lacks the official client: run `npm ci --prefix web`, or name its folder with --client-dist");
    }
    server.fallback(move |request| files.answer(&request));
}

/// All that is served, by path.
struct Files(BTreeMap<&'static str, File>);

struct File {
    content_type: &'static str,
    etag: String,
    bytes: Bytes,
}

impl Files {
    fn load(client_dist: &Path) -> Self {
        let page = PAGE
            .map(|(path, content_type, bytes)| (path, File::new(content_type, Bytes::from_static(bytes))));
        let client = CLIENT.into_iter().filter_map(|(path, name)| {
            let bytes = read_client(&client_dist.join(name))?;
            Some((path, File::new(JAVASCRIPT, bytes)))
        });
        Self(page.into_iter().chain(client).collect())
    }

    fn answer(&self, request: &Request<()>) -> Response<Bytes> {
        let path = request.uri().path();
        let Some(file) = self.0.get(path) else {
            let is_client = CLIENT.iter().any(|(client, _)| *client == path);
            let text = if is_client { CLIENT_MISSING } else { "Not found\n" };
            return response(StatusCode::NOT_FOUND, TEXT, Bytes::from_static(text.as_bytes()));
        };
        let mut response = if is_known(request.headers(), &file.etag) {
            response(StatusCode::NOT_MODIFIED, file.content_type, Bytes::new())
        } else {
            response(StatusCode::OK, file.content_type, file.bytes.clone())
        };
        let etag = HeaderValue::from_str(&file.etag).expect("hexadecimal digits in quotes");
        response.headers_mut().insert(ETAG, etag);
        response
    }
}

impl File {
    fn new(content_type: &'static str, bytes: Bytes) -> Self {
        // The same in every process: its keys are fixed.
        let mut hasher = DefaultHasher::new();
        bytes.hash(&mut hasher);
        Self { content_type, etag: format!("\"{:016x}\"", hasher.finish()), bytes }
    }
}

fn read_client(path: &Path) -> Option<Bytes> {
    match std::fs::read(path) {
        Ok(bytes) => Some(bytes.into()),
        Err(error) if error.kind() == ErrorKind::NotFound => {
            tracing::debug!(path = %path.display(), "a script of the official client is not there");
            None
        }
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "a script of the official client cannot be read");
            None
        }
    }
}

/// Whether the client has it: by RFC 9110 §13.1.2, in the strong or in the weak form, alone or in a list.
fn is_known(headers: &HeaderMap, etag: &str) -> bool {
    let values = headers.get_all(IF_NONE_MATCH).into_iter().filter_map(|value| value.to_str().ok());
    values.flat_map(|value| value.split(',')).any(|known| {
        let known = known.trim();
        known == "*" || known.strip_prefix("W/").unwrap_or(known) == etag
    })
}

fn response(status: StatusCode, content_type: &'static str, body: Bytes) -> Response<Bytes> {
    let mut response = Response::new(body);
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.extend(HEADERS.map(|(name, value)| (name, HeaderValue::from_static(value))));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    fn get(files: &Files, path: &str, if_none_match: Option<&str>) -> Response<Bytes> {
        let mut request = Request::get(path);
        if let Some(etags) = if_none_match {
            request = request.header(IF_NONE_MATCH, etags);
        }
        files.answer(&request.body(()).unwrap())
    }

    fn without_client() -> Files {
        Files::load(Path::new("no/such/folder"))
    }

    fn header(response: &Response<Bytes>, name: HeaderName) -> &str {
        response.headers()[name].to_str().unwrap()
    }

    #[test]
    fn the_page_names_only_what_is_served_and_loads_nothing_from_elsewhere() {
        let files = without_client();
        let page = get(&files, "/?from=a-bookmark", None);
        assert_eq!((page.status(), header(&page, CONTENT_TYPE)), (StatusCode::OK, HTML));
        assert!(header(&page, CONTENT_SECURITY_POLICY).starts_with("default-src 'self';"));

        let html = std::str::from_utf8(page.body()).unwrap();
        let named: Vec<&str> = html
            .split([' ', '>'])
            .filter_map(|word| word.strip_prefix("src=\"").or_else(|| word.strip_prefix("href=\"")))
            .map(|value| value.trim_end_matches('"'))
            .collect();
        assert!(named.len() >= 4, "only {named:?}");
        for path in named {
            let served = get(&files, path, None).status() == StatusCode::OK;
            assert!(served || path == "/socket.io/socket.io.js", "{path} is not served");
        }
    }

    #[test]
    fn who_has_a_file_is_not_sent_it_again() {
        let files = without_client();
        let first = get(&files, "/page.js", None);
        let etag = header(&first, ETAG).to_owned();
        for known in [etag.clone(), format!("W/{etag}"), format!("\"other\", {etag}"), "*".to_owned()] {
            let again = get(&files, "/page.js", Some(&known));
            assert_eq!((again.status(), again.body().len()), (StatusCode::NOT_MODIFIED, 0), "{known}");
            assert_eq!(header(&again, ETAG), etag);
        }
        assert_eq!(get(&files, "/page.js", Some("\"other\"")).status(), StatusCode::OK);
        assert_ne!(header(&get(&files, "/style.css", None), ETAG), etag);
    }

    #[test]
    fn the_official_client_is_served_from_its_folder() {
        let dist = tempfile::tempdir().unwrap();
        for (_, name) in CLIENT {
            std::fs::write(dist.path().join(name), name).unwrap();
        }
        let files = Files::load(dist.path());
        for (path, name) in CLIENT {
            let response = get(&files, path, None);
            assert_eq!((response.status(), &response.body()[..]), (StatusCode::OK, name.as_bytes()));
            assert_eq!(header(&response, CONTENT_TYPE), JAVASCRIPT);
            assert_eq!(header(&response, CACHE_CONTROL), "public, max-age=0");
        }
    }

    #[test]
    fn without_the_official_client_its_path_says_what_to_run() {
        let files = without_client();
        let missing = get(&files, "/socket.io/socket.io.js", None);
        assert_eq!(missing.status(), StatusCode::NOT_FOUND);
        assert!(String::from_utf8_lossy(missing.body()).contains("npm ci --prefix web"));

        let unknown = get(&files, "/../Cargo.toml", None);
        assert_eq!((unknown.status(), &unknown.body()[..]), (StatusCode::NOT_FOUND, &b"Not found\n"[..]));
    }
}
