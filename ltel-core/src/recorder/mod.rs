//! Recorders turn events into telemetry. A recorder declares what it emits ([`Spec`]), builds its instruments
//! once per run, and sees every event of the run.
//!
//! It does not know which backends exist: the same calls feed all of them.

mod spec;
mod common;
mod label_names;
mod moment;
mod context;
mod left_out;
mod instance;
mod memory;
mod mismatch;
mod options_check;
mod place;

use std::time::Duration;

use schemars::JsonSchema;
use serde::Deserialize;
use serde::de::DeserializeOwned;

use crate::event::Event;
use crate::figures::{RunFigures, Stage};
use crate::instrument::Instruments;

pub(crate) use self::common::constant_help;
pub use self::common::{Common, CommonKeys, Subject, constant_label, field_of};
pub use self::context::Context;
pub use self::instance::{AnyRecorder, Emitted, Factory, Origin, RecorderFactory};
pub use self::label_names::{LabelNames, taken_by, valid as valid_label};
pub use self::memory::{RecorderMemory, RunMemory, SeriesLimits};
pub use self::mismatch::SpecMismatch;
pub use self::moment::{Moment, NoState};
pub use self::options_check::OptionsCheck;
pub use self::spec::{InstrumentKind, InstrumentSpec, Needs, Per, RecordSpec, SpanSpec, Spec};

/// Turns events into telemetry.
pub trait Recorder: Sized + Send + 'static {
    /// What a user can set in the recorder's table of the configuration. [`NoOptions`] if nothing. Doc comments on its fields are
    /// shown by editors: they are the descriptions in the schema of the file, `ltel-cli schema`.
    type Options: DeserializeOwned + JsonSchema + Send + Sync + 'static;

    /// What it emits.
    const SPEC: &'static Spec;

    /// The interval of its ticks if the configuration sets none; if absent, that of its backends.
    const EVERY: Option<Duration> = None;

    /// About how many bytes it keeps itself of each series, beside its instruments: a part of what all recorders may take.
    const SERIES_BYTES: usize = 0;

    /// Whether it has the figures of the run: see [`Recorder::figures`].
    const HAS_FIGURES: bool = false;

    /// Whether what it emits is about many events, such as an interval's figures: then no label can be computed from one event, and
    /// with `when` its records say that they are not of all events.
    const MERGES_EVENTS: bool = false;

    /// Checks the options beyond what their types say, before anything else sees them, and reports each mistake at its place. It may
    /// also complete them, such as by what it compiles.
    fn check(_options: &mut Self::Options, _check: &mut OptionsCheck<'_>) {}

    /// What it emits with these options, where they declare it. The kind and the name of what it emits may differ from
    /// [`Recorder::SPEC`]; the name and the scope may not.
    fn spec(_options: &Self::Options) -> &'static Spec {
        Self::SPEC
    }

    /// What it needs of Locust with these options.
    fn needs(_options: &Self::Options) -> Needs {
        Self::SPEC.needs
    }

    /// Whether it has points with these options: false if they turn all of its instruments off.
    fn has_points(_options: &Self::Options) -> bool {
        !Self::SPEC.instruments.is_empty()
    }

    /// Whether it sees all requests by the names that Locust has for them: then no rule of `[[names]]` changes or drops one. Choose
    /// this for what must agree with Locust's own statistics.
    fn keeps_names(_options: &Self::Options) -> bool {
        false
    }

    /// The options of a recorder that has the same figures and emits nothing. ltel adds such a one without `when` where the configured
    /// ones do not see all events, so keep what changes figures. Without it, the figures are those of a `stats` without options.
    fn for_figures(_options: &Self::Options) -> Option<Self::Options> {
        None
    }

    /// Builds the recorder for one run. Its instruments come from [`Spec::instruments`].
    fn build(options: &Self::Options, instruments: &mut Instruments<'_>) -> Self;

    /// Sees one event.
    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Self::Options>);

    /// Called once per interval of the recorder while the run lasts.
    fn tick(&mut self, _cx: &mut Context<'_, Self::Options>) {}

    /// Called once, when the run is over and every event has been seen ([`Moment::is_complete`]).
    fn finish(&mut self, _cx: &mut Context<'_, Self::Options>) {}

    /// Called once before all events, if its figures will be asked for: what only they need is not kept otherwise.
    fn keep_figures(&mut self) {}

    /// The figures of the run at this stage: about once a second while it lasts, and once after [`Recorder::finish`]. ltel adds
    /// what it knows itself: the account, the annotations of processes that came and went, the thresholds.
    fn figures(&mut self, _stage: Stage, _cx: &mut Context<'_, Self::Options>) -> Option<RunFigures> {
        None
    }
}

/// The options of a recorder that has none: any key in its table is an error.
#[derive(Clone, Copy, Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct NoOptions {}
