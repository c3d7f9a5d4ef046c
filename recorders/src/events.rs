//! `events`: the records of the locustfile (`ltel_locust.record`), as they are.
//!
//! Hand-written rather than derived: a derived record has no message of its own.

use ltel_core::Timestamp;
use ltel_core::event::Custom;
use ltel_core::prelude::*;

/// The name of its records. The locustfile's own name is a field: it may be any text, also that of another record.
pub const EVENT: &str = "locust.tl.event.custom";

/// The records of the locustfile (`ltel_locust.record`).
#[derive(Debug)]
pub struct Events;

impl Recorder for Events {
    type Options = NoOptions;

    const SPEC: &'static Spec = &Spec {
        name: "events",
        description: "The records of the locustfile (`ltel_locust.record`).",
        scope: crate::SCOPE,
        events: &[EventKind::Custom],
        per: Per::Source,
        labels: &[],
        instruments: &[],
        records: &[RecordSpec {
            name: EVENT,
            description: "An event of the locustfile, by its `name`, with its `value` and `attributes` if it has them.",
            fields: &["name", "value", "attributes"],
        }],
        spans: &[],
        needs: Needs::NONE,
    };

    fn build(_: &NoOptions, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, NoOptions>) {
        if let Event::Custom(event) = event {
            cx.emit(record(event));
        }
    }
}

fn record(event: &Custom) -> Record {
    let record = Record::new(RecordKind::Event, EVENT, Timestamp::from_secs(event.time)).body(&*event.name);
    let record = record.field("name", &*event.name);
    let record = match event.value {
        Some(value) => record.field("value", value),
        None => record,
    };
    if event.attributes.is_empty() { record } else { record.field("attributes", event.attributes.clone()) }
}
