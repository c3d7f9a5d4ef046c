//! What runs work with: a configuration and its started backends.

use std::sync::Arc;
use std::time::Duration;

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
    /// What it needs of Locust's side.
    pub(super) features: Arc<Features>,
    /// How often it wants the usage of the Locust processes.
    pub(super) usage_interval: Option<Duration>,
}

impl Equipment {
    pub(crate) fn new(config: Config, backends: Vec<Arc<BackendHandle>>) -> Self {
        let usage_interval = config.usage_interval();
        let mut features = config.features();
        features.usage_interval = usage_interval.map(|every| every.as_secs_f64());
        Self { config: Arc::new(config), backends: backends.into(), features: Arc::new(features), usage_interval }
    }
}
