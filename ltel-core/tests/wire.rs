//! The protocol: what is encoded comes back as it was, in both encodings and however the bytes arrive; and no bytes at all
//! make the decoder panic.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::borrow::Cow;
use std::sync::Arc;

use bytes::BytesMut;
use ltel_core::Timestamp;
use ltel_core::event::{
    CpuWarning, Custom, Extra, Log, Measurement, MeasurementKind, Request, RequestError, ResetStats, ResponseTime,
    SingleEvent, SpawningComplete, Task, TestStart, TestStop, Usage, UserError, Users, Workers,
};
use ltel_core::source::{Source, SourceKind};
use ltel_core::trace::TraceContext;
use ltel_core::wire::{
    DecodeError, Decoded, Done, Encoding, Features, Frame, Hello, Measurements, Message, Reply, Rows, Splitter, Token,
};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;
use serde_json::{Value, json};

const ENCODINGS: [Encoding; 2] = [Encoding::MessagePack, Encoding::JsonLines];

// When frames come, and when those of requests are packed.
const NOW: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
const PACKED: f64 = 1_700_000_000.0;

fn decode(encoding: Encoding, payload: &[u8]) -> Result<Frame<'_>, DecodeError> {
    encoding.decode(payload, NOW).map(|decoded| decoded.frame)
}

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just(String::new()), Just("\"quoted\"\n{},\u{1F980}".to_owned())]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-1e12..1e12_f64, Just(0.0), Just(1.5e-300)]
}

fn attributes() -> impl Strategy<Value = serde_json::Map<String, Value>> {
    let value = prop_oneof![
        text().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        any::<bool>().prop_map(Value::from),
    ];
    btree_map(text(), value, 0..3).prop_map(|map| map.into_iter().collect())
}

fn ids() -> impl Strategy<Value = TraceContext> {
    (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, sampled)| TraceContext {
        trace_id: trace.into(),
        span_id: span.into(),
        parent_span_id: None,
        sampled,
    })
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let ids = (ids(), of(1..=u64::MAX))
        .prop_map(|(ids, parent)| TraceContext { parent_span_id: parent.map(Into::into), ..ids });
    let extra = (of(text()), of(text()), attributes(), of(any::<u64>()), of(ids));
    let extra = extra.prop_map(|(url, user_class, context, request_length, trace)| {
        let (url, user_class) = (url.map(Cow::Owned), user_class.map(Cow::Owned));
        let extra = Extra { url, user_class, context, request_length, trace };
        (extra != Extra::default()).then(|| Box::new(extra))
    });
    let extra = of(extra).prop_map(Option::flatten);
    let error = (text(), text()).prop_map(|(class, text)| RequestError { class: class.into(), text: text.into() });
    let times = (-4.0..4.0_f64, of(0.0..1e6_f64));
    (times, text(), text(), any::<u64>(), of(any::<u16>()), of(error), extra).prop_map(
        |((late, time), method, name, response_length, status_code, error, extra)| {
            let mut request = Request {
                start_time: PACKED + late - time.unwrap_or(0.0) / 1e3,
                reported_at: 0.0,
                method: method.into(),
                name: name.into(),
                response_time: time.map_or(ResponseTime::ABSENT, ResponseTime::from_ms),
                response_length,
                status_code,
                error,
                extra,
            };
            request.reported_at = request.end_time();
            request
        },
    )
}

fn task() -> impl Strategy<Value = Task<'static>> {
    let error = (text(), text()).prop_map(|(class, text)| RequestError { class: class.into(), text: text.into() });
    (NOW.as_secs() - 1e4..NOW.as_secs(), number(), text(), text(), of(ids()), of(error)).prop_map(
        |(start_time, duration, user_class, name, trace, error)| Task {
            start_time,
            duration,
            user_class: user_class.into(),
            name: name.into(),
            trace,
            error,
        },
    )
}

/// A batch: all values of one time.
fn measurements() -> impl Strategy<Value = Measurements<'static>> {
    let name = prop_oneof!["[a-z.]{1,3}", Just("\"\n\u{1F980}".to_owned())];
    let kind = prop::sample::select(MeasurementKind::ALL);
    let value = (name, kind, text(), text(), number(), attributes()).prop_map(
        |(name, kind, unit, description, value, labels)| Measurement {
            name: name.into(),
            kind,
            unit: unit.into(),
            description: description.into(),
            value,
            labels: Arc::new(labels),
            ..Measurement::default()
        },
    );
    (number(), vec(value, 0..4)).prop_map(|(time, mut values)| {
        for value in &mut values {
            value.time = time;
        }
        Measurements { values, invalid: 0 }
    })
}

fn log() -> impl Strategy<Value = Log> {
    let ids = (of(text()), of(text()), any::<bool>());
    let code = (of(text()), of(any::<u64>()), of(text()));
    (number(), text(), any::<u64>(), text(), text(), of(text()), code, of(text()), ids, any::<u64>()).prop_map(
        |(time, level, level_number, logger, message, traceback, code, user_class, ids, dropped)| {
            let ((file, line, function), (trace_id, span_id, sampled)) = (code, ids);
            Log {
                file,
                line,
                function,
                time,
                level,
                level_number,
                logger,
                message,
                traceback,
                user_class,
                trace_id,
                span_id,
                sampled,
                dropped,
            }
        },
    )
}

fn source() -> impl Strategy<Value = Source> {
    let kind = prop_oneof![Just(SourceKind::Local), Just(SourceKind::Master), Just(SourceKind::Worker)];
    (kind, text(), of(any::<u32>()), text(), any::<u32>()).prop_map(|(kind, id, worker_index, host, pid)| Source {
        kind,
        id,
        worker_index,
        host,
        pid,
    })
}

fn message() -> impl Strategy<Value = Message<'static>> {
    let hello = (any::<u32>(), text(), source(), of(text()), of(text()), of(text()), of(number()), of(text()))
        .prop_map(|(protocol, client_id, source, locust_version, run_id, coordinator, heartbeat, token)| {
            Message::Hello(Hello {
                protocol,
                client_id,
                source,
                locust_version,
                run_id,
                coordinator,
                heartbeat,
                token: token.map(Token),
                ..Hello::default()
            })
        });
    let start = (number(), of(text()), of(text()), of(any::<u64>()), of(number()), vec(text(), 0..3), of(text()));
    let start = start.prop_map(|(time, run_id, testplan, users, spawn_rate, user_classes, locust_version)| {
        Message::from(TestStart {
            time,
            run_id,
            testplan,
            users,
            spawn_rate,
            user_classes,
            locust_version,
            ..TestStart::default()
        })
    });
    let usage = (number(), number(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
        |(time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes)| {
            Message::from(Usage { time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes })
        },
    );
    let user_error = (number(), text(), text(), text(), of(text()), of(text()), any::<bool>()).prop_map(
        |(time, user, error, traceback, trace_id, span_id, sampled)| {
            Message::from(UserError { time, user, error, traceback, trace_id, span_id, sampled })
        },
    );
    let custom = (number(), text(), attributes(), of(number()))
        .prop_map(|(time, name, attributes, value)| Message::from(Custom { time, name, attributes, value }));
    let done = (number(), of(text()), of(any::<u64>()), any::<u64>(), any::<u64>(), of(vec(text(), 0..3))).prop_map(
        |(time, run_id, sent, dropped, dropped_events, sources)| {
            Message::Done(Done { time, run_id, sent, dropped, dropped_events, sources })
        },
    );
    let workers = (number(), any::<u64>(), any::<u64>(), of(any::<u64>()))
        .prop_map(|(time, connected, missing, expected)| Message::from(Workers { time, connected, missing, expected }));
    prop_oneof![
        hello,
        start,
        number().prop_map(|time| Message::from(TestStop { time })),
        (number(), any::<u64>()).prop_map(|(time, user_count)| Message::from(SpawningComplete { time, user_count })),
        (number(), btree_map(text(), any::<u64>(), 0..3)).prop_map(|(time, counts)| Message::from(Users {
            time,
            counts,
            sources: Vec::new()
        })),
        (number(), number()).prop_map(|(time, cpu_usage)| Message::from(CpuWarning { time, cpu_usage })),
        usage,
        number().prop_map(|time| Message::from(ResetStats { time, reports: Some([("w".to_owned(), 7)].into()) })),
        user_error,
        custom,
        vec(request(), 0..4).prop_map(|rows| Message::Requests(Rows { rows, ..Rows::default() })),
        vec(task(), 0..4).prop_map(Message::Tasks),
        measurements().prop_map(Message::Measurements),
        log().prop_map(Message::from),
        workers,
        done,
        Just(Message::Heartbeat),
    ]
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    (of(any::<u64>()), message()).prop_map(|(seq, message)| Frame { seq, message })
}

fn packed(mut frame: Frame<'_>) -> Frame<'_> {
    if let Message::Requests(rows) = &mut frame.message {
        rows.time = Some(PACKED);
    }
    frame
}

proptest! {
    #[test]
    fn frames_come_back_as_they_were(frames in vec(frame(), 1..4), chunk in 1..64_usize) {
        for encoding in ENCODINGS {
            let mut bytes = Vec::new();
            for frame in &frames {
                bytes.extend(encoding.encode(&packed(frame.clone())).unwrap());
            }
            prop_assert_eq!(Encoding::detect(bytes[0]), encoding);
            // However the bytes arrive.
            let mut splitter = Splitter::new(encoding, 1 << 20);
            let mut buffer = BytesMut::new();
            let mut payloads = Vec::new();
            for part in bytes.chunks(chunk) {
                buffer.extend_from_slice(part);
                while let Some(payload) = splitter.next_frame(&mut buffer).unwrap() {
                    payloads.push(payload);
                }
            }
            prop_assert!(buffer.is_empty());
            let decoded: Vec<_> = payloads.iter().map(|payload| encoding.decode(payload, NOW).unwrap()).collect();
            prop_assert!(decoded.iter().all(|decoded| decoded.wrong.is_empty()), "{:?}", decoded);
            let decoded: Vec<_> = decoded.into_iter().map(|decoded| decoded.frame).collect();
            prop_assert_eq!(&decoded, &frames);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..256)) {
        for encoding in ENCODINGS {
            let _ = decode(encoding, &bytes);
            let mut buffer = BytesMut::from(&bytes[..]);
            let mut splitter = Splitter::new(encoding, 64);
            while let Ok(Some(_)) = splitter.next_frame(&mut buffer) {}
        }
    }

    #[test]
    fn no_damage_makes_the_decoder_panic(frame in frame(), at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let mut bytes = Encoding::MessagePack.encode(&frame).unwrap().split_off(4);
        let at = at.index(bytes.len());
        if cut {
            bytes.truncate(at);
        } else {
            bytes[at] = byte;
        }
        let _ = decode(Encoding::MessagePack, &bytes);
    }
}

#[test]
fn replies_come_back_as_they_were() {
    let features = Features { usage_interval: Some(3.0), url: true, ..Features::default() };
    for reply in
        [Reply::Welcome { last_seq: 7, features }, Reply::Ack { seq: 9 }, Reply::Error { message: "no".into() }]
    {
        for encoding in ENCODINGS {
            let mut buffer = BytesMut::from(&encoding.encode_reply(&reply).unwrap()[..]);
            let payload = Splitter::new(encoding, 1 << 10).next_frame(&mut buffer).unwrap().unwrap();
            assert_eq!(encoding.decode_reply(&payload).unwrap(), reply);
        }
    }
}

#[test]
fn what_is_no_row_costs_itself_alone() {
    let lines: [(&str, usize, u64); 6] = [
        (r#"{"type":"requests","seq":1,"rows":[[1.0,"GET","/",2.5,3,200,null,null]]}"#, 1, 0),
        (r#"{"type":"requests","seq":1,"rows":[["x"],[1.0,"GET","/",2.5,3,200,null,null],7,{}]}"#, 1, 3),
        (r#"{"type":"requests","seq":1,"rows":[[null,null,null],[[],[],[],[],[],[],[],[],[]]]}"#, 2, 0),
        (r#"{"type":"request","start_time":1.0,"request_type":"GET","name":"/","response_time":null}"#, 1, 0),
        (r#"{"type":"request","request_type":7,"name":"/","response_time":1e999}"#, 1, 0),
        (r#"{"type":"request","name":"/"}"#, 0, 1),
    ];
    for (line, rows, invalid) in lines {
        let Message::Requests(got) = decode(Encoding::JsonLines, line.as_bytes()).unwrap().message else {
            panic!("{line} is a batch of requests")
        };
        assert_eq!((got.rows.len(), got.invalid), (rows, invalid), "{line}");
    }
    // [[1.0, "GET", "/", nil, 0, nil, nil, nil], "wrong"], with `rows` before `type`.
    let mut packed = b"\x82\xa4rows\x92\x98\xcb\x3f\xf0\0\0\0\0\0\0\xa3GET\xa1/\xc0\0\xc0\xc0\xc0\xa5wrong".to_vec();
    packed.extend(b"\xa4type\xa8requests");
    let Message::Requests(got) = decode(Encoding::MessagePack, &packed).unwrap().message else { panic!("requests") };
    assert_eq!((got.rows.len(), got.invalid), (1, 1));
}

/// Guarantees: a row that is not JSON costs that row, a text with a wrong escape not even that, and the rows beside it stay. What
/// was mended is counted.
#[test]
fn a_broken_row_of_json_costs_that_row() {
    let good = format!(r#"[{PACKED},"GET","/good",2.5,3,200,null]"#);
    // The middle row, what it is named, and how many texts were mended.
    for (row, name, mended) in [
        (format!(r#"[{PACKED},"GET","/a\qb",2.5,3,200,null]"#), Some("/a\\qb"), 1),
        (format!(r#"[{PACKED},"GET","/\ud800",2.5,3,200,["E","\ud800"]]"#), Some("/\u{fffd}"), 2),
        (format!(r#"[{PACKED},"GET","/nan",NaN,3,200,null]"#), Some("/nan"), 0),
        (format!(r#"[{PACKED},"GET","/inf",-Infinity,1e400,200,null]"#), Some("/inf"), 0),
        (format!(r#"[{PACKED},"GET","/twice",1,3,200,null,{{"url":"a","url":"b"}}]"#), Some("/twice"), 0),
        (format!(r#"[{PACKED},"GET, "/",2.5,3,200,null]"#), None, 0),
        (format!(r#"[{PACKED},"GET","/,2.5,3,200,null]"#), None, 0),
        (format!(r#"[{PACKED},"GET","/"",2.5,3,200,["E","x"]]"#), None, 0),
        (format!(r#"[{PACKED},"GET" "/",2.5,3,200,null]"#), None, 0),
        (format!(r#"[{PACKED},"GET","/",2.5,3,200,['E','x']]"#), None, 0),
        ("[1,\"GET\",{\"a\"]".to_owned(), None, 0),
    ] {
        for rows in [format!("{row},{good},{good}"), format!("{good}, {row}, {good}"), format!("{good},{good},{row}")] {
            for line in [
                format!(r#"{{"type":"requests","seq":7,"time":{PACKED},"rows":[{rows}]}}"#),
                format!(r#"{{"rows":[{rows}], "time":{PACKED},"type":"requests","seq":7}}"#),
            ] {
                let decoded =
                    Encoding::JsonLines.decode(line.as_bytes(), NOW).unwrap_or_else(|e| panic!("{line}: {e}"));
                let Message::Requests(got) = &decoded.frame.message else { panic!("requests") };
                let mut names: Vec<_> = got.rows.iter().map(|row| &*row.name).filter(|name| *name != "/good").collect();
                assert_eq!(decoded.frame.seq, Some(7), "{line}");
                assert_eq!((names.pop(), got.invalid), (name, u64::from(name.is_none())), "{line}");
                assert_eq!(got.rows.len(), if name.is_some() { 3 } else { 2 }, "{line}");
                assert_eq!(decoded.wrong.mended().map(|(_, times)| times).sum::<u64>(), mended, "{line}");
            }
        }
    }
}

/// Guarantees: rows that are broken in a way that shows only at the line's end do not cost a look at the whole line each (which
/// would take minutes): the frame is refused.
#[test]
fn broken_rows_do_not_cost_more_and_more() {
    let rows = vec!["[".repeat(40) + "]"; 4_000].join(",");
    let line = format!(r#"{{"type":"requests","rows":[{rows}]}}"#);
    assert!(matches!(decode(Encoding::JsonLines, line.as_bytes()), Err(DecodeError::Malformed(_))));
}

/// Guarantees: rows come some thousands at a time, all of them, with the frame's number, and their times as in one piece.
#[test]
fn rows_come_in_parts() {
    let row = json!([PACKED, "GET", "/", 2.5, 3, 200, null]);
    let value = json!([0, 2.5, {"tenant": "blue", "page": 3}]);
    let metrics = json!([{"name": "cart", "kind": "gauge"}]);
    let kinds = [("requests", row.clone()), ("tasks", row), ("measurements", value)];
    for (encoding, (kind, row)) in
        ENCODINGS.into_iter().flat_map(|encoding| kinds.each_ref().map(|kind| (encoding, kind)))
    {
        let kind = *kind;
        let frame = json!({"type": kind, "seq": 3, "time": PACKED, "metrics": metrics, "rows": vec![&row; 10_000]});
        let payload = match encoding {
            Encoding::MessagePack => rmp_serde::to_vec(&frame).unwrap(),
            Encoding::JsonLines => frame.to_string().into_bytes(),
        };
        let whole = encoding.decode(&payload, NOW).unwrap();
        let parts = encoding.parts(&payload, NOW).unwrap();
        assert_eq!((parts.seq(), parts.kind()), (Some(3), kind));
        let parts: Vec<_> = parts.map(Result::unwrap).collect();
        assert!(parts.len() > 2 && parts.iter().all(|part| part.frame.seq == Some(3)));
        match whole.frame.message {
            Message::Requests(rows) => {
                assert_eq!((rows.rows.len(), rows.invalid), (10_000, 0));
                let of_part = |part: Decoded<'_>| {
                    let Message::Requests(rows) = part.frame.message else { panic!("requests") };
                    assert!(rows.rows.len() <= 4_096);
                    rows.rows.iter().map(|row| row.name.clone().into_owned()).collect::<Vec<_>>()
                };
                assert_eq!(parts.into_iter().flat_map(of_part).count(), 10_000);
            }
            Message::Tasks(tasks) => assert_eq!(tasks.len(), 10_000),
            Message::Measurements(batch) => {
                assert_eq!((batch.values.len(), batch.invalid), (10_000, 0));
                assert!(batch.values.iter().all(|value| value == &batch.values[0]), "{:?}", batch.values[0]);
            }
            other => panic!("{other:?}"),
        }
    }
}

/// Guarantees: whatever a client sends, each text is bounded where it comes in, and two long names stay two.
#[test]
fn long_texts_are_cut_and_counted() {
    let long = "x".repeat(20_000);
    let names = [format!("{long}a"), format!("{long}b")];
    let extra = json!({"url": long, "user_class": long, "context": {&long: long, "n": vec![long.as_str(); 500]}});
    let rows: Vec<_> = names.iter().map(|name| json!([PACKED, long, name, 2.5, 3, 200, [long, long], extra])).collect();
    let many = vec![long.as_str(); 20];
    for (frame, cut) in [
        (
            json!({"type": "requests", "time": PACKED, "rows": rows}),
            &[
                "requests.method",
                "requests.name",
                "requests.error",
                "requests.extra.url",
                "requests.extra.user_class",
                "requests.extra.context",
            ][..],
        ),
        (
            json!({"type": "tasks", "rows": [[NOW.as_secs(), 5.5, long, long, null, null, true, [long, long]]]}),
            &["tasks.user_class", "tasks.name", "tasks.error"],
        ),
        (
            json!({"type": "hello", "protocol": 1, "client_id": long, "source": {"id": long, "host": long}, "run_id": long,
            "testplan": long, "locustfile": long, "coordinator": long, "locust_version": long}),
            &[
                "hello.client_id",
                "hello.source",
                "hello.run_id",
                "hello.testplan",
                "hello.locustfile",
                "hello.coordinator",
                "hello.locust_version",
            ],
        ),
        (
            json!({"type": "test_start", "time": 5.0, "run_id": long, "testplan": long, "host": long, "user_classes": many,
            "locustfile": long}),
            &[
                "test_start.run_id",
                "test_start.testplan",
                "test_start.host",
                "test_start.user_classes",
                "test_start.locustfile",
            ],
        ),
        (
            json!({"type": "users", "time": 5.0, "counts": {&long: 1}, "sources": many}),
            &["users.counts", "users.sources"],
        ),
        (json!({"type": "reset_stats", "time": 5.0, "reports": {&long: 1}}), &["reset_stats.reports"]),
        (
            json!({"type": "user_error", "time": 5.0, "user": long, "error": long, "traceback": long}),
            &["user_error.user", "user_error.error", "user_error.traceback"],
        ),
        (
            json!({"type": "custom", "time": 5.0, "name": long, "attributes": {&long: {"a": many}}}),
            &["custom.name", "custom.attributes"],
        ),
        (
            json!({"type": "done", "time": 5.0, "run_id": long, "sources": vec!["w"; 20_000]}),
            &["done.run_id", "done.sources"],
        ),
    ] {
        check_cut(&frame, cut);
    }
}

/// Guarantees: likewise for what the locustfile logs and measures.
#[test]
fn long_logs_and_labels_are_cut_and_counted() {
    let long = "x".repeat(20_000);
    let many = vec![long.as_str(); 20];
    for (frame, cut) in [
        (
            json!({"type": "log", "time": 5.0, "level": long, "logger": long, "message": long, "traceback": long,
            "user_class": long, "trace_id": long, "span_id": long}),
            &[
                "log.level",
                "log.logger",
                "log.message",
                "log.traceback",
                "log.user_class",
                "log.trace_id",
                "log.span_id",
            ][..],
        ),
        (
            json!({"type": "measurements", "time": 5.0, "rows": [[0, 1, {&long: long}], [0, 1, {"a": many.repeat(5)}]],
            "metrics": vec![json!({"name": long, "kind": "gauge", "unit": long, "description": long}); 1_100]}),
            &[
                "measurements.metrics",
                "measurements.metrics.name",
                "measurements.metrics.unit",
                "measurements.metrics.description",
                "measurements.labels",
            ],
        ),
    ] {
        check_cut(&frame, cut);
    }
}

fn check_cut(frame: &Value, cut: &[&str]) {
    for encoding in ENCODINGS {
        let payload = match encoding {
            Encoding::MessagePack => rmp_serde::to_vec(frame).unwrap(),
            Encoding::JsonLines => frame.to_string().into_bytes(),
        };
        let decoded = encoding.decode(&payload, NOW).unwrap();
        let fields: Vec<_> = decoded.wrong.cut().map(|(field, _)| field).collect();
        assert!(decoded.wrong.iter().next().is_none(), "{:?}", decoded.wrong);
        assert_eq!(fields.iter().collect::<std::collections::BTreeSet<_>>(), cut.iter().collect(), "{encoding:?}");
        let rows = if let Message::Requests(rows) = &decoded.frame.message { rows.rows.len() } else { 1 };
        let size = Encoding::JsonLines.encode(&decoded.frame).unwrap().len();
        assert!(size < rows * (600 << 10), "{}: {size}", frame["type"]);
        if let Message::Requests(rows) = decoded.frame.message {
            assert!(rows.rows.len() == 2 && rows.rows[0].name != rows.rows[1].name);
        }
    }
}

#[test]
fn text_that_is_not_unicode_is_shown_as_far_as_it_can_be() {
    let packed = b"\x82\xa4type\xa8requests\xa4rows\x91\x97\x01\xa3GET\xa2a\xff\xc0\0\xc0\xc0";
    let Message::Requests(got) = decode(Encoding::MessagePack, packed).unwrap().message else { panic!("requests") };
    assert_eq!(got.rows[0].name, "a\u{FFFD}");
}

#[test]
fn errors_say_what_is_wrong() {
    let json = |line: &str| decode(Encoding::JsonLines, line.as_bytes()).unwrap_err();
    assert_eq!(json("{}"), DecodeError::NoType);
    assert_eq!(json(r#"{"type":"greetings"}"#), DecodeError::UnknownType { kind: "greetings".to_owned(), seq: None });
    let long = format!(r#"{{"type":"{}","seq":[]}}"#, "x".repeat(100_000));
    assert_eq!(json(&long), DecodeError::UnknownType { kind: "x".repeat(64), seq: None });
    assert!(matches!(json("{"), DecodeError::Malformed(_)));
    let nested = [vec![0x91; 100_000], vec![0xc0]].concat();
    assert!(matches!(decode(Encoding::MessagePack, &nested), Err(DecodeError::Malformed(_))));
}

/// What a field takes.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Takes {
    Number,
    Count,
    /// A count, and it is wrong to have none.
    Entry,
    /// A count of 32 bits or fewer.
    Small,
    Text,
    /// A text, and it is wrong without one.
    Key,
    Flag,
    Map,
    /// No value of the test.
    Nothing,
    /// Likewise, and null is wrong too.
    Time,
}
use Takes::{Count, Entry, Flag, Key, Map, Nothing, Number, Small, Text, Time};

/// A value of each type: as JSON where that has it, as MessagePack, and which fields take it.
fn values() -> Vec<(&'static str, Vec<u8>, &'static [Takes])> {
    let mut values: Vec<_> = [
        ("null", &[Number, Count, Small, Text, Flag, Map, Nothing][..]),
        ("true", &[Flag]),
        ("-1", &[Number]),
        ("1.5", &[Number, Count, Entry, Small]),
        ("1e300", &[Number]),
        ("18446744073709551615", &[Number, Count, Entry]),
        ("\"text\"", &[Text, Key]),
        ("[7]", &[]),
        ("{\"a\":\"b\"}", &[Map]),
    ]
    .into_iter()
    .map(|(json, takes)| (json, rmp_serde::to_vec(&serde_json::from_str::<Value>(json).unwrap()).unwrap(), takes))
    .collect();
    values.push(("", vec![0xc4, 2, b'a', 0xff], &[Text, Key])); // bytes
    values.push(("", vec![0xd4, 5, 0], &[])); // an extension
    values.push(("", rmp_serde::to_vec(&f64::NAN).unwrap(), &[]));
    values.push(("", rmp_serde::to_vec(&f64::INFINITY).unwrap(), &[]));
    values.push(("", vec![0x91; 5_000].into_iter().chain([0xc0]).collect(), &[])); // far too deep
    values.push(("", [vec![0xdd, 0, 2, 0, 0], vec![0xc0; 0x20000]].concat(), &[])); // far too long
    values.push(("1e999", vec![0xc7, 0, 1], &[])); // not a number that JSON can hold
    values
}

/// A frame with other bytes in the place of one value.
fn with(encoding: Encoding, value: &Value, path: &[&str], bytes: &[u8]) -> Vec<u8> {
    fn pack(value: &Value, path: &[&str], bytes: &[u8], out: &mut Vec<u8>) {
        let Some((first, rest)) = path.split_first() else { return out.extend(bytes) };
        match value {
            Value::Object(map) => {
                out.extend([0xde, 0, u8::try_from(map.len()).unwrap()]);
                for (key, value) in map {
                    out.extend(rmp_serde::to_vec(key).unwrap());
                    if key == first {
                        pack(value, rest, bytes, out);
                    } else {
                        out.extend(rmp_serde::to_vec(value).unwrap());
                    }
                }
            }
            Value::Array(list) => {
                out.push(0x90 | u8::try_from(list.len()).unwrap());
                for (n, value) in list.iter().enumerate() {
                    let here = n.to_string() == *first;
                    if here { pack(value, rest, bytes, out) } else { out.extend(rmp_serde::to_vec(value).unwrap()) }
                }
            }
            other => panic!("no `{first}` in {other}"),
        }
    }
    match encoding {
        Encoding::MessagePack => {
            let mut out = Vec::new();
            pack(value, path, bytes, &mut out);
            out
        }
        Encoding::JsonLines => {
            let mut value = value.clone();
            *at(&mut value, path) = json!("@@");
            value.to_string().replace("\"@@\"", std::str::from_utf8(bytes).unwrap()).into_bytes()
        }
    }
}

fn at<'v>(value: &'v mut Value, path: &[&str]) -> &'v mut Value {
    path.iter().fold(value, |value, key| match value {
        Value::Array(list) => &mut list[key.parse::<usize>().unwrap()],
        // A field that is absent is not written.
        other => &mut other[*key],
    })
}

/// Each value in each field: the frame is understood, the other fields are what they were, and the field is named if and
/// only if it does not take the value.
fn check_fields(good: &Value, fields: &[(&str, Takes, &str)]) {
    for (path, takes, name) in fields {
        let path: Vec<_> = path.split('.').collect();
        for (json, packed, taken) in values() {
            for encoding in ENCODINGS {
                let bytes = if encoding == Encoding::JsonLines { json.as_bytes() } else { &packed };
                if bytes.is_empty() {
                    continue;
                }
                let frame = with(encoding, good, &path, bytes);
                let what = || format!("{name} = {json} {:x?} in {encoding:?}", &packed[..packed.len().min(9)]);
                let decoded = encoding.decode(&frame, NOW).unwrap_or_else(|e| panic!("{}: {e}", what()));
                let wrong: Vec<_> = decoded.wrong.iter().collect();
                if taken.contains(takes) {
                    assert!(wrong.is_empty(), "{}: {wrong:?}", what());
                } else {
                    let named = matches!(wrong[..], [(field, 1)] if field.starts_with(name));
                    assert!(named, "{}: {wrong:?}", what());
                }
                let line = Encoding::JsonLines.encode(&decoded.frame).unwrap();
                let mut rest: Value = serde_json::from_slice(&line).unwrap();
                let mut expected = good.clone();
                for value in [&mut rest, &mut expected] {
                    *at(value, &path) = Value::Null;
                    let fields = value.as_object_mut().unwrap();
                    fields.retain(|_, value| !value.is_null());
                    fields.remove("time").filter(|_| good.get("rows").is_some());
                    fields.sort_keys();
                }
                assert_eq!(rest, expected, "{}", what());
            }
        }
    }
}

#[test]
fn a_wrong_value_of_an_event_costs_that_value() {
    let source = json!({"kind": "worker", "id": "w", "worker_index": 1, "host": "h", "pid": 2});
    for (good, fields) in [
        (
            json!({"type": "hello", "protocol": 1, "client_id": "c", "source": source, "locust_version": "2.4",
                "run_id": "r", "testplan": "t", "locustfile": "l", "coordinator": "m", "heartbeat": 2.0, "token": "x"}),
            &[
                ("protocol", Small),
                ("client_id", Text),
                ("source", Map),
                ("source.kind", Nothing),
                ("source.id", Text),
                ("source.worker_index", Small),
                ("source.host", Text),
                ("source.pid", Small),
                ("locust_version", Text),
                ("run_id", Text),
                ("testplan", Text),
                ("locustfile", Text),
                ("coordinator", Text),
                ("heartbeat", Number),
                ("token", Text),
            ][..],
        ),
        (
            json!({"type": "test_start", "time": 5.5, "run_id": "r", "testplan": "t", "host": "h", "users": 7,
                "spawn_rate": 1.5, "run_time": 60.5, "user_classes": ["A"], "locustfile": "l",
                "locust_version": "2.0", "coordinator": "m"}),
            &[
                ("time", Number),
                ("run_id", Text),
                ("testplan", Text),
                ("host", Text),
                ("users", Count),
                ("spawn_rate", Number),
                ("run_time", Number),
                ("user_classes", Nothing),
                ("locustfile", Text),
                ("locust_version", Text),
                ("coordinator", Text),
            ],
        ),
        (json!({"type": "test_stop", "time": 5.5}), &[("time", Number)]),
        (
            json!({"type": "spawning_complete", "time": 5.5, "user_count": 7}),
            &[("time", Number), ("user_count", Count)],
        ),
        (
            json!({"type": "users", "time": 5.5, "counts": {"A": 1, "B": 2}, "sources": ["w"]}),
            &[("time", Number), ("counts", Nothing), ("counts.A", Entry), ("sources", Nothing)],
        ),
        (json!({"type": "cpu_warning", "time": 5.5, "cpu_usage": 91.5}), &[("time", Number), ("cpu_usage", Number)]),
        (
            json!({"type": "usage", "time": 5.5, "cpu_percent": 1.5, "memory_bytes": 2, "net_sent_bytes": 3,
                "net_recv_bytes": 4}),
            &[
                ("time", Number),
                ("cpu_percent", Number),
                ("memory_bytes", Count),
                ("net_sent_bytes", Count),
                ("net_recv_bytes", Count),
            ],
        ),
        (
            json!({"type": "reset_stats", "time": 5.5, "reports": {"w": 1, "v": 2}}),
            &[("time", Number), ("reports", Nothing), ("reports.w", Entry)],
        ),
        (json!({"type": "report_to_master", "time": 5.5, "number": 7}), &[("time", Number), ("number", Count)]),
        (
            json!({"type": "user_error", "time": 5.5, "user": "A", "error": "E: x", "traceback": "t", "trace_id": "1",
                "span_id": "2", "sampled": true}),
            &[
                ("time", Number),
                ("user", Text),
                ("error", Text),
                ("traceback", Text),
                ("trace_id", Text),
                ("span_id", Text),
                ("sampled", Flag),
            ],
        ),
        (
            json!({"type": "custom", "time": 5.5, "name": "n", "attributes": {"a": 1, "b": [true]}, "value": 1.5}),
            &[("time", Number), ("name", Text), ("attributes", Map), ("value", Number)],
        ),
        (json!({"type": "heartbeat"}), &[]),
    ] {
        check_event(&good, fields);
    }
}

#[test]
fn a_wrong_value_of_a_workers_or_a_log_costs_that_value() {
    for (good, fields) in [
        (
            json!({"type": "workers", "time": 5.5, "connected": 3, "missing": 1, "expected": 4}),
            &[("time", Number), ("connected", Count), ("missing", Count), ("expected", Count)][..],
        ),
        (
            json!({"type": "log", "time": 5.5, "level": "INFO", "level_number": 20, "logger": "l", "message": "m",
                "file": "f", "line": 7, "function": "g", "traceback": "t", "user_class": "A", "trace_id": "1", "span_id": "2", "sampled": true, "dropped": 5}),
            &[
                ("time", Number),
                ("level", Text),
                ("level_number", Count),
                ("logger", Text),
                ("message", Text),
                ("traceback", Text),
                ("file", Text),
                ("line", Count),
                ("function", Text),
                ("user_class", Text),
                ("trace_id", Text),
                ("span_id", Text),
                ("sampled", Flag),
                ("dropped", Count),
            ],
        ),
        (
            json!({"type": "done", "time": 5.5, "run_id": "r", "sent": 7, "dropped": 8, "dropped_events": 9, "sources": ["w"]}),
            &[
                ("time", Number),
                ("run_id", Text),
                ("sent", Count),
                ("dropped", Count),
                ("dropped_events", Count),
                ("sources", Nothing),
            ],
        ),
    ] {
        check_event(&good, fields);
    }
}

fn check_event(good: &Value, fields: &[(&str, Takes)]) {
    let kind = good["type"].as_str().unwrap();
    let mut good = good.clone();
    good["seq"] = json!(3);
    for (field, takes) in fields.iter().chain(&[("seq", Count)]) {
        check_fields(&good, &[(field, *takes, &format!("{kind}.{field}"))]);
    }
}

#[test]
fn a_wrong_value_of_a_row_costs_that_value() {
    let extra = json!({"url": "u", "user_class": "A", "context": {"k": 1}, "request_length": 3});
    let row = json!([PACKED - 2.0, "GET", "/", 2.5, 3, 200, ["E", "text"], extra]);
    let good = json!({"type": "requests", "seq": 3, "time": PACKED, "since": PACKED - 5.0, "rows": [row]});
    let mut without_since = good.clone();
    without_since.as_object_mut().unwrap().remove("since");
    check_fields(
        &without_since,
        &[
            ("seq", Count, "requests.seq"),
            ("rows.0.0", Time, "requests.start_time"),
            ("rows.0.1", Key, "requests.method"),
            ("rows.0.2", Key, "requests.name"),
            ("rows.0.3", Number, "requests.response_time"),
            ("rows.0.4", Count, "requests.response_length"),
            ("rows.0.5", Small, "requests.status_code"),
            ("rows.0.6", Nothing, "requests.error"),
            // In MessagePack, what is not a map of v1 is taken for ids.
            ("rows.0.7", Map, "requests."),
            ("rows.0.7.url", Text, "requests.extra.url"),
            ("rows.0.7.user_class", Text, "requests.extra.user_class"),
            ("rows.0.7.context", Map, "requests.extra.context"),
            ("rows.0.7.request_length", Count, "requests.extra.request_length"),
        ],
    );
    let (trace, span) = (format!("{:032x}", 7), format!("{:016x}", 8));
    let row = json!([NOW.as_secs(), 5.5, "A", "buy", trace, span, true, ["E", "text"]]);
    check_fields(
        &json!({"type": "tasks", "seq": 3, "rows": [row]}),
        &[
            ("rows.0.0", Time, "tasks.start_time"),
            ("rows.0.1", Number, "tasks.duration"),
            ("rows.0.2", Key, "tasks.user_class"),
            ("rows.0.3", Key, "tasks.name"),
            ("rows.0.7", Nothing, "tasks.error"),
        ],
    );
    let metric = json!({"name": "cart", "kind": "histogram", "unit": "EUR", "description": "d"});
    check_fields(
        &json!({"type": "measurements", "time": 5.5, "seq": 3, "metrics": [metric], "rows": [[0, 1.5, {"a": "b"}]]}),
        &[
            ("seq", Count, "measurements.seq"),
            ("metrics.0.unit", Text, "measurements.metrics.unit"),
            ("metrics.0.description", Text, "measurements.metrics.description"),
            ("rows.0.2", Map, "measurements.labels"),
        ],
    );
}

/// Guarantees: a value without a number, or of a metric that is not described, is counted as invalid and costs itself alone. A kind
/// that is not known is never taken for another.
#[test]
fn what_is_no_measurement_is_invalid() {
    let metrics =
        r#"[{"name":"a","kind":"counter"},{"name":"b","kind":"sum"},{"kind":"gauge"},{"name":"","kind":"gauge"},7]"#;
    for (row, wrong) in [
        ("[5,1]", "measurements.metric"),
        ("[-1,1]", "measurements.metric"),
        (r#"["a",1]"#, "measurements.metric"),
        ("[null,1]", "measurements.metric"),
        ("[1e300,1]", "measurements.metric"),
        ("[1,1]", "measurements.metrics.kind"),
        ("[2,1]", "measurements.metrics.name"),
        ("[3,1]", "measurements.metrics.name"),
        ("[4,1]", "measurements.metrics"),
        ("[0,null]", ""),
        (r#"[0,"1"]"#, "measurements.value"),
        ("[0,[1]]", "measurements.value"),
        ("[0]", "measurements.rows"),
        ("[]", "measurements.rows"),
        ("{}", "measurements.rows"),
        ("7", "measurements.rows"),
    ] {
        let line = format!(
            r#"{{"rows":[[0,1],{row},[0,-2,{{"x":null}}]],"type":"measurements","metrics":{metrics},"time":5}}"#
        );
        let packed = rmp_serde::to_vec(&serde_json::from_str::<Value>(&line).unwrap()).unwrap();
        for (encoding, payload) in [(Encoding::JsonLines, line.as_bytes()), (Encoding::MessagePack, &packed)] {
            let decoded = encoding.decode(payload, NOW).unwrap();
            let Message::Measurements(batch) = decoded.frame.message else { panic!("measurements") };
            let values: Vec<_> = batch.values.iter().map(|value| (&*value.name, value.time, value.value)).collect();
            assert_eq!((values, batch.invalid), (vec![("a", 5.0, 1.0), ("a", 5.0, -2.0)], 1), "{row} in {encoding:?}");
            // The metrics that are none are told with each row. Of no value, the sender has told.
            let told = decoded.wrong.iter().any(|(name, _)| name == wrong);
            let is_value = decoded.wrong.iter().any(|(name, _)| name == "measurements.value");
            assert!(if wrong.is_empty() { !is_value } else { told }, "{row}: {:?}", decoded.wrong);
        }
    }
    let metrics = rmp_serde::to_vec(&json!([{"name": "a", "kind": "gauge"}])).unwrap();
    for value in [f64::NAN, f64::INFINITY, f64::NEG_INFINITY] {
        let rows = rmp_serde::to_vec(&[(0, value)]).unwrap();
        let packed = [b"\x83\xa4type\xacmeasurements\xa7metrics", &*metrics, b"\xa4rows", &rows].concat();
        let decoded = Encoding::MessagePack.decode(&packed, NOW).unwrap();
        assert_eq!(decoded.frame.message, Message::Measurements(Measurements { values: Vec::new(), invalid: 1 }));
        assert_eq!(decoded.wrong.iter().collect::<Vec<_>>(), [("measurements.value", 1)]);
    }
}

#[test]
fn a_count_may_come_as_a_float_and_a_text_as_bytes() {
    for (value, expected) in
        [("15.0", Some(15)), ("15.5", Some(15)), ("15", Some(15)), ("0.9", Some(0)), ("-0.5", None)]
    {
        let line = format!(r#"{{"type":"test_start","users":{value},"host":"h"}}"#);
        let packed = rmp_serde::to_vec(&serde_json::from_str::<Value>(&line).unwrap()).unwrap();
        for (encoding, payload) in [(Encoding::JsonLines, line.as_bytes()), (Encoding::MessagePack, &packed)] {
            let decoded = encoding.decode(payload, NOW).unwrap();
            let wrong: Vec<_> = decoded.wrong.iter().collect();
            let host = Some("h".to_owned());
            let start = TestStart { time: NOW.as_secs(), users: expected, host, ..TestStart::default() };
            assert_eq!(decoded.frame.message, Message::from(start), "{value}");
            assert_eq!(wrong, if expected.is_none() { vec![("test_start.users", 1)] } else { vec![] }, "{value}");
        }
    }
    // {bin "type": bin "test_start", "host": bin "h"}
    let packed = b"\x82\xc4\x04type\xc4\x0atest_start\xa4host\xc4\x01h";
    let Message::Event(SingleEvent::TestStart(start)) = decode(Encoding::MessagePack, packed).unwrap().message else {
        panic!("a start")
    };
    assert_eq!(start.host.as_deref(), Some("h"));
}

/// Guarantees: what is wrong is found however much of it there is, without reading all again for each; names that a client
/// has chosen are short, and cannot write on a terminal.
#[test]
fn many_wrong_values_of_one_frame() {
    let mut counts: Vec<_> = (0..20_000).map(|n| format!("\"Class{n}\":\"x\"")).collect();
    counts.push(format!("\"\\u001b[2J{}\":null", "n".repeat(1_000)));
    counts.reverse();
    let line = format!("{{\"type\":\"users\",\"time\":5,\"counts\":{{{}}}}}", counts.join(","));
    let decoded = Encoding::JsonLines.decode(line.as_bytes(), NOW).unwrap();
    assert_eq!(decoded.frame.message, Message::from(Users { time: 5.0, ..Users::default() }));
    let wrong: Vec<_> = decoded.wrong.iter().map(|(name, _)| name).collect();
    assert!((3..30).contains(&wrong.len()), "{wrong:?}");
    assert!(wrong.contains(&"users.counts") && wrong.iter().all(|name| name.starts_with("users.counts")), "{wrong:?}");
    assert!(wrong.iter().all(|name| name.chars().count() <= 64 && !name.contains('\u{1b}')), "{wrong:?}");
}

#[test]
fn fields_that_this_protocol_does_not_have_are_ignored() {
    let deep = "[".repeat(100_000) + &"]".repeat(100_000);
    let long = format!("[{}]", vec!["0"; 200_000].join(","));
    for junk in ["null", "-1", "1e999", &deep, &long, "{\"a\":{}}"] {
        for kind in ["test_stop", "heartbeat", "requests", "tasks", "measurements"] {
            let line = format!("{{\"junk\":{junk},\"type\":\"{kind}\",\"time\":5,\"rows\":[],\"x\":{junk}}}");
            let decoded = Encoding::JsonLines.decode(line.as_bytes(), NOW).unwrap();
            assert!(decoded.wrong.is_empty() && decoded.frame.message.kind() == kind, "{decoded:?}");
        }
    }
    let deep = [b"\x83\xa4junk", &vec![0x91; 100_000][..], b"\xc0\x01\x02\xa4type\xa9test_stop"].concat();
    let decoded = Encoding::MessagePack.decode(&deep, NOW).unwrap();
    assert_eq!((decoded.wrong.is_empty(), decoded.frame.message.kind()), (true, "test_stop"));
}

/// Guarantees: every cut of a frame is refused, or costs nothing.
#[test]
fn a_frame_that_is_cut_short() {
    let row = json!([PACKED, "GET", "/", 2.5, 3, 200, ["E", "text"], {"url": "u", "context": {"k": [1, 2]}}]);
    for frame in [
        json!({"type": "requests", "seq": 1, "time": PACKED, "rows": [row]}),
        json!({"type": "requests", "seq": 1, "time": PACKED, "rows": "none"}),
        json!({"type": "tasks", "rows": [[PACKED, 5.5, "A", "buy", "1", "2", true, null]]}),
        json!({"type": "custom", "attributes": {"a": {"b": [1]}}}),
        json!({"type": "measurements", "metrics": [{"name": "a", "kind": "gauge"}], "rows": [[0, 1.5, {"a": [1]}], [0, 2]]}),
    ] {
        let packed = rmp_serde::to_vec(&frame).unwrap();
        for end in 0..packed.len() {
            let cut = decode(Encoding::MessagePack, &packed[..end]);
            assert!(matches!(cut, Err(DecodeError::Malformed(_))), "{end} of {frame}: {cut:?}");
        }
    }
}

#[test]
fn a_failure_is_a_failure_whatever_is_said_of_it() {
    let said = |class: &str, text: &str| Some((class.to_owned(), text.to_owned()));
    for (error, expected, is_wrong) in [
        ("null", None, false),
        ("[\"E\",\"no\"]", said("E", "no"), false),
        ("[\"E\",null]", said("E", ""), true),
        ("[\"E\",5]", said("E", "5"), true),
        ("[\"E\"]", said("", ""), true),
        ("\"no\"", said("", "no"), true),
        ("false", said("", "false"), true),
        ("{}", said("", ""), true),
    ] {
        let line = format!(r#"{{"type":"requests","time":5,"rows":[[5,"GET","/",1,2,200,{error}]]}}"#);
        let packed = rmp_serde::to_vec(&serde_json::from_str::<Value>(&line).unwrap()).unwrap();
        for (encoding, payload) in [(Encoding::JsonLines, line.as_bytes()), (Encoding::MessagePack, &packed)] {
            let decoded = encoding.decode(payload, NOW).unwrap();
            let Message::Requests(rows) = decoded.frame.message else { panic!("requests") };
            let got = rows.rows[0].error.as_ref().map(|e| (e.class.to_string(), e.text.to_string()));
            assert_eq!((got, !decoded.wrong.is_empty()), (expected.clone(), is_wrong), "{error} in {encoding:?}");
        }
    }
}

/// Start and response time of a request; when it started and was reported, and whether the start was wrong.
#[test]
fn times_of_requests() {
    let packed = "\"time\":1000000,";
    let packed_since = "\"time\":1000000,\"since\":999990,";
    let now = NOW.as_secs();
    for (head, start, ms, expected) in [
        // As it should be: it ended between this batch and the one before.
        (packed_since, "999994.5", "500", (999_994.5, 999_995.0, false)),
        (packed_since, "999988.5", "500", (999_988.5, 999_989.0, false)),
        (packed_since, "1000000.5", "500", (1_000_000.5, 1_000_001.0, false)),
        (packed_since, "999994.5", "null", (999_994.5, 999_994.5, false)),
        // Beyond that: another time zone, a start that is taken before a queue, a clock that was set.
        (packed_since, "996394.5", "500", (996_394.5, 1_000_000.0, false)),
        (packed_since, "1003594.5", "500", (1_003_594.5, 1_000_000.0, false)),
        // Not a time at all: milliseconds, nanoseconds, a monotonic clock, nothing, text.
        (packed_since, "999994500", "500", (999_999.5, 1_000_000.0, true)),
        (packed_since, "999994500000000", "500", (999_999.5, 1_000_000.0, true)),
        (packed_since, "77.5", "500", (999_999.5, 1_000_000.0, true)),
        (packed_since, "null", "500", (999_999.5, 1_000_000.0, true)),
        (packed_since, "\"now\"", "500", (999_999.5, 1_000_000.0, true)),
        (packed_since, "1e999", "null", (1_000_000.0, 1_000_000.0, true)),
        // Without `since`, within five seconds.
        (packed, "999994.5", "500", (999_994.5, 999_995.0, false)),
        (packed, "999994.4", "500", (999_994.4, 1_000_000.0, false)),
        // Older plugins send no time: then it is now.
        ("", "1e9", "500", (now - 0.5, now, true)),
        ("\"time\":null,", "null", "500", (now - 0.5, now, true)),
    ] {
        let line = format!(r#"{{"type":"requests",{head}"rows":[[{start},"GET","/",{ms},2,200,null]]}}"#);
        let decoded = Encoding::JsonLines.decode(line.as_bytes(), NOW).unwrap();
        let wrong: Vec<_> = decoded.wrong.iter().collect();
        let Message::Requests(rows) = decoded.frame.message else { panic!("requests") };
        let row = &rows.rows[0];
        assert_eq!((row.start_time, row.reported_at, !wrong.is_empty()), expected, "{line}: {wrong:?}");
        assert!(wrong.iter().all(|wrong| *wrong == ("requests.start_time", 1)), "{wrong:?}");
    }
}
