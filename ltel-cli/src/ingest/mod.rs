//! From a client's bytes to frames: listeners, their limits, and connections.

mod listen;
mod unix;
mod error;
mod newcomers;
mod connection;
mod input;
mod end;
mod buffers;
mod delivery;
mod faults;
#[cfg(test)]
mod tests;

pub(crate) use delivery::{Answers, Delivery, Stop, Welcome};
pub(crate) use error::ListenError;
pub(crate) use faults::Faults;
pub(crate) use listen::Listeners;
