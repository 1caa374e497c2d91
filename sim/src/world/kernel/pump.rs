//! The kernel's task for one socket: the handshake, then everything that the process writes.
//!
//! No process can stop it: it goes on when the process is gone, until what was written has left. When it ends, the socket
//! is forgotten.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use super::super::moment;
use super::frame::Segment;
use super::network::Network;
use super::path::{Path, Sent};
use super::socket::Socket;

/// How long after the first SYN each is sent again, and when the kernel gives up (Linux: `tcp_syn_retries` 6).
const SYN_AT: [u64; 7] = [0, 1, 3, 7, 15, 31, 63];
const SYN_GIVES_UP_AT: u64 = 127;

/// The same for the SYN-ACK (Linux: `tcp_synack_retries` 5).
const SYN_ACK_AT: [u64; 6] = [0, 1, 3, 7, 15, 31];
const SYN_ACK_GIVES_UP_AT: u64 = 63;

/// The life of the socket of who dials.
pub(super) async fn dial(network: Arc<Network>, socket: Arc<Socket>, port: u16) {
    let mut path = Path::new(&network, socket.route);
    if !knock(&socket, &mut path, &Segment::Syn { port }, &SYN_AT, SYN_GIVES_UP_AT).await {
        socket.fail(io::ErrorKind::TimedOut);
    }
    pump(&socket, &mut path).await;
    network.forget(&socket);
}

/// The life of the socket of who was dialled.
pub(super) async fn answer(network: Arc<Network>, socket: Arc<Socket>) {
    let mut path = Path::new(&network, socket.route);
    if !knock(&socket, &mut path, &Segment::SynAck, &SYN_ACK_AT, SYN_ACK_GIVES_UP_AT).await {
        socket.fail(io::ErrorKind::TimedOut);
    }
    pump(&socket, &mut path).await;
    network.forget(&socket);
}

/// Sends `segment` again and again until the handshake is over. False when it has given up.
async fn knock(socket: &Socket, path: &mut Path, segment: &Segment, at: &[u64], gives_up_at: u64) -> bool {
    let started = moment::now();
    for next in at.iter().skip(1).chain([&gives_up_at]) {
        let next = started + Duration::from_secs(*next);
        tokio::select! {
            biased;
            () = socket.shaken() => return true,
            () = async {
                path.attempt(segment.clone());
                path.sleep_until(next).await;
            } => {}
        }
    }
    false
}

/// Sends what is to be sent, in order, as the link and the peer's window let it.
async fn pump(socket: &Socket, path: &mut Path) {
    while let Some(since) = socket.sendable().await {
        if !passes(socket, path, since).await {
            socket.give_up();
            continue;
        }
        let mut next = socket.take(path.piece());
        while let Some(segment) = next.take() {
            match path.send(segment).await {
                Sent::Whole => {}
                Sent::Cut => {
                    // Whoever cut it stands midway: its RST is as long on its way back as the bytes and the RST on their way on.
                    path.arrived().await;
                    socket.fail(io::ErrorKind::ConnectionReset);
                }
                // What stands behind the byte meets what began there.
                Sent::UpTo(rest) if passes(socket, path, since).await => next = Some(Segment::Data(rest)),
                Sent::UpTo(_) => socket.fail(io::ErrorKind::TimedOut),
            }
        }
    }
}

/// Ends when what has been ready since `since` may leave; false when it never will.
async fn passes(socket: &Socket, path: &mut Path, since: Duration) -> bool {
    tokio::select! {
        biased;
        () = socket.gone() => false,
        passes = path.pass(since) => passes,
    }
}
