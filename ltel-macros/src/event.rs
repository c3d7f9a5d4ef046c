//! What the macro knows of events: their names and the fields that a bare identifier can mean. `ltel_core::event` is the
//! truth. This crate cannot depend on it, but its tests can: `the_events_are_those_of_the_core` compares the names,
//! `tests/events.rs` the fields.

/// One kind of event.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventKind {
    /// The variant of `ltel_core::event::Event`.
    pub(crate) name: &'static str,
    pub(crate) fields: &'static [EventField],
}

/// What a bare identifier means.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct EventField {
    pub(crate) name: &'static str,
    pub(crate) access: Access,
    /// The field of `ltel_core::recorder::Needs` without which Locust does not send it.
    pub(crate) needs: Option<&'static str>,
}

/// How to get at it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Access {
    Field,
    Method,
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
    EventKind {
        name: "TestStart",
        fields: &[
            field("time"),
            field("run_id"),
            field("testplan"),
            field("host"),
            field("users"),
            field("spawn_rate"),
            field("run_time"),
            field("user_classes"),
            field("locustfile"),
        ],
    },
    EventKind { name: "TestStop", fields: &[field("time")] },
    EventKind { name: "SpawningComplete", fields: &[field("time"), field("user_count")] },
    EventKind { name: "CpuWarning", fields: &[field("time"), field("cpu_usage")] },
    EventKind {
        name: "Usage",
        fields: &[
            field("time"),
            field("cpu_percent"),
            field("memory_bytes"),
            field("net_sent_bytes"),
            field("net_recv_bytes"),
        ],
    },
    EventKind { name: "Users", fields: &[field("time"), field("counts"), method("total")] },
    EventKind {
        name: "Request",
        fields: &[
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
    },
    EventKind {
        name: "Task",
        fields: &[
            field("start_time"),
            method("end_time"),
            field("duration"),
            field("user_class"),
            field("name"),
            field("error"),
        ],
    },
    EventKind { name: "UserError", fields: &[field("time"), field("user"), field("error"), field("traceback")] },
    EventKind { name: "ResetStats", fields: &[field("time")] },
    EventKind { name: "ReportToMaster", fields: &[field("time"), field("number")] },
    EventKind { name: "Custom", fields: &[field("time"), field("name"), field("attributes"), field("value")] },
];

/// The kind of this name.
pub(crate) fn kind(name: &str) -> Option<&'static EventKind> {
    EVENTS.iter().find(|kind| kind.name == name)
}

impl EventKind {
    pub(crate) fn field(&self, name: &str) -> Option<&'static EventField> {
        self.fields.iter().find(|field| field.name == name)
    }
}
