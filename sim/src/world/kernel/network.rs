//! The machines of a run and their kernels: who listens, which sockets there are, and what to do with what arrives.
//!
//! A kernel accepts eagerly, into a backlog of [`BACKLOG`]; it refuses at once where no one listens, and answers with RST
//! what belongs to no socket. It lives through the death of its process: it then says FIN or RST for it.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll, Waker};

use tokio::sync::mpsc::{UnboundedSender, unbounded_channel};

use super::super::bell::Bell;
use super::super::host::Host;
use super::super::moment;
use super::super::seen::Witness;
use super::frame::{ConnectionId, End, Frame, MachineId, Route, Segment};
use super::interface::{self, Arrivals, Carrier};
use super::link::Links;
use super::path::Path;
use super::pump;
use super::socket::Socket;
use crate::history::Recorder;
use crate::plan::Name;
use crate::reach::Trail;
use crate::units::SpanRange;

/// How many connections a listener holds that its process has not accepted, the unfinished ones included. Linux drops the
/// SYN of one more, so who dials tries again.
pub(in crate::world) const BACKLOG: usize = 128;

/// Every machine of a run, and the links between them.
pub(in crate::world) struct Network {
    pub(in crate::world) links: Links,
    pub(in crate::world) bell: Bell,
    pub(in crate::world) witness: Witness,
    trail: Trail,
    pub(super) seed: u64,
    pub(super) latency: SpanRange,
    machines: Vec<Machine>,
    /// What has come to each host.
    arrivals: Vec<Arc<Arrivals>>,
    /// To the interface of one host, from another.
    wires: BTreeMap<(usize, usize), UnboundedSender<Frame>>,
}

/// Who hears of what happens in a network.
pub(in crate::world) struct Observers {
    pub(in crate::world) recorder: Recorder,
    pub(in crate::world) trail: Trail,
    /// Rung for what the loop of the run must see at once.
    pub(in crate::world) bell: Bell,
    /// Sees what processes see.
    pub(in crate::world) witness: Witness,
}

struct Machine {
    name: Name,
    place: usize,
    host: Host,
    kernel: Mutex<Kernel>,
}

#[derive(Default)]
struct Kernel {
    /// How often it has lost power.
    losses: u32,
    dialled: u32,
    sockets: BTreeMap<(ConnectionId, End), Arc<Socket>>,
    listeners: BTreeMap<u16, Backlog>,
}

#[derive(Default)]
struct Backlog {
    ready: VecDeque<Arc<Socket>>,
    acceptor: Option<Waker>,
}

/// For the processes.
impl Network {
    /// Machines of those names, each on the host at that place, and what carries bytes between the hosts. Starts the
    /// interfaces.
    pub(in crate::world) fn new(
        seed: u64,
        latency: SpanRange,
        machines: Vec<(Name, usize)>,
        hosts: &[Host],
        carriers: Vec<Carrier>,
        observers: Observers,
    ) -> Arc<Self> {
        let names = machines.iter().map(|(name, _)| Name::clone(name)).collect();
        let machines = machines.into_iter().map(|(name, place)| Machine {
            name,
            place,
            host: hosts[place].clone(),
            kernel: Mutex::default(),
        });
        let arrivals: Vec<Arc<Arrivals>> = hosts.iter().map(|_| Arc::default()).collect();
        let mut wires = BTreeMap::new();
        for Carrier { host, peer, reader, writer } in carriers {
            let (sender, receiver) = unbounded_channel();
            hosts[host].spawn(interface::write(receiver, writer));
            hosts[host].spawn(interface::read(reader, Arc::clone(&arrivals[host])));
            wires.insert((host, peer), sender);
        }
        let Observers { recorder, trail, bell, witness } = observers;
        let links = Links::new(names, recorder, trail.clone(), bell.clone());
        let machines = machines.collect();
        let network =
            Arc::new(Self { links, trail, bell, witness, seed, latency, machines, arrivals, wires });
        for (host, arrivals) in hosts.iter().zip(&network.arrivals) {
            host.spawn(interface::deliver(Arc::clone(&network), host.clone(), Arc::clone(arrivals)));
        }
        network
    }

    /// The machine of that name.
    pub(in crate::world) fn find(&self, name: &str) -> Option<MachineId> {
        let place = self.machines.iter().position(|machine| *machine.name == *name)?;
        u16::try_from(place).ok().map(MachineId)
    }

    pub(in crate::world) fn name(&self, machine: MachineId) -> &Name {
        &self.machine(machine).name
    }

    pub(in crate::world) fn host(&self, machine: MachineId) -> &Host {
        &self.machine(machine).host
    }

    /// Begins to connect `from` to a port of `to`.
    pub(in crate::world) fn dial(self: &Arc<Self>, from: MachineId, to: MachineId, port: u16) -> Arc<Socket> {
        let socket = {
            let mut kernel = self.kernel(from);
            kernel.dialled += 1;
            let connection = ConnectionId { dialer: from, serial: kernel.dialled };
            let route = Route { connection, from, to, end: End::Acceptor };
            let socket = Arc::new(Socket::new(route, None));
            kernel.sockets.insert((connection, End::Dialer), Arc::clone(&socket));
            self.trail.dialled(moment::now(), self.name(from), connection.serial);
            socket
        };
        self.host(from).spawn(pump::dial(Arc::clone(self), Arc::clone(&socket), port));
        socket
    }

    /// Begins to accept on a port.
    ///
    /// # Errors
    /// When someone listens there.
    pub(in crate::world) fn listen(&self, machine: MachineId, port: u16) -> io::Result<()> {
        let mut kernel = self.kernel(machine);
        if kernel.listeners.contains_key(&port) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        kernel.listeners.insert(port, Backlog::default());
        Ok(())
    }

    /// The next connection of a listener, and whom it comes from.
    pub(in crate::world) fn poll_accept(
        &self,
        machine: MachineId,
        port: u16,
        context: &mut Context<'_>,
    ) -> Poll<(Arc<Socket>, SocketAddr)> {
        let mut kernel = self.kernel(machine);
        let Some(backlog) = kernel.listeners.get_mut(&port) else { return Poll::Pending };
        let Some(socket) = backlog.ready.pop_front() else {
            backlog.acceptor = Some(context.waker().clone());
            return Poll::Pending;
        };
        let address = address(socket.route.connection);
        Poll::Ready((socket, address))
    }

    /// Ends a listener. What it has not accepted is reset.
    pub(in crate::world) fn unlisten(&self, machine: MachineId, port: u16) {
        let mut kernel = self.kernel(machine);
        let Some(backlog) = kernel.listeners.remove(&port) else { return };
        for socket in backlog.ready {
            socket.abandon(moment::now());
        }
        for socket in kernel.sockets.values() {
            if socket.port == Some(port) && socket.is_opening() {
                socket.close(moment::now());
            }
        }
    }

    /// The process of a machine is gone: its listeners and sockets are closed. Says which connections that ended.
    pub(in crate::world) fn close_all(&self, machine: MachineId) -> Vec<Route> {
        let open = self.open(machine);
        let ports: Vec<u16> = self.kernel(machine).listeners.keys().copied().collect();
        for port in ports {
            self.unlisten(machine, port);
        }
        for socket in self.kernel(machine).sockets.values() {
            socket.close(moment::now());
        }
        open
    }

    /// A machine loses power: its kernel forgets all it knew, and says nothing of what it was about to say. That nobody
    /// reaches it any more is for its links. Says which connections its process had.
    pub(in crate::world) fn power_off(&self, machine: MachineId) -> Vec<Route> {
        let open = self.open(machine);
        let mut kernel = self.kernel(machine);
        kernel.losses += 1;
        kernel.listeners.clear();
        std::mem::take(&mut kernel.sockets).into_values().for_each(|socket| socket.vanish());
        open
    }

    /// Every way to a machine and from it.
    pub(in crate::world) fn ways_of(&self, machine: MachineId) -> Vec<(MachineId, MachineId)> {
        let others = (0..self.machines.len()).filter_map(|place| u16::try_from(place).ok()).map(MachineId);
        others
            .filter(|other| *other != machine)
            .flat_map(|other| [(machine, other), (other, machine)])
            .collect()
    }

    /// The connections that the process of a machine has.
    pub(in crate::world) fn open(&self, machine: MachineId) -> Vec<Route> {
        let kernel = self.kernel(machine);
        let open = kernel.sockets.values().filter(|socket| socket.is_held() && socket.is_open());
        open.map(|socket| socket.route).collect()
    }

    /// The last connection that was made between two machines, of those that are established.
    pub(in crate::world) fn current(&self, one: MachineId, other: MachineId) -> Option<ConnectionId> {
        let connections = self.established(one, other).into_iter().map(|socket| socket.route.connection);
        connections.max_by_key(|connection| connection.serial)
    }

    /// Every established connection between two machines is reset, at both ends, or only that one. Says which there were
    /// that a process held.
    pub(in crate::world) fn reset(
        &self,
        one: MachineId,
        other: MachineId,
        only: Option<ConnectionId>,
    ) -> Vec<Route> {
        let mut between = self.established(one, other);
        between.retain(|socket| only.is_none_or(|only| only == socket.route.connection));
        // Once for each connection, whichever end of it is held.
        let held = between.iter().filter(|socket| socket.is_held() && socket.is_open());
        let held: BTreeMap<_, _> = held.map(|socket| (socket.route.connection, socket.route)).collect();
        for socket in between {
            socket.fail(io::ErrorKind::ConnectionReset);
        }
        held.into_values().collect()
    }

    /// The path of every established connection between two machines, or only of that one, is gone for good. Its ends are
    /// told nothing.
    pub(in crate::world) fn sever(
        &self,
        one: MachineId,
        other: MachineId,
        only: Option<ConnectionId>,
        fault: usize,
    ) {
        let between = self.established(one, other);
        let connections: BTreeSet<_> = between.iter().map(|socket| socket.route.connection).collect();
        for connection in connections.into_iter().filter(|one| only.is_none_or(|only| only == *one)) {
            self.links.sever(connection, fault);
        }
    }

    /// The ends of every connection between two machines that is established at one end at least.
    fn established(&self, one: MachineId, other: MachineId) -> Vec<Arc<Socket>> {
        let mut between: Vec<Arc<Socket>> = Vec::new();
        for (machine, peer) in [(one, other), (other, one)] {
            let kernel = self.kernel(machine);
            between.extend(kernel.sockets.values().filter(|socket| socket.route.to == peer).map(Arc::clone));
        }
        let open = between.iter().filter(|socket| socket.is_open());
        let established: BTreeSet<_> = open.map(|socket| socket.route.connection).collect();
        between.retain(|socket| established.contains(&socket.route.connection));
        between
    }
}

/// For the kernels.
impl Network {
    /// How often a machine has lost power: who has said something before does not say it after.
    pub(super) fn losses(&self, machine: MachineId) -> u32 {
        self.kernel(machine).losses
    }

    /// Sends a frame on its way.
    pub(super) fn carry(&self, frame: Frame) {
        let way = (self.machine(frame.route.from).place, self.machine(frame.route.to).place);
        match self.wires.get(&way) {
            // The interface is gone only when the run is over.
            Some(wire) => drop(wire.send(frame)),
            None => self.arrivals[way.1].put(frame),
        }
    }

    /// A frame has arrived.
    pub(super) fn deliver(self: &Arc<Self>, frame: Frame) {
        let Frame { route, segment, .. } = frame;
        let now = moment::now();
        let socket = self.kernel(route.to).sockets.get(&(route.connection, route.end)).map(Arc::clone);
        let socket = socket.filter(|socket| !socket.is_gone());
        match (segment, socket) {
            (Segment::Syn { port }, None) => self.on_syn(route, port),
            (Segment::SynAck, Some(socket)) => {
                if socket.open() {
                    socket.queue(Segment::Ack, now);
                }
            }
            (Segment::Refused, Some(socket)) => {
                if socket.is_opening() {
                    socket.fail(io::ErrorKind::ConnectionRefused);
                }
            }
            (Segment::Ack, Some(socket)) => self.on_ack(route, socket),
            (Segment::Data(bytes), Some(socket)) => socket.receive(bytes, now),
            (Segment::Window(bytes), Some(socket)) => socket.receive_window(bytes as usize, now),
            (Segment::Fin, Some(socket)) => socket.receive_fin(),
            (Segment::Rst, Some(socket)) => socket.fail(io::ErrorKind::ConnectionReset),
            (Segment::SynAck, None) => self.answer_once(route, Segment::Rst),
            (Segment::Ack | Segment::Data(_), None) => self.answer_until_heard(route, Segment::Rst),
            // A SYN sent again; or the peer closes what is closed here.
            (Segment::Syn { .. }, Some(_))
            | (Segment::Refused | Segment::Window(_) | Segment::Fin | Segment::Rst, None) => {}
        }
    }

    fn on_syn(self: &Arc<Self>, route: Route, port: u16) {
        let socket = {
            let mut kernel = self.kernel(route.to);
            let Some(backlog) = kernel.listeners.get(&port) else {
                drop(kernel);
                return self.answer_once(route, Segment::Refused);
            };
            let unfinished =
                kernel.sockets.values().filter(|socket| socket.port == Some(port) && socket.is_opening());
            if backlog.ready.len() + unfinished.count() >= BACKLOG {
                return;
            }
            let socket = Arc::new(Socket::new(route.back(), Some(port)));
            kernel.sockets.insert((route.connection, route.end), Arc::clone(&socket));
            socket
        };
        self.host(route.to).spawn(pump::answer(Arc::clone(self), socket));
    }

    fn on_ack(&self, route: Route, socket: Arc<Socket>) {
        let mut kernel = self.kernel(route.to);
        if let Some(backlog) = socket.port.and_then(|port| kernel.listeners.get_mut(&port))
            && socket.open()
        {
            backlog.ready.push_back(socket);
            if let Some(acceptor) = backlog.acceptor.take() {
                acceptor.wake();
            }
        }
    }

    /// Answers a step of a handshake that belongs to no socket. Its sender repeats it, and is answered again.
    fn answer_once(self: &Arc<Self>, route: Route, segment: Segment) {
        let mut path = Path::answering(self, route.back());
        path.attempt(segment);
    }

    /// Answers bytes that belong to no socket. They are retransmitted, and so answered, until an answer gets through.
    fn answer_until_heard(self: &Arc<Self>, route: Route, segment: Segment) {
        let mut path = Path::answering(self, route.back());
        self.host(route.to).spawn(async move {
            if path.pass(moment::now()).await {
                path.transmit(segment);
            }
        });
    }

    /// The kernel has nothing more to do for a socket.
    pub(super) fn forget(&self, socket: &Arc<Socket>) {
        let key = (socket.route.connection, socket.route.end.other());
        let mut kernel = self.kernel(socket.route.from);
        // A SYN that was sent again may have opened another one meanwhile.
        if kernel.sockets.get(&key).is_some_and(|known| Arc::ptr_eq(known, socket)) {
            kernel.sockets.remove(&key);
        }
    }

    fn machine(&self, machine: MachineId) -> &Machine {
        &self.machines[usize::from(machine.0)]
    }

    fn kernel(&self, machine: MachineId) -> MutexGuard<'_, Kernel> {
        self.machine(machine).kernel.lock().expect("no one panics while holding it")
    }
}

/// Made up, and the same in every run of a plan: processes know each other by name.
fn address(connection: ConnectionId) -> SocketAddr {
    let [high, low] = connection.dialer.0.to_be_bytes();
    let port = 49_152 + u16::try_from(connection.serial % 16_384).expect("below 16,384");
    SocketAddr::from((Ipv4Addr::new(10, 0, high, low), port))
}
