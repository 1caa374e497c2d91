//! HTTP on a stream that was accepted here. A stream in, and requests to its end; at the latest when the server has stopped
//! and its session is over.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures_util::FutureExt;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;

use crate::io::link::LINGER;
use crate::io::net::BoxStream;

use super::answer::{Caller, answer};
use super::endpoint::{Endpoint, Host};

/// How long a client may take to send the head of a request, and how long a connection is kept for the next.
const HEADER_READ_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the connections of a session that has ended are kept when the server stops.
const FAREWELL: Duration = Duration::from_millis(200);

/// How large the head of a request may be.
const HEADER_BYTES_MAX: usize = 16 << 10;

/// Serves a stream until it is closed, or becomes a WebSocket.
pub(super) async fn serve(host: Arc<dyn Host>, stream: BoxStream, peer: SocketAddr, secure: bool) {
    let caller = Caller::new(Some(peer), secure);
    let endpoint = host.endpoint();
    let service = service_fn(|request| answer(&host, &caller, request).map(Ok::<_, Infallible>));
    let served = http1::Builder::new()
        .timer(endpoint.http_timer.clone())
        .header_read_timeout(HEADER_READ_TIMEOUT)
        .max_buf_size(HEADER_BYTES_MAX)
        // It would come from the system's clock.
        .auto_date_header(false)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    let mut served = pin!(served);
    let ended = tokio::select! {
        biased;
        ended = &mut served => Some(ended),
        () = dismissed(endpoint, &caller) => None,
    };
    let ended = match ended {
        Some(ended) => ended,
        // The last answer is still to be written.
        None => {
            served.as_mut().graceful_shutdown();
            tokio::select! {
                biased;
                ended = served => ended,
                () = endpoint.env.sleep(LINGER) => Ok(()),
            }
        }
    };
    if let Err(error) = ended {
        tracing::debug!(%error, "HTTP failed");
    }
}

/// Ends when the server has stopped and has nothing more to say here. Who has no session is owed no goodbye.
///
/// A session that polls is told of its end by the answer to its GET. If its other connection ended at the same moment, a
/// POST on its way there could fail before that answer is read, and the client would believe in an error.
async fn dismissed(endpoint: &Endpoint, caller: &Caller) {
    endpoint.stopped().await;
    let session = caller.session().clone();
    if let Some(session) = session {
        session.closed().await;
        endpoint.env.sleep(FAREWELL).await;
    }
}
