//! A host's network interface: frames go out on carriers as they come, and come in at the moment they are due.
//!
//! Three tasks: one writes, one reads, one waits for the moment and hands the frame to its machine's kernel. None wakes
//! while nothing happens.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender};

use super::super::host::Host;
use super::super::moment;
use super::frame::Frame;
use super::network::Network;

/// One host's end of a byte stream to another host that keeps order and loses nothing.
pub(in crate::world) struct Carrier {
    /// Whose end it is.
    pub(in crate::world) host: usize,
    /// The host at the other end.
    pub(in crate::world) peer: usize,
    pub(in crate::world) reader: Box<dyn AsyncRead + Send + Unpin>,
    pub(in crate::world) writer: Box<dyn AsyncWrite + Send + Unpin>,
}

/// Writes frames, all that are there at once. Ends when the carrier does.
pub(super) async fn write(
    mut frames: UnboundedReceiver<Frame>,
    mut carrier: Box<dyn AsyncWrite + Send + Unpin>,
) {
    let mut bytes = BytesMut::new();
    while let Some(frame) = frames.recv().await {
        frame.encode(&mut bytes);
        while let Ok(frame) = frames.try_recv() {
            frame.encode(&mut bytes);
        }
        if carrier.write_all(&bytes).await.is_err() {
            return;
        }
        bytes.clear();
    }
}

/// Reads frames. Ends when the carrier does.
pub(super) async fn read(mut carrier: Box<dyn AsyncRead + Send + Unpin>, arrivals: UnboundedSender<Frame>) {
    let mut bytes = BytesMut::new();
    while let Ok(1..) = carrier.read_buf(&mut bytes).await {
        while let Some(frame) = Frame::decode(&mut bytes) {
            if arrivals.send(frame).is_err() {
                return;
            }
        }
    }
}

/// Hands frames to their kernels when they are due; those due at once in the order in which they came.
pub(super) async fn deliver(network: Arc<Network>, host: Host, mut arrivals: UnboundedReceiver<Frame>) {
    let mut waiting: BTreeMap<(Duration, u64), Frame> = BTreeMap::new();
    let mut arrived = 0;
    loop {
        while let Some(first) = waiting.first_entry()
            && first.key().0 <= moment::now()
        {
            network.deliver(first.remove());
        }
        let next = waiting.first_key_value().map(|((due, _), _)| *due);
        tokio::select! {
            biased;
            frame = arrivals.recv() => {
                let Some(frame) = frame else { return };
                waiting.insert((frame.due, arrived), frame);
                arrived += 1;
            }
            () = host.sleep_until(next.unwrap_or(Duration::MAX)) => {}
        }
    }
}
