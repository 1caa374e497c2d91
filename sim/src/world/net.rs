//! The network as a process sees it.
//!
//! Streams and listeners belong to one life of one process. When it is dead, they do nothing more: reads and writes wait
//! for ever, and what they did before is the kernel's business. What is read is written into the history.

use std::future::{pending, poll_fn};
use std::io;
use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use squall::io::net::{Connector, Listener};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

use super::kernel::Socket;
use super::moment;
use super::process::Process;
use super::seen::{Call, Seen, Sight};
use crate::plan::Name;

/// Listens and connects for one life of one process.
#[derive(Clone)]
pub struct ProcessNet {
    process: Arc<Process>,
}

impl ProcessNet {
    pub(super) fn new(process: &Arc<Process>) -> Self {
        Self { process: Arc::clone(process) }
    }

    /// Whether the process is dead.
    pub(crate) fn is_gone(&self) -> bool {
        self.process.is_dead()
    }

    /// Listens on a port of the process's machine.
    ///
    /// # Errors
    /// When this process already listens there.
    pub fn listen(&self, port: u16) -> io::Result<ProcessListener> {
        if !self.process.is_dead() {
            self.process.network.listen(self.process.machine, port)?;
        }
        Ok(ProcessListener { process: Arc::clone(&self.process), port })
    }
}

impl Connector for ProcessNet {
    type Stream = ProcessStream;

    /// `host` is a process's name. Dropped before it ends, it leaves nothing behind.
    async fn connect(&self, host: &str, port: u16) -> io::Result<Self::Stream> {
        let process = &self.process;
        if process.is_dead() {
            pending::<()>().await;
        }
        let Some(machine) = process.network.find(host) else {
            return Err(io::Error::new(
                io::ErrorKind::NotFound,
                format!("there is no machine called {host:?}"),
            ));
        };
        let socket = process.network.dial(process.machine, machine, port);
        let stream = ProcessStream { process: Arc::clone(process), socket };
        let connected = poll_fn(|context| match process.is_dead() {
            true => Poll::Pending,
            false => stream.socket.poll_connected(context),
        })
        .await;
        stream.see(|| match &connected {
            Ok(()) => Sight::Connected,
            Err(error) => failed(Call::Connect, error),
        });
        connected.map(|()| stream)
    }
}

/// Accepts what the machine's kernel accepted for this process.
pub struct ProcessListener {
    process: Arc<Process>,
    port: u16,
}

impl Listener for ProcessListener {
    type Stream = ProcessStream;

    async fn accept(&mut self) -> io::Result<(Self::Stream, SocketAddr)> {
        let process = &self.process;
        let (socket, peer) = poll_fn(|context| match process.is_dead() {
            true => Poll::Pending,
            false => process.network.poll_accept(process.machine, self.port, context),
        })
        .await;
        let stream = ProcessStream { process: Arc::clone(process), socket };
        stream.see(|| Sight::Accepted);
        Ok((stream, peer))
    }
}

impl Drop for ProcessListener {
    fn drop(&mut self) {
        // Where the process is dead, the kernel has done it, and another life may listen there already.
        if !self.process.is_dead() {
            self.process.network.unlisten(self.process.machine, self.port);
        }
    }
}

/// A connection as the process at one end of it holds it.
pub struct ProcessStream {
    process: Arc<Process>,
    socket: Arc<Socket>,
}

impl ProcessStream {
    /// The process at the other end.
    pub fn peer(&self) -> &Name {
        self.process.network.name(self.socket.peer())
    }

    fn see(&self, sight: impl FnOnce() -> Sight) {
        let process = &self.process;
        process.network.witness.see(|| Seen {
            at: moment::now(),
            process: Name::clone(&process.name),
            life: process.life,
            end: self.socket.id(),
            sight: sight(),
        });
    }
}

fn failed(call: Call, error: &io::Error) -> Sight {
    Sight::Failed(call, error.kind())
}

impl AsyncRead for ProcessStream {
    fn poll_read(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if self.process.is_dead() {
            return Poll::Pending;
        }
        let before = buffer.filled().len();
        let room = buffer.remaining();
        let result = self.socket.poll_read(context, buffer, moment::now());
        let read = &buffer.filled()[before..];
        if !read.is_empty() {
            self.process.recorder.chunk(moment::now(), self.socket.id(), read);
        }
        match &result {
            Poll::Ready(Ok(())) if !read.is_empty() => self.see(|| Sight::Read(Bytes::copy_from_slice(read))),
            Poll::Ready(Ok(())) if room > 0 => self.see(|| Sight::End),
            Poll::Ready(Ok(())) | Poll::Pending => {}
            Poll::Ready(Err(error)) => self.see(|| failed(Call::Read, error)),
        }
        result
    }
}

impl AsyncWrite for ProcessStream {
    fn poll_write(self: Pin<&mut Self>, context: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        if self.process.is_dead() {
            return Poll::Pending;
        }
        let result = self.socket.poll_write(context, bytes, moment::now());
        if let Poll::Ready(Err(error)) = &result {
            self.see(|| failed(Call::Write, error));
        }
        result
    }

    /// The kernel sends what it has without being asked.
    fn poll_flush(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.process.is_dead() { Poll::Pending } else { Poll::Ready(Ok(())) }
    }

    fn poll_shutdown(self: Pin<&mut Self>, _context: &mut Context<'_>) -> Poll<io::Result<()>> {
        if self.process.is_dead() {
            return Poll::Pending;
        }
        let result = self.socket.shutdown(moment::now());
        if let Err(error) = &result {
            self.see(|| failed(Call::Shutdown, error));
        }
        Poll::Ready(result)
    }
}

impl Drop for ProcessStream {
    fn drop(&mut self) {
        // Where the process is dead, the kernel has done it already.
        self.socket.close(moment::now());
    }
}
