//! A stream that plays one side and keeps what the other says. It is never slow.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};

/// Clones are the same stream.
#[derive(Clone)]
pub(in crate::io) struct Script {
    /// Said again and again, without a pause.
    says: &'static [u8],
    heard: Arc<Mutex<Heard>>,
}

#[derive(Default)]
struct Heard {
    bytes: Vec<u8>,
    reads: usize,
    writes: usize,
    flushes: usize,
}

impl Script {
    /// Says nothing.
    pub(in crate::io) fn silent() -> Self {
        Self::endless(&[])
    }

    /// Says this for ever.
    pub(in crate::io) fn endless(says: &'static [u8]) -> Self {
        Self { says, heard: Arc::default() }
    }

    pub(in crate::io) fn written(&self) -> Vec<u8> {
        self.heard.lock().unwrap().bytes.clone()
    }

    pub(in crate::io) fn reads(&self) -> usize {
        self.heard.lock().unwrap().reads
    }

    pub(in crate::io) fn writes(&self) -> usize {
        self.heard.lock().unwrap().writes
    }

    pub(in crate::io) fn flushes(&self) -> usize {
        self.heard.lock().unwrap().flushes
    }
}

impl AsyncRead for Script {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        self.heard.lock().unwrap().reads += 1;
        if self.says.is_empty() {
            return Poll::Pending;
        }
        while buffer.remaining() >= self.says.len() {
            buffer.put_slice(self.says);
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Script {
    fn poll_write(self: Pin<&mut Self>, _: &mut Context<'_>, bytes: &[u8]) -> Poll<io::Result<usize>> {
        let mut heard = self.heard.lock().unwrap();
        heard.bytes.extend_from_slice(bytes);
        heard.writes += 1;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.heard.lock().unwrap().flushes += 1;
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}
