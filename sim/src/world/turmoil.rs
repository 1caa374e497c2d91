//! The backend that ticks: turmoil brings hosts, time, and byte streams between hosts that keep order.
//!
//! In: nothing. Out: hosts that have started, one stream between them, and steps of [`TICK`]. Of turmoil's own faults none
//! is used: what breaks is decided above, one code for every backend. So two of its properties suffice: a stream keeps
//! order and loses nothing, and a byte written in one tick is read at the start of the next, a [`TICK`] later at most.

use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use ::turmoil::net::{TcpListener, TcpStream};
use ::turmoil::{Builder, Sim};
use tokio::runtime::Handle;

use super::backend::Backend;
use super::bell::Bell;
use super::host::Host;
use super::kernel::Carrier;
use super::moment;
use crate::scenario::limits::TICK;

/// Each costs about a microsecond a tick, busy or not. So the server has one, and all clients share one.
const HOSTS: [&str; 2] = ["server", "clients"];

const SERVER_HOST: usize = 0;
const CLIENTS_HOST: usize = 1;

const PORT: u16 = 1;

/// More than the start ever takes: bind, SYN, SYN-ACK.
const START_TICKS: u32 = 10;

/// The hosts of one run.
pub(super) struct Turmoil {
    sim: Sim<'static>,
    hosts: Vec<Host>,
    elapsed: Duration,
}

/// What the hosts hand out as they start.
#[derive(Default)]
struct Started {
    handles: [Option<Handle>; 2],
    streams: [Option<TcpStream>; 2],
}

impl Turmoil {
    /// Starts the hosts and connects them. The run's time begins when this returns. The seed decides what tokio leaves to
    /// chance: what `select!` takes first, whom a `watch` wakes first.
    ///
    /// # Errors
    /// When turmoil fails.
    pub(super) fn start(seed: u64) -> Result<(Self, Vec<Carrier>), String> {
        let mut sim = Builder::new()
            .tick_duration(TICK)
            .min_message_latency(TICK)
            .max_message_latency(TICK)
            .fail_rate(0.0)
            .tcp_capacity(1024)
            .epoch(SystemTime::UNIX_EPOCH + moment::EPOCH)
            .simulation_duration(Duration::from_secs(365 * 24 * 3600))
            // For what tokio leaves to chance; of the network nothing is drawn, for latency has no width and there are no
            // failures.
            .rng_seed(seed)
            .build();
        let started = Arc::new(Mutex::new(Started::default()));
        for host in [SERVER_HOST, CLIENTS_HOST] {
            let started = Arc::clone(&started);
            sim.host(HOSTS[host], move || live(host, Arc::clone(&started)));
        }
        for _ in 0..START_TICKS {
            sim.step().map_err(|error| format!("turmoil failed to start: {error}"))?;
        }
        let mut started = started.lock().expect("no one panics while holding it");
        let mut hosts = Vec::new();
        let mut carriers = Vec::new();
        for host in [SERVER_HOST, CLIENTS_HOST] {
            let (Some(handle), Some(stream)) = (started.handles[host].take(), started.streams[host].take())
            else {
                return Err(format!("turmoil did not connect its host {} in time", HOSTS[host]));
            };
            hosts.push(Host::new(handle));
            let (reader, writer) = stream.into_split();
            let peer = if host == SERVER_HOST { CLIENTS_HOST } else { SERVER_HOST };
            carriers.push(Carrier { host, peer, reader: Box::new(reader), writer: Box::new(writer) });
        }
        Ok((Self { sim, hosts, elapsed: Duration::ZERO }, carriers))
    }

    /// Every host lives for one tick.
    fn step(&mut self) -> Result<(), String> {
        self.sim.step().map_err(|error| format!("turmoil failed: {error}"))?;
        self.elapsed += TICK;
        Ok(())
    }
}

impl Backend for Turmoil {
    fn hosts(&self) -> &[Host] {
        &self.hosts
    }

    fn server_place(&self) -> usize {
        SERVER_HOST
    }

    fn clients_place(&self) -> usize {
        CLIENTS_HOST
    }

    fn now(&self) -> Duration {
        self.elapsed
    }

    fn run(&mut self, until: Duration, bell: &Bell) -> Result<(), String> {
        while self.elapsed < until && !bell.rings() {
            self.step()?;
        }
        Ok(())
    }
}

/// What a host runs for itself: it connects and then leaves its runtime to the tasks it is given.
async fn live(host: usize, started: Arc<Mutex<Started>>) -> ::turmoil::Result {
    started.lock().expect("no one panics while holding it").handles[host] = Some(Handle::current());
    let stream = if host == SERVER_HOST {
        TcpListener::bind(("0.0.0.0", PORT)).await?.accept().await?.0
    } else {
        TcpStream::connect((HOSTS[SERVER_HOST], PORT)).await?
    };
    started.lock().expect("no one panics while holding it").streams[host] = Some(stream);
    std::future::pending().await
}
