//! Takes streams from a listener and serves each in a task of its own.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use crate::io::net::{BoxStream, Listener};

use super::endpoint::{Endpoint, Host};
use super::http;

/// How long to wait after a stream could not be accepted.
const ACCEPT_RETRY: Duration = Duration::from_millis(50);

/// Serves until the endpoint shuts down, or the listener fails for good.
pub(super) async fn serve<L: Listener>(host: Arc<dyn Host>, mut listener: L) -> io::Result<()> {
    loop {
        tokio::select! {
            biased;
            () = host.endpoint().stopped() => return Ok(()),
            accepted = accept(host.endpoint(), &mut listener) => {
                let (stream, peer) = accepted?;
                let connection = http::serve(host.clone(), BoxStream::new(stream), peer, L::SECURE);
                host.endpoint().spawn(connection);
            }
        }
    }
}

async fn accept<L: Listener>(endpoint: &Endpoint, listener: &mut L) -> io::Result<(L::Stream, SocketAddr)> {
    loop {
        match listener.accept().await {
            Err(error) if is_transient(&error) => {
                tracing::warn!(%error, "a connection could not be accepted");
                endpoint.env.sleep(ACCEPT_RETRY).await;
            }
            accepted => return accepted,
        }
    }
}

/// Whether an error of `accept` concerns one stream, or will pass: the peer gave up while it waited, the network had an
/// error for it (which Linux reports here), or there are no more files or buffers until others are closed.
fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind as Kind;
    const ENFILE: i32 = 23;
    const EMFILE: i32 = 24;
    let kinds = [
        Kind::ConnectionAborted,
        Kind::ConnectionReset,
        Kind::ConnectionRefused,
        Kind::BrokenPipe,
        Kind::NotConnected,
        Kind::TimedOut,
        Kind::Interrupted,
        Kind::NetworkDown,
        Kind::NetworkUnreachable,
        Kind::HostUnreachable,
        Kind::OutOfMemory,
    ];
    kinds.contains(&error.kind()) || matches!(error.raw_os_error(), Some(ENFILE | EMFILE))
}
