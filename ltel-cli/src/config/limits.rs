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
}

/// Reads and checks `[limits]`.
pub(super) fn read(section: Section<'_>, errors: &mut Vec<ConfigError>) -> Option<Limits> {
    let raw = section.read::<RawLimits>(&[], errors)?;
    let default = Limits::default();
    Some(Limits {
        runs: raw.max_runs.map_or(default.runs, NonZeroUsize::get),
        sources: raw.max_sources.map_or(default.sources, NonZeroUsize::get),
        held_bytes: raw
            .max_held_bytes
            .map_or(default.held_bytes, |size| usize::try_from(size.as_u64()).unwrap_or(usize::MAX)),
        ..default
    })
}
