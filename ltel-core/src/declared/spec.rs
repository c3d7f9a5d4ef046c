//! Specs that are made when a configuration is read. A spec lives as long as the program, so each content has one: reading the
//! same file again takes no memory.

use std::collections::HashMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use crate::event::EventKind;
use crate::recorder::{InstrumentKind, InstrumentSpec, Needs, Per, RecordSpec, Recorder, Spec};

use super::Declared;

/// The content of a spec.
#[derive(Debug)]
pub(super) struct Content {
    pub(super) description: String,
    pub(super) on: EventKind,
    pub(super) per: Per,
    pub(super) instruments: Vec<InstrumentContent>,
    pub(super) records: Vec<RecordContent>,
    pub(super) needs: Needs,
}

#[derive(Debug)]
pub(super) struct InstrumentContent {
    pub(super) field: String,
    pub(super) name: Option<String>,
    pub(super) kind: InstrumentKind,
    pub(super) unit: String,
    pub(super) description: String,
    pub(super) buckets: Vec<f64>,
    pub(super) attributes: Vec<(String, String)>,
}

#[derive(Debug)]
pub(super) struct RecordContent {
    /// The whole name.
    pub(super) name: String,
    pub(super) description: String,
    pub(super) fields: Vec<String>,
}

static MADE: LazyLock<Mutex<HashMap<String, &'static Spec>>> = LazyLock::new(Mutex::default);

impl Content {
    /// The spec with this content.
    pub(super) fn spec(self) -> &'static Spec {
        let mut made = MADE.lock().unwrap_or_else(PoisonError::into_inner);
        let key = format!("{self:?}");
        made.entry(key).or_insert_with(|| self.leaked())
    }

    fn leaked(self) -> &'static Spec {
        let instrument = |instrument: InstrumentContent| InstrumentSpec {
            field: instrument.field.leak(),
            name: instrument.name.map(|name| &*name.leak()),
            kind: instrument.kind,
            unit: instrument.unit.leak(),
            description: instrument.description.leak(),
            buckets: instrument.buckets.leak(),
            attributes: leaked(instrument.attributes, |(name, value)| (&*name.leak(), &*value.leak())),
        };
        let record = |record: RecordContent| RecordSpec {
            name: record.name.leak(),
            description: record.description.leak(),
            fields: leaked(record.fields, |field| &*field.leak()),
        };
        Box::leak(Box::new(Spec {
            description: self.description.leak(),
            events: vec![self.on].leak(),
            per: self.per,
            instruments: leaked(self.instruments, instrument),
            records: leaked(self.records, record),
            needs: self.needs,
            ..*Declared::SPEC
        }))
    }
}

fn leaked<T, U>(items: Vec<T>, leak: impl FnMut(T) -> U) -> &'static [U] {
    items.into_iter().map(leak).collect::<Vec<_>>().leak()
}
