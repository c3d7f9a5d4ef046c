//! ltel's command line and everything behind it: it receives Locust's events, passes them to the recorders, and passes the
//! recorders' output to the backends.
//!
//! A binary with recorders of its own is one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     ltel_cli::program!().run(ltel_recorders::registry())
//! }
//! ```

mod cli;
mod compare;
mod pipeline;
mod ingest;
mod runs;
mod dashboards;
mod deliver;
mod report;
pub mod config;
mod clock;
mod plural;
mod wrap;
mod program;

use std::process::ExitCode;

pub use program::Program;

/// Runs ltel's command line as [`Program::run`] does, under the name that the program was started by. [`program!`] knows its
/// version, too.
#[must_use]
pub fn run(registry: ltel_core::registry::Registry) -> ExitCode {
    Program::of_process().run(registry)
}

/// Adds the built-in backends to a registry, as [`run`] does. A backend that the program has registered is not replaced.
#[must_use]
pub fn with_backends(registry: ltel_core::registry::Registry) -> ltel_core::registry::Registry {
    registry.with_backends_of(&deliver::built_in())
}

/// Tests the book's code blocks, which need all dependencies of a custom recorder.
#[cfg(doctest)]
#[doc = include_str!("../../recorders/README.md")]
struct Book;
