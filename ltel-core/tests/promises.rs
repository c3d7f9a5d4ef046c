//! What a recorder says of itself, and what it does: a difference is never silent.
#![allow(missing_docs, clippy::unwrap_used, clippy::float_cmp)]

use ltel_core::prelude::*;
use ltel_core::replay::{Replay, request, task, usage, user_error};
use ltel_core::trace::{self, SpanHead, TraceContext};
use ltel_core::{Timestamp, trace::SpanData};
use opentelemetry::trace::SpanKind;
use opentelemetry::{InstrumentationScope, KeyValue};

const REQUESTS: InstrumentSpec = InstrumentSpec::new("requests", InstrumentKind::Counter, "1", "Requests.");
const UNLISTED: InstrumentSpec = InstrumentSpec::new("unlisted", InstrumentKind::Counter, "1", "Nobody knows.");

/// Does what one of its options says.
struct Odd {
    requests: Counter,
}

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Options {
    does: String,
}

impl Recorder for Odd {
    type Options = Options;

    const SPEC: &'static Spec = &Spec {
        name: "odd",
        description: "Does what one of its options says.",
        scope: "test",
        events: &[EventKind::Request],
        per: Per::Source,
        labels: &["method"],
        instruments: &[REQUESTS],
        records: &[RecordSpec { name: "odd.seen", description: "Seen.", fields: &["name", "p_{n}"] }],
        spans: &[SpanSpec { name: "{method} {name}", description: "A request.", attributes: &["http.request.method"] }],
        needs: Needs::NONE,
    };

    fn build(options: &Options, instruments: &mut Instruments<'_>) -> Self {
        match &*options.does {
            "unlisted instrument" => _ = instruments.counter::<u64>(&UNLISTED),
            "another kind" => _ = instruments.histogram(&REQUESTS),
            _ => {}
        }
        Self { requests: instruments.counter(&REQUESTS) }
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Options>) {
        let Event::Request(request) = event else { return };
        let method = Label::Str(&request.method);
        let seen = |name: &'static str| Record::new(RecordKind::Event, name, cx.now());
        match &*cx.options().does {
            "unlisted record" => cx.emit(seen("odd.sen")),
            "unlisted field" => cx.emit(seen("odd.seen").field("name", "/").field("nam", "/")),
            "unlisted span" => cx.emit_span(span("checkout", &[])),
            "unlisted attribute" => cx.emit_span(span("GET /", &["http.method"])),
            "unlisted written span" => write(cx, &["checkout"], &["http.request.method"]),
            "unlisted written attribute" => write(cx, &["GET", " /"], &["http.request.method", "http.method"]),
            "more labels" => {
                cx.series([method, Label::Absent]);
            }
            _ => {
                cx.emit(seen("odd.seen").field("name", "/").field("p_99", 1));
                cx.emit_span(span("GET /", &["http.request.method"]));
                write(cx, &["GET", " /"], &["http.request.method"]);
                self.requests.add(cx.series([method]), 1);
            }
        }
    }
}

fn write(cx: &mut Context<'_, Options>, name: &[&str], attributes: &[&'static str]) {
    let context = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).unwrap();
    let now = Timestamp::default();
    cx.write_span(&SpanHead { context, kind: SpanKind::Client, name, start: now, end: now }, |span| {
        for name in attributes {
            span.attribute(name, 1);
        }
    });
}

fn span(name: &'static str, attributes: &[&'static str]) -> SpanData {
    let ids = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).unwrap();
    let scope = InstrumentationScope::builder("test").build();
    let now = Timestamp::default();
    let mut span = trace::span(&ids, SpanKind::Client, name.into(), (now, now), &scope);
    span.attributes = attributes.iter().map(|key| KeyValue::new(*key, 1)).collect();
    span
}

fn replayed(does: &str) -> Result<String, String> {
    let replay = Replay::of::<Odd>().options(&format!("does = {does:?}"));
    let replay = replay.events([request("GET", "/"), request("GET", "/")]);
    std::panic::catch_unwind(|| replay.finish().to_string()).map_err(|payload| *payload.downcast::<String>().unwrap())
}

/// Scenario: a recorder builds or emits what its spec does not have. Guarantees: the first test of it says so, each
/// difference once.
#[test]
fn a_spec_that_disagrees_fails_the_replay() {
    replayed("all is well").unwrap();
    let all = [
        "unlisted instrument",
        "another kind",
        "unlisted record",
        "unlisted field",
        "unlisted span",
        "unlisted attribute",
        "unlisted written span",
        "unlisted written attribute",
        "more labels",
    ];
    let messages: Vec<_> = all.map(|does| replayed(does).unwrap_err()).into();
    insta::assert_snapshot!(messages.join("\n"));
}

/// Traffic by tenant.
#[derive(Recorder)]
#[recorder(on = Request, labels(tenant = |r| r.context().and_then(|context| context.get("tenant"))))]
struct Forgetful {
    /// Requests.
    #[counter]
    requests: Counter,
}

/// Traffic by tenant.
#[derive(Recorder)]
#[recorder(on = Request, labels(tenant = |r| r.context().and_then(|context| context.get("tenant"))), needs(context))]
struct Mindful {
    /// Requests.
    #[counter]
    requests: Counter,
}

/// Scenario: a recorder looks at what Locust sends only on demand, and does not ask for it. Guarantees: its test shows what a
/// real test would, and how to get the rest.
#[test]
fn what_is_not_needed_is_withheld() {
    let event = || request("GET", "/").context("tenant", "x").url("http://shop/").user_class("A").sent_bytes(7);
    let out = Replay::of::<Forgetful>().event(event()).finish();
    insta::assert_snapshot!(out);
    assert_eq!(Replay::of::<Mindful>().event(event()).finish().value("mindful.requests", &[("tenant", "x")]), 1.0);
    let needs = Needs { context: true, ..Needs::NONE };
    let out = Replay::of::<Forgetful>().also_needed(needs).event(event()).finish();
    assert_eq!(out.value("forgetful.requests", &[("tenant", "x")]), 1.0);
}

/// What traces are asked for.
struct Traced;

#[derive(serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Traces {
    needs: Vec<String>,
}

impl Recorder for Traced {
    type Options = Traces;

    const SPEC: &'static Spec = &Spec {
        name: "traced",
        description: "What traces are asked for.",
        scope: "test",
        events: &[EventKind::Request],
        per: Per::Run,
        labels: &[],
        instruments: &[],
        records: &[RecordSpec { name: "traced.seen", description: "Seen.", fields: &["what", "url"] }],
        spans: &[],
        needs: Needs::NONE,
    };

    fn needs(options: &Traces) -> Needs {
        let has = |name: &str| options.needs.iter().any(|have| have == name);
        let features = ltel_core::wire::TraceFeatures { tasks: has("tasks"), ..Default::default() };
        Needs { usage: has("usage"), trace: (has("trace") || has("tasks")).then_some(features), ..Needs::NONE }
    }

    fn build(_: &Traces, _: &mut Instruments<'_>) -> Self {
        Self
    }

    fn record(&mut self, event: &Event<'_>, cx: &mut Context<'_, Traces>) {
        let (what, url) = match event {
            Event::Request(request) => ("request", request.url()),
            Event::Task(_) => ("task", None),
            Event::Usage(_) => ("usage", None),
            _ => ("other", None),
        };
        cx.emit(Record::new(RecordKind::Event, "traced.seen", cx.now()).field("what", what).field("url", url));
    }
}

/// Scenario: the options decide what a recorder needs. Guarantees: events that Locust sends on demand come only then, and
/// with traces the URL of what is traced.
#[test]
fn needs_come_from_the_options() {
    let ids = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).unwrap();
    let shown = |needs: &str| {
        let out = Replay::of::<Traced>()
            .options(&format!("needs = {needs}"))
            .event(request("GET", "/").trace(ids).url("http://shop/"))
            .event(task("A", "buy").trace(ids))
            .event(usage().cpu(1.0))
            .event(user_error("A", "KeyError: x").trace(ids))
            .finish();
        format!("needs = {needs}\n{out}")
    };
    insta::assert_snapshot!(["[]", "['usage']", "['trace']", "['tasks']"].map(shown).join("\n"));
}

/// Everything that a derived recorder can need.
#[derive(Recorder)]
#[recorder(on = [Task, Usage], needs(trace))]
struct Needy {
    /// All.
    #[record]
    all: Records,
}

#[test]
fn events_on_demand_are_asked_for() {
    let needs = Needy::SPEC.needs;
    assert!(needs.usage && needs.tasks && needs.trace.is_some_and(|trace| trace.tasks && !trace.propagate));
    let out = Replay::of::<Needy>().event(task("A", "buy")).event(usage()).finish();
    assert_eq!(out.records.len(), 2);
}
