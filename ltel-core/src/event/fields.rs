//! The fields of events by name: what expressions of a configuration can read. The names are those of the structs, and of the
//! reference of the derive.

use super::{Event, EventKind};
use crate::expression::Value;
use crate::recorder::Needs;

/// The type of a field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldType {
    /// A whole number.
    Int,
    /// A number with a fraction.
    Double,
    /// A text.
    String,
    /// The error of a request or task: a map with the texts `class` and `text`.
    Error,
    /// A map from texts to values of any type.
    Map,
    /// A map from texts to whole numbers.
    Counts,
    /// A list of texts.
    Strings,
}

/// A field of an event.
#[derive(Clone, Copy, Debug)]
pub struct Field {
    /// Its name.
    pub name: &'static str,
    /// Its type.
    pub field_type: FieldType,
    /// Its unit, in UCUM, where its numbers have one.
    pub unit: Option<&'static str>,
    /// Whether it may be absent: then its value is null.
    pub optional: bool,
    /// What makes Locust send it.
    pub needs: Needs,
    read: for<'a> fn(&Event<'a>) -> Value<'a>,
}

impl Field {
    /// Its value; null if it is absent or the event is of another kind.
    #[inline]
    #[must_use]
    pub fn read<'a>(&self, event: &Event<'a>) -> Value<'a> {
        (self.read)(event)
    }
}

/// Each event with its fields: name, type, its unit if it has one, how to read it; `?` after these if it may be absent, then what it
/// needs beside the event.
macro_rules! fields {
    ($($event:ident $(needs $event_need:ident)? { $($name:ident: $type:ident $(in $unit:literal)? $(? $(needs $need:ident)?)? = |$e:ident| $value:expr;)* })*) => {
        impl EventKind {
            /// Its fields.
            #[must_use]
            pub const fn fields(self) -> &'static [Field] {
                match self {
                    $(Self::$event => const { &[$(
                        Field {
                            name: stringify!($name),
                            field_type: FieldType::$type,
                            unit: fields!(@unit $($unit)?),
                            optional: fields!(@optional $(? $(needs $need)?)?),
                            needs: Needs { $($($need: true,)?)? ..Needs::NONE },
                            read: |event| match event {
                                Event::$event($e) => Value::from($value),
                                _ => Value::Null,
                            },
                        },
                    )*] },)*
                }
            }

            /// What makes Locust send it.
            #[must_use]
            pub const fn needs(self) -> Needs {
                match self {
                    $(Self::$event => Needs { $($event_need: true,)? ..Needs::NONE },)*
                }
            }
        }
    };
    (@unit) => { None };
    (@unit $unit:literal) => { Some($unit) };
    (@optional) => { false };
    (@optional ? $(needs $need:ident)?) => { true };
}

fields! {
    Request {
        start_time: Double in "s" = |r| r.start_time;
        end_time: Double in "s" = |r| r.end_time();
        reported_at: Double in "s" = |r| r.reported_at;
        method: String = |r| &*r.method;
        name: String = |r| &*r.name;
        response_time: Double in "ms"? = |r| r.response_time.ms();
        response_length: Int in "By" = |r| r.response_length;
        status_code: Int? = |r| r.status_code.map(u64::from);
        error: Error? = |r| r.error.as_ref();
        url: String? needs url = |r| r.url();
        user_class: String? needs user_class = |r| r.user_class();
        context: Map? needs context = |r| r.extra.as_ref().map(|extra| &extra.context);
        request_length: Int in "By"? needs request_length = |r| r.request_length();
    }
    Task needs tasks {
        start_time: Double in "s" = |t| t.start_time;
        end_time: Double in "s" = |t| t.end_time();
        duration: Double in "ms" = |t| t.duration;
        user_class: String = |t| &*t.user_class;
        name: String = |t| &*t.name;
        error: Error? = |t| t.error.as_ref();
    }
    Measurement needs measurements {
        time: Double in "s" = |m| m.time;
        name: String = |m| &*m.name;
        kind: String = |m| m.kind.as_str();
        unit: String = |m| &*m.unit;
        description: String = |m| &*m.description;
        value: Double = |m| m.value;
        labels: Map = |m| &*m.labels;
    }
    TestStart {
        time: Double in "s" = |e| e.time;
        run_id: String? = |e| e.run_id.as_deref();
        testplan: String? = |e| e.testplan.as_deref();
        host: String? = |e| e.host.as_deref();
        users: Int? = |e| e.users;
        spawn_rate: Double? = |e| e.spawn_rate;
        run_time: Double in "s"? = |e| e.run_time;
        user_classes: Strings = |e| &*e.user_classes;
        locustfile: String? = |e| e.locustfile.as_deref();
        locust_version: String? = |e| e.locust_version.as_deref();
    }
    TestStop {
        time: Double in "s" = |e| e.time;
    }
    SpawningComplete {
        time: Double in "s" = |e| e.time;
        user_count: Int = |e| e.user_count;
    }
    CpuWarning {
        time: Double in "s" = |e| e.time;
        cpu_usage: Double in "%" = |e| e.cpu_usage;
    }
    Usage needs usage {
        time: Double in "s" = |e| e.time;
        cpu_percent: Double in "%" = |e| e.cpu_percent;
        memory_bytes: Int in "By" = |e| e.memory_bytes;
        net_sent_bytes: Int in "By" = |e| e.net_sent_bytes;
        net_recv_bytes: Int in "By" = |e| e.net_recv_bytes;
    }
    Users {
        time: Double in "s" = |e| e.time;
        counts: Counts = |e| &e.counts;
        total: Int = |e| e.total();
    }
    UserError {
        time: Double in "s" = |e| e.time;
        user: String = |e| &*e.user;
        error: String = |e| &*e.error;
        traceback: String = |e| &*e.traceback;
    }
    ResetStats {
        time: Double in "s" = |e| e.time;
    }
    ReportToMaster {
        time: Double in "s" = |e| e.time;
        number: Int = |e| e.number;
    }
    Custom {
        time: Double in "s" = |e| e.time;
        name: String = |e| &*e.name;
        attributes: Map = |e| &e.attributes;
        value: Double? = |e| e.value;
    }
    Workers {
        time: Double in "s" = |e| e.time;
        connected: Int = |e| e.connected;
        missing: Int = |e| e.missing;
        expected: Int? = |e| e.expected;
    }
    Log {
        time: Double in "s" = |e| e.time;
        level: String = |e| &*e.level;
        level_number: Int = |e| e.level_number;
        logger: String = |e| &*e.logger;
        message: String = |e| &*e.message;
        traceback: String? = |e| e.traceback.as_deref();
        file: String? = |e| e.file.as_deref();
        line: Int? = |e| e.line;
        function: String? = |e| e.function.as_deref();
        user_class: String? = |e| e.user_class.as_deref();
    }
}
