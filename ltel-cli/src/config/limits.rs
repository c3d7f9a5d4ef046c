//! `[limits]`: how many runs and sources clients may create, and how much may be held for them.

use std::num::NonZeroUsize;

use ltel_core::backend::ConfigError;
use ltel_core::runs::Limits;
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;

use super::section::Section;
use super::values::Size;

/// How much clients may create, and what may be kept for them.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Limits", deny_unknown_fields)]
#[allow(clippy::struct_field_names)] // named after the keys
pub(super) struct RawLimits {
    /// Runs that may be active at a time.
    #[schemars(extend("default" = 32))]
    max_runs: Option<NonZeroUsize>,
    /// Sources of one run.
    #[schemars(extend("default" = 10000))]
    max_sources: Option<NonZeroUsize>,
    /// Bytes in memory, of all clients, that wait until their run is known.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "16MiB"))]
    max_held_bytes: Option<Size>,
    /// What the recorders of all runs keep in memory, by estimate: series, and figures of endpoints and errors. A series for which
    /// there is no room is counted in the recorder's overflow series, as beyond its `series_limit`.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "96MiB"))]
    max_recorder_bytes: Option<Size>,
}

/// Reads and checks `[limits]`.
pub(super) fn read(section: Section<'_>, errors: &mut Vec<ConfigError>) -> Option<Limits> {
    let raw = section.read::<RawLimits>(&[], errors)?;
    let default = Limits::default();
    Some(Limits {
        runs: raw.max_runs.map_or(default.runs, NonZeroUsize::get),
        sources: raw.max_sources.map_or(default.sources, NonZeroUsize::get),
        held_bytes: raw.max_held_bytes.map_or(default.held_bytes, Size::as_usize),
        recorder_bytes: raw.max_recorder_bytes.map_or(default.recorder_bytes, Size::as_usize),
        ..default
    })
}
