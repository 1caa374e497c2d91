//! HTTP requests that no client has sent: what a case forges where a session polls.

use std::io;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

/// One request to a session, on a connection of its own.
#[derive(Debug)]
pub(crate) struct Request {
    method: &'static str,
    body: String,
    content_type: &'static str,
}

impl Request {
    /// A GET, or a POST as a step says it: `'4x'`, or `{ bytes: '4x' }`.
    pub(crate) fn of_step(verb: &str, value: &Value) -> Self {
        let text = |value: &Value| value.as_str().map(str::to_owned);
        let body = [value, &value["bytes"]].into_iter().find_map(text);
        let is_bytes = value["bytes"].is_string();
        Self {
            method: if verb == "polls" { "GET" } else { "POST" },
            body: body.unwrap_or_default(),
            content_type: if is_bytes { "application/octet-stream" } else { "text/plain;charset=UTF-8" },
        }
    }

    /// Sends it. What is heard: the body of an answer that says 200, the status of any other, or `nothing`.
    pub(crate) async fn send(self, port: u16, target: String) -> Value {
        let answer = self.exchange(port, &target).await.unwrap_or_default();
        heard(&answer).unwrap_or(json!("nothing"))
    }

    async fn exchange(&self, port: u16, target: &str) -> io::Result<Vec<u8>> {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).await?;
        let Self { method, body, content_type } = self;
        let length = body.len();
        let head = format!(
            "{method} {target} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\
             Content-Type: {content_type}\r\nContent-Length: {length}\r\n\r\n"
        );
        stream.write_all(format!("{head}{body}").as_bytes()).await?;
        let mut answer = Vec::new();
        // What came before an error is an answer all the same.
        drop(stream.read_to_end(&mut answer).await);
        Ok(answer)
    }
}

fn heard(answer: &[u8]) -> Option<Value> {
    let mut headers = [httparse::EMPTY_HEADER; 64];
    let mut response = httparse::Response::new(&mut headers);
    let httparse::Status::Complete(head) = response.parse(answer).ok()? else { return None };
    Some(match response.code? {
        200 => json!(String::from_utf8_lossy(answer.get(head..)?)),
        status => json!(status),
    })
}
