//! Spans as they leave: the bytes are those that OpenTelemetry's own encoder writes, and they are read as they were.
#![allow(missing_docs, clippy::unwrap_used)]

use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::label::Label;
use ltel_core::trace::{
    self, AttributeView, EncodedAttributes, EncodedSpans, SpanData, SpanHead, StatusView, TraceContext,
};
use opentelemetry::trace::{Event, Link, SpanContext, SpanId, SpanKind, Status, TraceFlags, TraceId, TraceState};
use opentelemetry::{Array, InstrumentationScope, KeyValue, Value};
use opentelemetry_proto::tonic::trace::v1::Span;
use opentelemetry_sdk::trace::{SpanEvents, SpanLinks};
use proptest::prelude::*;
use prost::Message;

fn values() -> impl Strategy<Value = Value> {
    let texts = any::<String>().prop_map(|text| Value::String(text.into()));
    let arrays = prop_oneof![
        prop::collection::vec(any::<bool>(), 1..4).prop_map(Array::Bool),
        prop::collection::vec(any::<i64>(), 1..4).prop_map(Array::I64),
        prop::collection::vec(-1e9..1e9, 1..4).prop_map(Array::F64),
        prop::collection::vec(any::<String>().prop_map(Into::into), 0..4).prop_map(Array::String),
    ];
    prop_oneof![
        4 => texts,
        // Lengths that take two bytes, and three.
        1 => (100_usize..20_000).prop_map(|len| Value::String("é".repeat(len).into())),
        1 => any::<bool>().prop_map(Value::Bool),
        1 => any::<i64>().prop_map(Value::I64),
        1 => (-1e9..1e9).prop_map(Value::F64),
        1 => arrays.prop_map(Value::Array),
    ]
}

fn attributes() -> impl Strategy<Value = Vec<KeyValue>> {
    prop::collection::vec((any::<String>(), values()).prop_map(|(key, value)| KeyValue::new(key, value)), 0..6)
}

fn contexts() -> impl Strategy<Value = SpanContext> {
    let states = prop_oneof![Just(TraceState::NONE), Just(TraceState::from_key_value([("a", "b")]).unwrap())];
    (any::<(u128, u64, bool, bool)>(), states).prop_map(|((trace, span, sampled, is_remote), state)| {
        let flags = if sampled { TraceFlags::SAMPLED } else { TraceFlags::NOT_SAMPLED };
        SpanContext::new(TraceId::from(trace), SpanId::from(span), flags, is_remote, state)
    })
}

fn times() -> impl Strategy<Value = Timestamp> {
    prop_oneof![Just(0), 0..4_000_000_000_000_000_000_u64].prop_map(Timestamp::from_nanos)
}

fn events() -> impl Strategy<Value = SpanEvents> {
    let event = (any::<String>(), times(), attributes(), any::<u32>())
        .prop_map(|(name, time, attributes, dropped)| Event::new(name, time.into(), attributes, dropped));
    (prop::collection::vec(event, 0..3), any::<u32>()).prop_map(|(events, dropped_count)| {
        let mut all = SpanEvents::default();
        (all.events, all.dropped_count) = (events, dropped_count);
        all
    })
}

fn links() -> impl Strategy<Value = SpanLinks> {
    let link = (contexts(), attributes(), any::<u32>())
        .prop_map(|(context, attributes, dropped)| Link::new(context, attributes, dropped));
    (prop::collection::vec(link, 0..3), any::<u32>()).prop_map(|(links, dropped_count)| {
        let mut all = SpanLinks::default();
        (all.links, all.dropped_count) = (links, dropped_count);
        all
    })
}

fn spans() -> impl Strategy<Value = SpanData> {
    let kinds = prop::sample::select(vec![
        SpanKind::Client,
        SpanKind::Server,
        SpanKind::Internal,
        SpanKind::Producer,
        SpanKind::Consumer,
    ]);
    let statuses = prop_oneof![Just(Status::Unset), Just(Status::Ok), any::<String>().prop_map(Status::error)];
    let head = (contexts(), prop::option::of(1..u64::MAX), any::<bool>(), kinds, any::<String>(), times());
    let rest = (0..1_000_000_u64, attributes(), any::<u32>(), events(), links(), statuses);
    (head, rest).prop_map(
        |(
            (span_context, parent, is_remote, span_kind, name, start),
            (took, attributes, dropped, events, links, status),
        )| {
            SpanData {
                span_context,
                parent_span_id: parent.map_or(SpanId::INVALID, SpanId::from),
                parent_span_is_remote: is_remote,
                span_kind,
                name: name.into(),
                start_time: start.into(),
                end_time: (start + Duration::from_micros(took)).into(),
                attributes,
                dropped_attributes_count: dropped,
                events,
                links,
                status,
                instrumentation_scope: InstrumentationScope::default(),
            }
        },
    )
}

/// An attribute as it was given, but that an array without elements has no type.
fn read((name, value): (&str, AttributeView<'_>)) -> (String, Value) {
    let value = match value {
        AttributeView::Bool(value) => Value::Bool(value),
        AttributeView::I64(value) => Value::I64(value),
        AttributeView::F64(value) => Value::F64(value),
        AttributeView::Str(value) => Value::String(value.to_owned().into()),
        AttributeView::Array(value) => Value::Array(value),
    };
    (name.to_owned(), value)
}

fn given(attributes: &[KeyValue]) -> Vec<(String, Value)> {
    attributes.iter().map(|pair| (pair.key.to_string(), pair.value.clone())).collect()
}

proptest! {
    /// Guarantees: each span is the bytes of OpenTelemetry's own message, and reads as it was given.
    #[test]
    fn spans_are_opentelemetrys_own_bytes(spans in prop::collection::vec(spans(), 0..4)) {
        let encoded: EncodedSpans = spans.iter().collect();
        let expected: Vec<_> = spans.iter().map(|span| Span::from(span.clone()).encode_to_vec()).collect();
        prop_assert_eq!(encoded.iter().collect::<Vec<_>>(), expected.iter().collect::<Vec<_>>());
        prop_assert_eq!(encoded.size(), expected.iter().map(Vec::len).sum::<usize>());
        for count in 0..=spans.len() {
            prop_assert_eq!(encoded.first(count), spans[..count].iter().collect());
        }
        for (view, span) in encoded.views().zip(&spans) {
            prop_assert_eq!(view.trace_id, span.span_context.trace_id());
            prop_assert_eq!(view.span_id, span.span_context.span_id());
            prop_assert_eq!(view.parent_span_id.unwrap_or(SpanId::INVALID), span.parent_span_id);
            prop_assert_eq!(view.sampled, span.span_context.is_sampled());
            prop_assert_eq!((view.name, &view.kind), (&*span.name, &span.span_kind));
            prop_assert_eq!((view.start, view.end), (span.start_time.into(), span.end_time.into()));
            let status = match &span.status {
                Status::Unset => StatusView::Unset,
                Status::Ok => StatusView::Ok,
                Status::Error { description } => StatusView::Error(description),
            };
            prop_assert_eq!(view.status, status);
            prop_assert_eq!(view.attributes().map(read).collect::<Vec<_>>(), given(&span.attributes));
            let events: Vec<_> = view
                .events()
                .map(|event| (event.name.to_owned(), event.time, event.attributes().map(read).collect::<Vec<_>>()))
                .collect();
            let expected: Vec<_> = span
                .events
                .iter()
                .map(|event| (event.name.to_string(), event.timestamp.into(), given(&event.attributes)))
                .collect();
            prop_assert_eq!(events, expected);
        }
    }
}

fn ids() -> impl Strategy<Value = TraceContext> {
    let parent = prop::option::of(prop_oneof![Just(0), 1..=u64::MAX]);
    let ids = (1..=u128::MAX, 1..=u64::MAX, parent, any::<bool>());
    ids.prop_map(|(trace, span, parent, sampled)| TraceContext {
        trace_id: trace.into(),
        span_id: span.into(),
        parent_span_id: parent.map(Into::into),
        sampled,
    })
}

/// Attributes by the number of their name.
fn labels() -> impl Strategy<Value = Vec<(usize, LabelOf)>> {
    let label = prop_oneof![
        any::<String>().prop_map(LabelOf::Str),
        (100_usize..20_000).prop_map(|len| LabelOf::Str("\u{1f980}".repeat(len))),
        any::<i64>().prop_map(LabelOf::Int),
        any::<bool>().prop_map(LabelOf::Bool),
        Just(LabelOf::Absent),
    ];
    prop::collection::vec((0..NAMES.len(), label), 0..8)
}

const NAMES: [&str; 4] = [
    "a",
    "url.full",
    "\u{1f980}",
    "a name that is longer than a hundred and twenty-seven bytes takes a length of two bytes in protobuf: is it written as it has to be?",
];

#[derive(Clone, Debug)]
enum LabelOf {
    Str(String),
    Int(i64),
    Bool(bool),
    Absent,
}

impl LabelOf {
    fn label(&self) -> Label<'_> {
        match self {
            Self::Str(text) => Label::Str(text),
            Self::Int(n) => Label::Int(*n),
            Self::Bool(b) => Label::Bool(*b),
            Self::Absent => Label::Absent,
        }
    }

    fn pair(&self, name: &'static str) -> Option<KeyValue> {
        let value: Value = match self {
            Self::Str(text) => text.clone().into(),
            Self::Int(n) => (*n).into(),
            Self::Bool(b) => (*b).into(),
            Self::Absent => return None,
        };
        Some(KeyValue::new(name, value))
    }
}

proptest! {
    /// Guarantees: a span that is written by parts is the message that OpenTelemetry makes of the same span, whichever of its
    /// attributes were encoded before.
    #[test]
    fn written_spans_are_opentelemetrys(
        (context, name, [start, end]) in (ids(), any::<String>(), [times(), times()]),
        (attributes, failure) in (labels(), prop::option::of(any::<(String, String)>())),
        before in 0..8_usize,
        cut in 0..4_usize,
    ) {
        let mut expected = trace::span(
            &context,
            SpanKind::Client,
            name.clone().into(),
            (start, end),
            &InstrumentationScope::default(),
        );
        expected.attributes = attributes.iter().filter_map(|(name, label)| label.pair(NAMES[*name])).collect();
        let labels: Vec<_> = attributes.iter().map(|(name, label)| (NAMES[*name], label.label())).collect();
        let (shared, own) = labels.split_at(before.min(labels.len()));
        let shared = EncodedAttributes::new(shared);
        if let Some((class, text)) = &failure {
            expected.status = Status::error(text.clone());
            let event = vec![KeyValue::new("exception.type", class.clone()), KeyValue::new("exception.message", text.clone())];
            expected.events.events = vec![Event::new("exception", end.into(), event, 0)];
        }
        let cut = name.char_indices().nth(cut).map_or(name.len(), |(at, _)| at);
        let parts = [&name[..cut], &name[cut..]];
        let mut encoded = EncodedSpans::default();
        let head = SpanHead { context, kind: SpanKind::Client, name: &parts, start, end };
        encoded.write(&head, |span| {
            span.attributes(&shared);
            for (name, label) in own {
                span.attribute(name, label);
            }
            if let Some((class, text)) = &failure {
                span.error(text);
                let event = [("exception.type", Label::Str(class)), ("exception.message", Label::Str(text))];
                span.event("exception", end, &event);
            }
        });
        let decoded: Vec<_> = encoded.iter().map(|span| Span::decode(span).unwrap()).collect();
        prop_assert_eq!(decoded, [Span::from(expected)]);
    }
}

/// Scenario: a recorder panics while it writes a span. Guarantees: nothing is left of it.
#[test]
fn a_span_that_is_not_finished_is_none() {
    let context = TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), None, true).unwrap();
    let time = Timestamp::from_secs(1.0);
    let head = SpanHead { context, kind: SpanKind::Internal, name: &["one"], start: time, end: time };
    let mut expected = EncodedSpans::default();
    expected.write(&head, |_| {});
    let mut spans = expected.clone();
    let unfinished = std::panic::AssertUnwindSafe(|| spans.write(&head, |_| panic!("on purpose")));
    std::panic::catch_unwind(unfinished).unwrap_err();
    assert_eq!((spans.len(), spans.size()), (1, expected.size()));
    assert_eq!(spans.take(), expected);
    spans.write(&head, |_| {});
    assert_eq!(spans, expected);
}
