//! The core of ltel, the telemetry of [Locust](https://locust.io) load tests: events, the protocol that carries them,
//! and the recorders that turn them into OpenTelemetry instruments and structured records.
//!
//! In the order in which an event passes: [`wire`] decodes a frame into an [`event`], [`runs`] find its run and its
//! source, a [`recorder`] sees it and writes to its [`instrument`]s and [`record`]s, and a [`backend`] reads those
//! through a [`meter`]. There are no sockets here and no async runtime.

pub mod clock;
pub mod source;
pub mod event;
pub mod wire;
pub mod runs;
pub mod text;
pub mod name;
pub mod unit;
pub mod label;
pub mod number;
pub mod field;
mod series;
mod gauge;
pub mod instrument;
pub mod open_instruments;
pub mod record;
pub mod expression;
pub mod names;
pub mod figures;
pub mod thresholds;
pub mod trace;
pub mod recorder;
pub mod declared;
pub mod exemplar;
pub mod meter;
pub mod points;
pub mod backend;
pub mod options;
pub mod schema;
pub mod registry;
pub mod replay;
#[doc(hidden)]
#[path = "private.rs"]
#[allow(missing_docs, clippy::inline_always)] // closures are called where they stand
pub mod __private;

pub use clock::{Clock, Now, Timestamp};
pub use ltel_macros::Recorder;
pub use recorder::Recorder;
/// Options derive [`schemars::JsonSchema`]. Import the crate from here (the prelude has it), and the derive needs no dependency of its own.
pub use schemars;
pub use series::Series;
/// Crates whose types the API shows: attributes of spans, values of records, places in the configuration.
pub use {opentelemetry, serde_json, toml};

/// Everything that a recorder needs.
pub mod prelude {
    pub use ltel_macros::Recorder;
    pub use schemars::{self, JsonSchema};

    pub use crate::event::{Event, EventKind, Request};
    pub use crate::figures::RunFigures;
    pub use crate::instrument::{Counter, Gauge, Histogram, Instruments, UpDownCounter};
    pub use crate::label::{AsLabel, Label};
    pub use crate::record::{Record, RecordKind, Records, Severity};
    pub use crate::recorder::{
        Context, InstrumentKind, InstrumentSpec, Moment, Needs, NoOptions, Per, RecordSpec, Recorder, SpanSpec, Spec,
    };
    pub use crate::registry::Registry;
    pub use crate::trace::{SpanData, TraceContext};
}

/// Tests the code of the README.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
