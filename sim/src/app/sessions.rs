//! The sessions' storage, as the server under test uses it, with a recorder: what is on the disk outlives the server.

use std::time::{Duration, SystemTime};

use squall::io::{SessionStore, SessionStoreError};
use squall::socket::stored::{SessionBatch, SessionChange, StoredSessions};
use squall::socket::{Decoder, Encoded, Kind as PacketKind};
use squall::store::{MessageId, SqliteSessions, StoreError};

use super::client::open_uri;
use super::members::Members;
use super::{Machine, events};
use crate::history::Kind;

/// Sessions on the machine's disk.
pub(super) struct RecordingSessions {
    store: SqliteSessions,
    machine: Machine,
    members: Members,
    window: Duration,
}

impl RecordingSessions {
    /// Who is in the store is among the members once it is loaded.
    ///
    /// # Errors
    /// When the disk has trouble.
    pub(super) fn open(machine: &Machine, members: &Members, window: Duration) -> Result<Self, StoreError> {
        let store = SqliteSessions::with_connection(open_uri(&machine.sessions)?)?;
        Ok(Self { store, machine: machine.clone(), members: members.clone(), window })
    }
}

impl SessionStore for RecordingSessions {
    fn load(&mut self, now: SystemTime) -> Result<Option<StoredSessions>, SessionStoreError> {
        let loaded = self.store.load(now)?;
        if let Some(stored) = &loaded {
            self.members.restore(&stored.sessions, self.machine.env.clock.monotonic(), self.window);
        }
        Ok(loaded)
    }

    fn commit(&mut self, batch: &SessionBatch, now: SystemTime) -> Result<(), SessionStoreError> {
        self.store.commit(batch, now)?;
        for change in &batch.changes {
            if let SessionChange::Recorded { encoded, .. } = change
                && let Some(id) = event(encoded)
            {
                self.machine.record(0, Kind::Persisted { id });
            }
        }
        Ok(())
    }

    fn clear(&mut self) -> Result<(), SessionStoreError> {
        self.store.clear()
    }
}

/// The event of a plan that was relayed; none where it is the chat's.
fn event(encoded: &Encoded) -> Option<MessageId> {
    let mut decoder = Decoder::default();
    let packet = encoded.iter().find_map(|message| decoder.receive(message.clone()).ok().flatten())?;
    match packet.kind {
        PacketKind::Event { name, args, .. } if *name == *events::HEARD => args.get(0).ok().map(MessageId),
        PacketKind::Event { .. }
        | PacketKind::Ack { .. }
        | PacketKind::Connect(_)
        | PacketKind::Disconnect
        | PacketKind::ConnectError(_) => None,
    }
}
