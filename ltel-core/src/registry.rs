//! The types of recorders and backends in a binary. Registration is explicit: one line per type, in the binary's `main`.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;
use std::time::Duration;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::Error as _;
use toml::de::{Error, ValueDeserializer};

use crate::backend::{AnyBackend, Backend, BackendSpec, Check, ConfigError};
use crate::options::Keys;
use crate::recorder::{Factory, OptionsCheck, Recorder, RecorderFactory, Spec};
use crate::text::{panic_message, printable};

/// The types of recorders and backends that a configuration can select.
#[derive(Clone, Debug, Default)]
pub struct Registry {
    types: Vec<RecorderType>,
    backends: Vec<BackendType>,
}

impl Registry {
    /// No types at all. `ltel_recorders::registry()` has the built-in recorders; `ltel_cli::run` adds the built-in backends.
    #[must_use]
    pub const fn new() -> Self {
        Self { types: Vec::new(), backends: Vec::new() }
    }

    /// Adds a recorder type. It replaces an earlier one with the same name.
    #[must_use]
    pub fn with<R: Recorder>(mut self) -> Self {
        self.types.retain(|have| have.spec.name != R::SPEC.name);
        self.types.push(RecorderType {
            spec: R::SPEC,
            every: R::EVERY,
            options: Keys::of::<R::Options>(),
            schema: R::Options::json_schema,
            configure: |options, check| {
                let factory = caught(|| {
                    let mut options = R::Options::deserialize(options)?;
                    R::check(&mut options, check);
                    Ok(Factory::<R>::new(options))
                })?;
                Ok(Box::new(factory))
            },
        });
        self
    }

    /// Adds a type of backend. It replaces an earlier one with the same name; your own replaces a
    /// built-in one.
    #[must_use]
    pub fn backend<B: Backend>(mut self) -> Self {
        self.backends.retain(|have| have.spec.name != B::SPEC.name);
        self.backends.push(BackendType {
            spec: B::SPEC,
            options: Keys::of::<B::Options>(),
            schema: B::Options::json_schema,
            read: |options| {
                caught(|| {
                    let options = B::Options::deserialize(options)?;
                    Ok(UncheckedBackend(Box::new(move |cx| {
                        let checked = catch_unwind(AssertUnwindSafe(|| B::check(options, cx)));
                        let checked = checked.unwrap_or_else(|payload| {
                            let message = printable(panic_message(&*payload));
                            let error = format!("checking {} panicked: {message}", cx.place.title);
                            cx.error(ConfigError::new(error, cx.header()));
                            None
                        });
                        Some(Arc::new(checked?))
                    })))
                })
            },
        });
        self
    }

    /// Adds the types of backends of another registry, except those whose name is already registered.
    #[must_use]
    pub fn with_backends_of(mut self, other: &Self) -> Self {
        let missing: Vec<_> =
            other.backends.iter().copied().filter(|type_| self.backend_type(type_.spec.name).is_none()).collect();
        self.backends.extend(missing);
        self
    }

    /// All types of backends.
    pub fn backend_types(&self) -> impl Iterator<Item = &BackendType> {
        self.backends.iter()
    }

    /// The type of backend with this name.
    #[must_use]
    pub fn backend_type(&self, name: &str) -> Option<&BackendType> {
        self.backends.iter().find(|have| have.spec.name == name)
    }

    /// All types of recorders, in the order of their registration.
    pub fn types(&self) -> impl Iterator<Item = &RecorderType> {
        self.types.iter()
    }

    /// The type with this name.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&RecorderType> {
        self.types.iter().find(|have| have.spec.name == name)
    }
}

/// Turns a panic of a type, while it reads its options or states its needs, into an error of the configuration.
fn caught<T>(read: impl FnOnce() -> Result<T, Error>) -> Result<T, Error> {
    catch_unwind(AssertUnwindSafe(read)).unwrap_or_else(|payload| {
        Err(Error::custom(format!("reading the options panicked: {}", printable(panic_message(&*payload)))))
    })
}

/// One recorder type.
#[derive(Clone, Copy, Debug)]
pub struct RecorderType {
    /// What it emits.
    pub spec: &'static Spec,
    /// The interval of its ticks if the configuration sets none ([`Recorder::EVERY`]).
    pub every: Option<Duration>,
    /// The keys of its options.
    pub options: Keys,
    schema: fn(&mut SchemaGenerator) -> Schema,
    configure: Configure,
}

type Configure = fn(ValueDeserializer<'_>, &mut OptionsCheck<'_>) -> Result<Box<dyn RecorderFactory>, Error>;

impl RecorderType {
    /// The JSON Schema of its options.
    #[must_use]
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads the recorder's options from its table of the configuration, and checks them. The error has its location in the file.
    pub fn configure(
        &self,
        options: ValueDeserializer<'_>,
        check: &mut OptionsCheck<'_>,
    ) -> Result<Box<dyn RecorderFactory>, Error> {
        (self.configure)(options, check)
    }
}

/// One type of backends.
#[derive(Clone, Copy, Debug)]
pub struct BackendType {
    /// What it is.
    pub spec: &'static BackendSpec,
    /// The keys of its options.
    pub options: Keys,
    schema: fn(&mut SchemaGenerator) -> Schema,
    read: fn(ValueDeserializer<'_>) -> Result<UncheckedBackend, Error>,
}

impl BackendType {
    /// The JSON Schema of its options.
    #[must_use]
    pub fn schema(&self, generator: &mut SchemaGenerator) -> Schema {
        (self.schema)(generator)
    }

    /// Reads the backend's options from its table of the configuration. The error has its location in the file.
    pub fn read(&self, options: ValueDeserializer<'_>) -> Result<UncheckedBackend, Error> {
        (self.read)(options)
    }
}

/// A backend whose options have been read.
pub struct UncheckedBackend(Box<CheckOptions>);

type CheckOptions = dyn FnOnce(&mut Check<'_>) -> Option<Arc<dyn AnyBackend>>;

impl UncheckedBackend {
    /// Checks the options; reports errors to `cx`.
    pub fn check(self, cx: &mut Check<'_>) -> Option<Arc<dyn AnyBackend>> {
        (self.0)(cx)
    }
}

impl fmt::Debug for UncheckedBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("UncheckedBackend")
    }
}
