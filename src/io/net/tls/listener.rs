//! The server's side: [`TlsListener`] accepts streams, and gives them out when their handshake is done.

use std::io;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::mpsc;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::server::TlsStream;

use crate::io::Env;
use crate::io::net::Listener;

/// How long a handshake may take: as long as the head of a request may.
const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

/// A listener whose streams are encrypted. Each handshake runs in a task of its own, beside all others; one that fails, or
/// takes longer than 10 s, is logged (`debug`) and ends its own stream alone.
///
/// ```no_run
/// # async fn serve(env: squall::Env, server: squall::Server) -> Result<(), Box<dyn std::error::Error>> {
/// use squall::io::net::tls::{self, TlsListener};
///
/// let config = tls::server_config(&std::fs::read("cert.pem")?, &std::fs::read("key.pem")?)?;
/// let listener = tokio::net::TcpListener::bind("0.0.0.0:443").await?;
/// server.serve(TlsListener::new(&env, listener, config)).await?;
/// # Ok(())
/// # }
/// ```
pub struct TlsListener<L: Listener> {
    env: Env,
    listener: L,
    acceptor: TlsAcceptor,
    finished: mpsc::UnboundedReceiver<Secured<L>>,
    /// For the handshakes. They end when `finished` is dropped.
    finish: mpsc::UnboundedSender<Secured<L>>,
}

/// A stream whose handshake is done, and whom it comes from.
type Secured<L> = (TlsStream<<L as Listener>::Stream>, SocketAddr);

impl<L: Listener> TlsListener<L> {
    /// Secures what a listener accepts. The handshakes are tasks of `env`.
    pub fn new(env: &Env, listener: L, config: impl Into<Arc<ServerConfig>>) -> Self {
        let (finish, finished) = mpsc::unbounded_channel();
        Self { env: env.clone(), listener, acceptor: config.into().into(), finished, finish }
    }

    fn start_handshake(&self, stream: L::Stream, peer: SocketAddr) {
        let handshake = self.acceptor.accept(stream);
        let timeout = self.env.sleep(HANDSHAKE_TIMEOUT);
        let finish = self.finish.clone();
        self.env.spawn(async move {
            tokio::select! {
                biased;
                // Nobody listens any more.
                () = finish.closed() => {}
                secured = handshake => match secured {
                    Ok(stream) => drop(finish.send((stream, peer))),
                    Err(error) => tracing::debug!(%peer, %error, "TLS handshake failed"),
                },
                () = timeout => tracing::debug!(%peer, "TLS handshake took longer than {HANDSHAKE_TIMEOUT:?}"),
            }
        });
    }
}

impl<L: Listener> Listener for TlsListener<L> {
    type Stream = TlsStream<L::Stream>;

    const SECURE: bool = true;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        loop {
            tokio::select! {
                biased;
                // `self.finish` keeps it open.
                Some(secured) = self.finished.recv() => return Ok(secured),
                accepted = self.listener.accept() => {
                    let (stream, peer) = accepted?;
                    self.start_handshake(stream, peer);
                }
            }
        }
    }
}
