//! From a client's bytes to frames: where Locust's side connects, and each of its connections.

mod listen;
mod connection;
mod delivery;

pub(crate) use delivery::{Delivery, Welcome};
pub(crate) use listen::{ListenError, Listeners};
