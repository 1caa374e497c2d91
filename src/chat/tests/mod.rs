//! Chat client and server in one world: what users see.

mod delivery;
mod peers;
pub(super) mod world;
