//! Which recorder types a binary has. Registration is explicit: one line per recorder, in the binary's `main`.

use std::time::Duration;

use serde::Deserialize;
use serde_aux::serde_introspection::serde_introspect;
use toml::de::{Error, ValueDeserializer};

use crate::recorder::{Factory, Recorder, RecorderFactory, Spec};

/// The recorder types that a configuration can select.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    types: Vec<RecorderType>,
}

impl Registry {
    /// No recorders at all. `ltel_recorders::registry()` has the built-in ones.
    #[must_use]
    pub const fn new() -> Self {
        Self { types: Vec::new() }
    }

    /// Adds a recorder type. A later one of the same name takes the place of the earlier.
    #[must_use]
    pub fn with<R: Recorder>(mut self) -> Self {
        self.types.retain(|have| have.spec.name != R::SPEC.name);
        self.types.push(RecorderType {
            spec: R::SPEC,
            every: R::EVERY,
            options: serde_introspect::<R::Options>(),
            configure: |options| {
                let options = R::Options::deserialize(options)?;
                Ok(Box::new(Factory::<R>::new(options)))
            },
        });
        self
    }

    /// All types, in the order of their registration.
    pub fn types(&self) -> impl Iterator<Item = &RecorderType> {
        self.types.iter()
    }

    /// The type of this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RecorderType> {
        self.types.iter().find(|have| have.spec.name == name)
    }
}

/// One recorder type.
#[derive(Clone, Copy, Debug)]
pub struct RecorderType {
    /// What it emits.
    pub spec: &'static Spec,
    /// The interval of its ticks where the configuration says none ([`Recorder::EVERY`]).
    pub every: Option<Duration>,
    /// The keys of its options.
    pub options: &'static [&'static str],
    configure: fn(ValueDeserializer<'_>) -> Result<Box<dyn RecorderFactory>, Error>,
}

impl RecorderType {
    /// Reads the recorder's options from its table of the configuration. The error knows where in the file it is.
    pub fn configure(&self, options: ValueDeserializer<'_>) -> Result<Box<dyn RecorderFactory>, Error> {
        (self.configure)(options)
    }
}
