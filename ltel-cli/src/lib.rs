//! ltel's command line and everything behind it: it receives what Locust reports, lets the recorders record it, and hands
//! their output to the backends.
//!
//! A binary with recorders of its own is one line:
//!
//! ```no_run
//! fn main() -> std::process::ExitCode {
//!     ltel_cli::run(ltel_recorders::registry())
//! }
//! ```

mod cli;
mod pipeline;
mod ingest;
mod runs;
mod deliver;
pub mod config;
mod clock;

pub use cli::run;

/// A registry with the built-in backends, which [`run`] adds by itself. A backend of the program's own keeps its place.
#[must_use]
pub fn with_backends(registry: ltel_core::registry::Registry) -> ltel_core::registry::Registry {
    registry.with_backends_of(&deliver::built_in())
}

/// The book's code blocks, which need all crates that a custom recorder has.
#[cfg(doctest)]
#[doc = include_str!("../../recorders/README.md")]
struct Book;
