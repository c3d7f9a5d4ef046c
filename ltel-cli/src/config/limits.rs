//! `[limits]`: how many runs and sources clients may create, and how much may be held for them.

use std::num::NonZeroUsize;

use bytesize::ByteSize;
use ltel_core::backend::ConfigError;
use ltel_core::runs::Limits;
use serde::Deserialize;

use super::section::Section;

#[derive(Deserialize)]
#[allow(clippy::struct_field_names)] // named after the keys
struct RawLimits {
    /// Runs that may be active at a time.
    max_runs: Option<NonZeroUsize>,
    /// Sources of one run.
    max_sources: Option<NonZeroUsize>,
    /// Bytes in memory, of all clients, that wait until their run is known.
    max_held_bytes: Option<ByteSize>,
    /// What the recorders of all runs keep in memory, by estimate: series, and figures of endpoints and errors. A series for which
    /// there is no room is counted in the recorder's overflow series, as beyond its `series_limit`.
    max_recorder_bytes: Option<ByteSize>,
}

/// Reads and checks `[limits]`.
pub(super) fn read(section: Section<'_>, errors: &mut Vec<ConfigError>) -> Option<Limits> {
    let raw = section.read::<RawLimits>(&[], errors)?;
    let default = Limits::default();
    Some(Limits {
        runs: raw.max_runs.map_or(default.runs, NonZeroUsize::get),
        sources: raw.max_sources.map_or(default.sources, NonZeroUsize::get),
        held_bytes: bytes(raw.max_held_bytes, default.held_bytes),
        recorder_bytes: bytes(raw.max_recorder_bytes, default.recorder_bytes),
        ..default
    })
}

fn bytes(size: Option<ByteSize>, default: usize) -> usize {
    size.map_or(default, |size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX))
}
