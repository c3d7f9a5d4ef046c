//! From a client's bytes to frames: where Locust's side connects, and each of its connections.

mod connection;
mod listen;

pub(crate) use connection::{Delivery, Welcome};
pub(crate) use listen::{ListenError, Listeners};
