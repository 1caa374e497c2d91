//! Streams from outside: what a server accepts and a client dials.

use std::future::Future;
use std::io;
use std::net::SocketAddr;

use tokio::io::{AsyncRead, AsyncWrite};

/// A byte stream in order, such as TCP.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Accepts streams.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// The next stream, and whom it comes from. An error that concerns one stream only (a peer that gave up while it
    /// waited) must be retried by the caller.
    fn accept(&mut self) -> impl Future<Output = io::Result<(Self::Stream, SocketAddr)>> + Send;
}

/// Dials streams.
pub trait Connector: Send + Sync + 'static {
    /// What it dials.
    type Stream: Stream;

    /// A stream to `host:port`.
    fn connect(&self, host: &str, port: u16) -> impl Future<Output = io::Result<Self::Stream>> + Send;
}

/// TCP of the operating system.
#[derive(Debug, Clone, Copy, Default)]
pub struct TcpNet;

impl Connector for TcpNet {
    type Stream = tokio::net::TcpStream;

    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        let stream = tokio::net::TcpStream::connect((host, port)).await?;
        // A chat sends small frames that must not wait for each other.
        stream.set_nodelay(true)?;
        Ok(stream)
    }
}

impl Listener for tokio::net::TcpListener {
    type Stream = tokio::net::TcpStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        let (stream, peer) = Self::accept(self).await?;
        stream.set_nodelay(true)?;
        Ok((stream, peer))
    }
}
