//! The kernels of the simulated machines: sockets, back-pressure in bytes, and the links between them.
//!
//! In: what processes write, carriers between hosts, and what faults do to links. Out: what processes read. A kernel is
//! no part of a process: it lives on when the process dies. One code for every backend: it knows carriers, tasks and
//! timers, and nothing of turmoil.
//!
//! | module | is |
//! |---|---|
//! | [`socket`] | one end of a connection, between its process and the kernel |
//! | [`state`] | what it holds, and what may be sent |
//! | [`pump`] | its task: handshake, then sending |
//! | [`path`] | one direction of it: latency and order |
//! | [`retransmission`] | when TCP sends again, and when it gives up |
//! | [`link`] | the way between two machines, and what faults do to it |
//! | [`impairment`] | delay, loss, and how fast bytes pass |
//! | [`marks`] | behind which byte a connection is cut, or a fault begins |
//! | [`network`] | all machines: listeners, sockets, what arrives |
//! | [`interface`] | a host's carriers |
//! | [`frame`] | what is written on them |

mod frame;
mod impairment;
mod interface;
mod link;
mod marks;
mod network;
mod path;
mod pump;
mod retransmission;
mod socket;
mod state;

pub(super) use frame::{ConnectionId, MachineId, Route};
pub(super) use impairment::Impairment;
pub(super) use interface::Carrier;
pub(super) use marks::Stretch;
pub(super) use network::{Network, Observers};
pub(super) use socket::Socket;
#[cfg(test)]
pub(super) use state::BUFFER;
