//! A server as a layer of tower: what it answers itself, and what it passes on.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::net::SocketAddr;
use std::task::{Context, Poll};

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::{Request, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::*;
use crate::io::ServerService;

/// Answers every request with its path.
#[derive(Clone)]
struct Below;

impl Service<Request<Full<Bytes>>> for Below {
    type Response = Response<Full<Bytes>>;
    type Error = Infallible;
    type Future = Ready<Result<Self::Response, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        ready(Ok(Response::new(request.uri().path().to_owned().into())))
    }
}

fn request(method: &str, target: &str, body: &'static str) -> Request<Full<Bytes>> {
    let request = Request::builder().method(method).uri(target);
    request.extension(SocketAddr::from(([10, 1, 2, 3], 4))).body(body.into()).unwrap()
}

async fn body<S, B>(service: &mut S, request: Request<Full<Bytes>>) -> String
where
    S: Service<Request<Full<Bytes>>, Response = Response<B>, Error = Infallible>,
    B: hyper::body::Body<Data = Bytes, Error: std::fmt::Debug>,
{
    let response = service.call(request).await.unwrap();
    String::from_utf8(response.into_body().collect().await.unwrap().to_bytes().to_vec()).unwrap()
}

#[tokio::test(start_paused = true)]
async fn a_layer_answers_its_path_and_passes_on_all_else() {
    let env = Env::tokio();
    let server = Server::new(&env, ServerOptions::default());
    server.fallback(|_| Response::new("not of a layer".into()));
    let mut layered = server.layer().layer(Below);

    for path in ["/", "/socket.io/socket.io.js", "/socket.iox/"] {
        assert_eq!(body(&mut layered, request("GET", path, "")).await, path);
    }
    let open = body(&mut layered, request("GET", "/socket.io/?EIO=4&transport=polling", "")).await;
    assert!(open.starts_with(r#"0{"sid":"#), "{open}");
    let refused = body(&mut layered, request("GET", "/socket.io?EIO=4", "")).await;
    assert_eq!(refused, r#"{"code":0,"message":"Transport unknown"}"#);
}

#[tokio::test(start_paused = true)]
async fn a_layer_tells_handlers_whom_a_request_comes_from() {
    let env = Env::tokio();
    let server = Server::new(&env, ServerOptions::default());
    let (sender, mut seen) = mpsc::unbounded_channel();
    server.on_connect(move |socket| {
        let request = &socket.handshake().request;
        sender.send((request.peer, request.secure)).unwrap();
        async {}
    });
    let layer = server.layer().with_secure(true).with_peer(|extensions| extensions.get().copied());
    let mut layered = layer.layer(Below);

    let open = body(&mut layered, request("GET", "/socket.io/?EIO=4&transport=polling", "")).await;
    let open: serde_json::Value = serde_json::from_str(&open[1..]).unwrap();
    let target = format!("/socket.io/?EIO=4&transport=polling&sid={}", open["sid"].as_str().unwrap());
    assert_eq!(body(&mut layered, request("POST", &target, "40")).await, "ok");

    assert_eq!(seen.recv().await, Some((Some(SocketAddr::from(([10, 1, 2, 3], 4))), true)));
}

#[tokio::test(start_paused = true)]
async fn a_service_alone_answers_with_its_fallback() {
    let server = Server::new(&Env::tokio(), ServerOptions::default());
    server.fallback(|_| Response::new("a page".into()));
    let mut service: ServerService = server.service();

    assert_eq!(body(&mut service, request("GET", "/page", "")).await, "a page");
    let open = body(&mut service, request("GET", "/socket.io/?EIO=4&transport=polling", "")).await;
    assert!(open.starts_with('0'), "{open}");
}
