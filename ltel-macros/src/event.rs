//! The events that the macro knows: their names, and the fields that a bare identifier can mean. They mirror
//! `ltel_core::event`. This crate cannot depend on it, but its tests can: `the_events_are_those_of_the_core` compares the names,
//! `tests/events.rs` the fields.

/// One kind of event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventKind {
    /// The variant of `ltel_core::event::Event`.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [EventField],
    /// Locust sends the event only if a recorder has this need.
    pub(crate) needs: Option<&'static str>,
}

/// What a bare identifier means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventField {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// Locust sends it only if a recorder sets this field of `ltel_core::recorder::Needs`.
    pub(crate) needs: Option<&'static str>,
}

/// How to read it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Field,
    Method,
}

const fn event(name: &'static str, fields: &'static [EventField]) -> EventKind {
    EventKind { name, fields, needs: None }
}

const fn field(name: &'static str) -> EventField {
    EventField { name, access: Access::Field, needs: None }
}

const fn method(name: &'static str) -> EventField {
    EventField { name, access: Access::Method, needs: None }
}

const fn extra(name: &'static str) -> EventField {
    EventField { name, access: Access::Method, needs: Some(name) }
}

/// All kinds, as `ltel_core::event::Event` has them.
pub(crate) const EVENTS: &[EventKind] = &[
    event(
        "TestStart",
        &[
            field("time"),
            field("run_id"),
            field("testplan"),
            field("host"),
            field("users"),
            field("spawn_rate"),
            field("run_time"),
            field("user_classes"),
            field("locustfile"),
            field("locust_version"),
        ],
    ),
    event("TestStop", &[field("time")]),
    event("SpawningComplete", &[field("time"), field("user_count")]),
    event("CpuWarning", &[field("time"), field("cpu_usage")]),
    event(
        "Usage",
        &[field("time"), field("cpu_percent"), field("memory_bytes"), field("net_sent_bytes"), field("net_recv_bytes")],
    )
    .needing("usage"),
    event("Users", &[field("time"), field("counts"), method("total")]),
    event(
        "Request",
        &[
            field("start_time"),
            method("end_time"),
            field("reported_at"),
            field("method"),
            field("name"),
            field("response_time"),
            field("response_length"),
            field("status_code"),
            field("error"),
            extra("url"),
            extra("user_class"),
            extra("context"),
            extra("request_length"),
        ],
    ),
    event(
        "Task",
        &[
            field("start_time"),
            method("end_time"),
            field("duration"),
            field("user_class"),
            field("name"),
            field("error"),
        ],
    )
    .needing("tasks"),
    event("UserError", &[field("time"), field("user"), field("error"), field("traceback")]),
    event("ResetStats", &[field("time")]),
    event("ReportToMaster", &[field("time"), field("number")]),
    event("Custom", &[field("time"), field("name"), field("attributes"), field("value")]),
    event(
        "Measurement",
        &[
            field("time"),
            field("name"),
            field("kind"),
            field("unit"),
            field("description"),
            field("value"),
            field("labels"),
        ],
    )
    .needing("measurements"),
    event("Workers", &[field("time"), field("connected"), field("missing"), field("expected")]),
    event(
        "Log",
        &[
            field("time"),
            field("level"),
            field("level_number"),
            field("logger"),
            field("message"),
            field("traceback"),
            field("file"),
            field("line"),
            field("function"),
            field("user_class"),
            field("dropped"),
        ],
    )
    .needing("logs"),
];

/// The kind with this name.
pub(crate) fn kind(name: &str) -> Option<&'static EventKind> {
    EVENTS.iter().find(|kind| kind.name == name)
}

impl EventKind {
    const fn needing(mut self, need: &'static str) -> Self {
        self.needs = Some(need);
        self
    }

    pub(crate) fn field(&self, name: &str) -> Option<&'static EventField> {
        self.fields.iter().find(|field| field.name == name)
    }
}
