//! What runs work with: a configuration and its started backends.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::recorder::Needs;
use ltel_core::wire::Features;

use crate::config::Config;
use crate::deliver::BackendHandle;

/// A configuration and its backends. Read again, the file makes another one, for the runs that begin from then on. A backend ends when
/// no equipment has it any more.
#[derive(Debug)]
pub(crate) struct Equipment {
    pub(crate) config: Arc<Config>,
    /// In the order of the configuration.
    pub(crate) backends: Arc<[Arc<BackendHandle>]>,
    /// What its recorders need of Locust's side.
    needs: Needs,
    /// The same, as clients are told in a run that has this equipment.
    pub(super) features: Arc<Features>,
    /// How often it wants the usage of the Locust processes.
    pub(super) usage_interval: Option<Duration>,
}

impl Equipment {
    pub(crate) fn new(config: Config, backends: Vec<Arc<BackendHandle>>) -> Self {
        let (needs, usage_interval) = (config.needs(), config.usage_interval());
        let features = Arc::new(features(needs, usage_interval));
        Self { config: Arc::new(config), backends: backends.into(), needs, features, usage_interval }
    }

    /// Whether runs that have it are judged.
    pub(super) fn has_thresholds(&self) -> bool {
        !self.config.thresholds.list.is_empty()
    }

    /// What all of them need together.
    pub(super) fn features_of_all<'a>(all: impl Iterator<Item = &'a Arc<Self>>) -> Features {
        let (needs, usage_interval) = all.fold((Needs::NONE, None::<Duration>), |(needs, every), equipment| {
            (needs.and(equipment.needs), every.into_iter().chain(equipment.usage_interval).min())
        });
        features(needs, usage_interval)
    }
}

fn features(needs: Needs, usage_interval: Option<Duration>) -> Features {
    Features { usage_interval: usage_interval.map(|every| every.as_secs_f64()), ..needs.features() }
}
