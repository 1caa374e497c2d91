//! A network in memory with one address, on which at most one listener listens.

use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex};

use tokio::io::{DuplexStream, duplex};
use tokio::sync::mpsc;

use crate::io::net::{Connector, Listener};

/// How many bytes fit into a stream, one way, before a writer waits.
pub(super) const STREAM_BYTES: usize = 16 << 10;

#[derive(Clone, Default)]
pub(super) struct TestNet(Arc<Mutex<Option<mpsc::UnboundedSender<io::Result<DuplexStream>>>>>);

impl TestNet {
    /// Listens, in place of who did.
    pub(super) fn listen(&self) -> TestListener {
        let (sender, streams) = mpsc::unbounded_channel();
        *self.0.lock().unwrap() = Some(sender);
        TestListener(streams)
    }

    /// Lets the next `accept` fail.
    pub(super) fn fail_accept(&self, kind: io::ErrorKind) {
        self.0.lock().unwrap().as_ref().unwrap().send(Err(kind.into())).unwrap();
    }
}

impl Connector for TestNet {
    type Stream = DuplexStream;

    async fn connect(&self, _host: &str, _port: u16) -> io::Result<DuplexStream> {
        let (ours, theirs) = duplex(STREAM_BYTES);
        let refused = || io::Error::from(io::ErrorKind::ConnectionRefused);
        self.0.lock().unwrap().as_ref().ok_or_else(refused)?.send(Ok(theirs)).map_err(|_| refused())?;
        Ok(ours)
    }
}

/// Refuses, once dropped.
pub(super) struct TestListener(mpsc::UnboundedReceiver<io::Result<DuplexStream>>);

impl Listener for TestListener {
    type Stream = DuplexStream;

    async fn accept(&mut self) -> io::Result<(DuplexStream, SocketAddr)> {
        match self.0.recv().await {
            Some(stream) => Ok((stream?, SocketAddr::from((Ipv4Addr::LOCALHOST, 0)))),
            None => std::future::pending().await,
        }
    }
}
