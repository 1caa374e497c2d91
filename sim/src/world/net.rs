//! The network as a process sees it.

use std::io;
use std::net::SocketAddr;

use squall::io::net::{Connector, Listener};

/// Listens and connects for one life of one process.
#[derive(Clone)]
pub struct ProcessNet {}

impl ProcessNet {
    /// Listens on a port of the process's machine.
    ///
    /// # Errors
    /// When this process already listens there.
    pub fn listen(&self, _port: u16) -> io::Result<ProcessListener> {
        todo!()
    }
}

impl Connector for ProcessNet {
    type Stream = tokio::io::DuplexStream;

    /// `host` is a process's name.
    async fn connect(&self, _host: &str, _port: u16) -> io::Result<Self::Stream> {
        todo!()
    }
}

/// Accepts what the machine's kernel accepted for this process.
pub struct ProcessListener {}

impl Listener for ProcessListener {
    type Stream = tokio::io::DuplexStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        todo!()
    }
}
