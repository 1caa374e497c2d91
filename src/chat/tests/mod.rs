//! Chat client and server in one world: what users see.

mod delivery;
mod model;
mod peers;
mod rooms;
pub(super) mod world;
