//! Streams from outside: what a server accepts and a client dials.

#[cfg(feature = "tls")]
pub mod tls;

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// A byte stream in order, such as TCP.
pub trait Stream: AsyncRead + AsyncWrite + Send + Unpin + 'static {}

impl<S: AsyncRead + AsyncWrite + Send + Unpin + 'static> Stream for S {}

/// Any stream.
pub struct BoxStream(Box<dyn Stream>);

impl BoxStream {
    /// Lets it be forgotten which it is.
    pub fn new(stream: impl Stream) -> Self {
        Self(Box::new(stream))
    }
}

impl AsyncRead for BoxStream {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(context, buffer)
    }
}

impl AsyncWrite for BoxStream {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(context)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write_vectored(context, slices)
    }

    fn is_write_vectored(&self) -> bool {
        self.0.is_write_vectored()
    }
}

/// Accepts streams.
pub trait Listener: Send + 'static {
    /// What it accepts.
    type Stream: Stream;

    /// Whether what it accepts is encrypted.
    const SECURE: bool = false;

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

    /// An encrypted stream to `host:port`, whose certificate says that it is `host`: for `https://` and `wss://`. A
    /// connector that knows no TLS refuses.
    fn connect_secure(
        &self,
        _host: &str,
        _port: u16,
    ) -> impl Future<Output = io::Result<Self::Stream>> + Send {
        const WHY: &str = "this connector knows no TLS: use io::net::tls::TlsConnector, of the feature `tls`";
        std::future::ready(Err(io::Error::new(io::ErrorKind::Unsupported, WHY)))
    }
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
