//! The chat end to end, server and clients, over a network in memory.
