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
use super::frame::{ConnectionId, End, Frame};
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

/// Hands frames to their kernels when they are due. At one moment users act first and timers fire, and then frames arrive,
/// by connection: so it is in every backend, whichever order the frames came in.
pub(super) async fn deliver(network: Arc<Network>, host: Host, mut arrivals: UnboundedReceiver<Frame>) {
    let mut waiting: BTreeMap<Place, Frame> = BTreeMap::new();
    let mut arrived = 0;
    let mut wait = |waiting: &mut BTreeMap<Place, Frame>, frame: Frame| {
        let Frame { route, due, .. } = frame;
        waiting.insert((due, route.connection, route.end, arrived), frame);
        arrived += 1;
    };
    loop {
        while let Ok(frame) = arrivals.try_recv() {
            wait(&mut waiting, frame);
        }
        let due = waiting.first_key_value().map_or(Duration::MAX, |((due, ..), _)| *due);
        if due <= moment::now() {
            tokio::task::yield_now().await;
            while let Some(first) = waiting.first_entry()
                && first.key().0 <= moment::now()
            {
                network.deliver(first.remove());
            }
            continue;
        }
        tokio::select! {
            biased;
            frame = arrivals.recv() => {
                let Some(frame) = frame else { return };
                wait(&mut waiting, frame);
            }
            () = host.sleep_until(due) => {}
        }
    }
}

/// Where a frame stands among those that wait: when it is due, which end of which connection it goes to, and how many came
/// before it.
type Place = (Duration, ConnectionId, End, u64);
