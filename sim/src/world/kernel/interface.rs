//! A host's network interface: frames go out on carriers as they come, and come in at the moment they are due.
//!
//! Three tasks: one writes, one reads, one waits for the moment and hands the frame to its machine's kernel. None wakes
//! while nothing happens.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use bytes::BytesMut;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::Notify;
use tokio::sync::mpsc::UnboundedReceiver;

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
pub(super) async fn read(mut carrier: Box<dyn AsyncRead + Send + Unpin>, arrivals: Arc<Arrivals>) {
    let mut bytes = BytesMut::new();
    while let Ok(1..) = carrier.read_buf(&mut bytes).await {
        while let Some(frame) = Frame::decode(&mut bytes) {
            arrivals.put(frame);
        }
    }
}

/// The frames that have come to a host and are not due yet.
#[derive(Default)]
pub(super) struct Arrivals {
    waiting: Mutex<Waiting>,
    /// Told when one has come that is due before all others.
    sooner: Notify,
}

#[derive(Default)]
struct Waiting {
    frames: BTreeMap<Place, Frame>,
    arrived: u64,
}

/// Where a frame stands among those that wait: when it is due, which end of which connection it goes to, and how many came
/// before it.
type Place = (Duration, ConnectionId, End, u64);

impl Arrivals {
    /// A frame has come.
    pub(super) fn put(&self, frame: Frame) {
        let Frame { route, due, .. } = frame;
        let is_first = {
            let mut waiting = self.lock();
            let place = (due, route.connection, route.end, waiting.arrived);
            waiting.arrived += 1;
            waiting.frames.insert(place, frame);
            waiting.frames.first_key_value().is_some_and(|(first, _)| *first == place)
        };
        if is_first {
            self.sooner.notify_one();
        }
    }

    /// When the next one is due.
    fn due(&self) -> Duration {
        self.lock().frames.first_key_value().map_or(Duration::MAX, |((due, ..), _)| *due)
    }

    /// The next one that is due by `now`.
    fn take(&self, now: Duration) -> Option<Frame> {
        let mut waiting = self.lock();
        let first = waiting.frames.first_entry()?;
        (first.key().0 <= now).then(|| first.remove())
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().expect("no one panics while holding it")
    }
}

/// Hands frames to their kernels when they are due. At one moment users act first and timers fire, and then frames arrive,
/// by connection: so it is in every backend, whichever order the frames came in.
pub(super) async fn deliver(network: Arc<Network>, host: Host, arrivals: Arc<Arrivals>) {
    loop {
        let due = arrivals.due();
        if due <= moment::now() {
            tokio::task::yield_now().await;
            while let Some(frame) = arrivals.take(moment::now()) {
                network.deliver(frame);
            }
            continue;
        }
        tokio::select! {
            biased;
            () = arrivals.sooner.notified() => {}
            () = host.sleep_until(due) => {}
        }
    }
}
