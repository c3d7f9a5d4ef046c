//! `[limits]`: how many runs and sources clients may create, and how much may be held for them.

use std::num::NonZeroUsize;

use bytesize::ByteSize;
use ltel_core::backend::ConfigError;
use ltel_core::runs::Limits;
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use super::section::Section;
use super::values::Size;

// Less is hardly meant: each client may hold an eighth of the one, each run has a part of the other.
const LEAST_HELD: &str = "64KiB";
const LEAST_RECORDED: &str = "1MiB";

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
    max_held_bytes: Option<Spanned<Size>>,
    /// What the recorders of all runs keep in memory, by estimate: series, and figures of endpoints and errors. A series for which
    /// there is no room is counted in the recorder's overflow series, as beyond its `series_limit`.
    #[schemars(with = "Option<schema::Bytes>", extend("default" = "96MiB"))]
    max_recorder_bytes: Option<Spanned<Size>>,
}

/// Reads and checks `[limits]`.
pub(super) fn read(section: Section<'_>, errors: &mut Vec<ConfigError>) -> Option<Limits> {
    let raw = section.read::<RawLimits>(&[], errors)?;
    let default = Limits::default();
    let mut at_least = |key: &str, size: Option<Spanned<Size>>, least: &str, why: &str, default: usize| {
        let Some(size) = size else { return default };
        if least.parse::<ByteSize>().is_ok_and(|least| size.get_ref().as_u64() < least.as_u64()) {
            errors.push(
                ConfigError::new(format!("`{key}` in [limits] is too small: {why}"), size.span())
                    .help(format!("write \"{least}\" or more, or remove the key: its default is larger")),
            );
        }
        size.get_ref().as_usize()
    };
    Some(Limits {
        runs: raw.max_runs.map_or(default.runs, NonZeroUsize::get),
        sources: raw.max_sources.map_or(default.sources, NonZeroUsize::get),
        held_bytes: at_least(
            "max_held_bytes",
            raw.max_held_bytes,
            LEAST_HELD,
            "what clients send before their run is known would be lost",
            default.held_bytes,
        ),
        recorder_bytes: at_least(
            "max_recorder_bytes",
            raw.max_recorder_bytes,
            LEAST_RECORDED,
            "no series would have room",
            default.recorder_bytes,
        ),
        ..default
    })
}
