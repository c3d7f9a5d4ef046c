//! ltel's command line and everything behind it: it receives what Locust reports, lets the recorders record it, and hands
//! their output to the backends.
pub mod config;
mod clock;
mod faults;
mod connection;
mod listen;
mod usage;
mod report;
mod active_run;
mod runs;
mod backends;
mod pipeline;
mod signals;
