//! The protocol: what is encoded comes back as it was, in both encodings and however the bytes arrive; and no bytes at all
//! make the decoder panic.

use std::borrow::Cow;

use bytes::BytesMut;
use ltel_core::event::{
    CpuWarning, Custom, Extra, Request, RequestError, ResetStats, ResponseTime, SpawningComplete, Task, TestStart,
    TestStop, Usage, UserError, Users,
};
use ltel_core::source::{Source, SourceKind};
use ltel_core::trace::TraceContext;
use ltel_core::wire::{DecodeError, Done, Encoding, Features, Frame, Hello, Message, Reply, Rows, Splitter};
use proptest::collection::{btree_map, vec};
use proptest::option::of;
use proptest::prelude::*;

const ENCODINGS: [Encoding; 2] = [Encoding::MessagePack, Encoding::JsonLines];

fn text() -> impl Strategy<Value = String> {
    prop_oneof![any::<String>(), Just(String::new()), Just("\"quoted\"\n{},\u{1F980}".to_owned())]
}

fn number() -> impl Strategy<Value = f64> {
    prop_oneof![-1e12..1e12_f64, Just(0.0), Just(1.5e-300)]
}

fn attributes() -> impl Strategy<Value = serde_json::Map<String, serde_json::Value>> {
    let value = prop_oneof![
        text().prop_map(serde_json::Value::from),
        any::<i64>().prop_map(serde_json::Value::from),
        any::<bool>().prop_map(serde_json::Value::from),
    ];
    btree_map(text(), value, 0..3).prop_map(|map| map.into_iter().collect())
}

fn request() -> impl Strategy<Value = Request<'static>> {
    let ids = of((text(), text(), of(text()), any::<bool>()));
    let extra = (of(text()), of(text()), attributes(), of(any::<u64>()), ids);
    let extra = extra.prop_map(|(url, user_class, context, request_length, ids)| {
        let (trace_id, span_id, parent, sampled) =
            ids.map_or((None, None, None, false), |(t, s, parent, sampled)| (Some(t), Some(s), parent, sampled));
        Box::new(Extra {
            url: url.map(Cow::Owned),
            user_class: user_class.map(Cow::Owned),
            context,
            request_length,
            trace_id: trace_id.map(Cow::Owned),
            span_id: span_id.map(Cow::Owned),
            parent_span_id: parent.map(Cow::Owned),
            sampled,
        })
    });
    let error = (text(), text()).prop_map(|(class, text)| RequestError { class: class.into(), text: text.into() });
    (number(), text(), text(), of(number()), any::<u64>(), of(any::<u16>()), of(error), of(extra)).prop_map(
        |(start_time, method, name, time, response_length, status_code, error, extra)| Request {
            start_time,
            method: method.into(),
            name: name.into(),
            response_time: time.map_or(ResponseTime::ABSENT, ResponseTime::from_ms),
            response_length,
            status_code,
            error,
            extra,
        },
    )
}

fn task() -> impl Strategy<Value = Task<'static>> {
    let ids = (1..=u128::MAX, 1..=u64::MAX, any::<bool>()).prop_map(|(trace, span, sampled)| TraceContext {
        trace_id: trace.into(),
        span_id: span.into(),
        parent_span_id: None,
        sampled,
    });
    let error = (text(), text()).prop_map(|(class, text)| RequestError { class: class.into(), text: text.into() });
    (number(), number(), text(), text(), of(ids), of(error)).prop_map(
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
    let hello = (any::<u32>(), text(), source(), of(text()), of(text()), of(text()), of(text()), of(text())).prop_map(
        |(protocol, client_id, source, locust_version, run_id, testplan, locustfile, token)| {
            Message::Hello(Hello { protocol, client_id, source, locust_version, run_id, testplan, locustfile, token })
        },
    );
    let start = (number(), of(text()), of(text()), of(any::<u64>()), of(number()), vec(text(), 0..3)).prop_map(
        |(time, run_id, testplan, users, spawn_rate, user_classes)| {
            let start = TestStart { time, run_id, testplan, users, spawn_rate, user_classes, ..TestStart::default() };
            Message::TestStart(start)
        },
    );
    let usage = (number(), number(), any::<u64>(), any::<u64>(), any::<u64>()).prop_map(
        |(time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes)| {
            Message::Usage(Usage { time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes })
        },
    );
    let user_error = (number(), text(), text(), text(), of(text()), of(text()), any::<bool>()).prop_map(
        |(time, user, error, traceback, trace_id, span_id, sampled)| {
            Message::UserError(UserError { time, user, error, traceback, trace_id, span_id, sampled })
        },
    );
    let custom = (number(), text(), attributes(), of(number()))
        .prop_map(|(time, name, attributes, value)| Message::Custom(Custom { time, name, attributes, value }));
    let done = (number(), of(text()), any::<u64>(), any::<u64>(), of(vec(text(), 0..3))).prop_map(
        |(time, run_id, sent, dropped, sources)| Message::Done(Done { time, run_id, sent, dropped, sources }),
    );
    prop_oneof![
        hello,
        start,
        number().prop_map(|time| Message::TestStop(TestStop { time })),
        (number(), any::<u64>())
            .prop_map(|(time, user_count)| Message::SpawningComplete(SpawningComplete { time, user_count })),
        (number(), btree_map(text(), any::<u64>(), 0..3))
            .prop_map(|(time, counts)| Message::Users(Users { time, counts })),
        (number(), number()).prop_map(|(time, cpu_usage)| Message::CpuWarning(CpuWarning { time, cpu_usage })),
        usage,
        number().prop_map(|time| Message::ResetStats(ResetStats { time })),
        user_error,
        custom,
        vec(request(), 0..4).prop_map(|rows| Message::Requests(Rows { rows, invalid: 0 })),
        vec(task(), 0..4).prop_map(Message::Tasks),
        done,
    ]
}

fn frame() -> impl Strategy<Value = Frame<'static>> {
    (of(any::<u64>()), message()).prop_map(|(seq, message)| Frame { seq, message })
}

proptest! {
    #[test]
    fn frames_come_back_as_they_were(frames in vec(frame(), 1..4), chunk in 1..64_usize) {
        for encoding in ENCODINGS {
            let mut bytes = Vec::new();
            for frame in &frames {
                bytes.extend(encoding.encode(frame).unwrap());
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
            let decoded: Vec<_> = payloads.iter().map(|payload| encoding.decode(payload).unwrap()).collect();
            prop_assert_eq!(&decoded, &frames);
        }
    }

    #[test]
    fn no_bytes_make_the_decoder_panic(bytes in vec(any::<u8>(), 0..256)) {
        for encoding in ENCODINGS {
            let _ = encoding.decode(&bytes);
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
        let _ = Encoding::MessagePack.decode(&bytes);
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
fn a_wrong_row_costs_that_row_alone() {
    let lines: [(&str, usize, u64); 4] = [
        (r#"{"type":"requests","seq":1,"rows":[[1.0,"GET","/",2.5,3,200,null,null]]}"#, 1, 0),
        (r#"{"type":"requests","seq":1,"rows":[["x"],[1.0,"GET","/",2.5,3,200,null,null],7]}"#, 1, 2),
        (r#"{"type":"request","start_time":1.0,"request_type":"GET","name":"/","response_time":null}"#, 1, 0),
        (r#"{"type":"request","name":"/"}"#, 0, 1),
    ];
    for (line, rows, invalid) in lines {
        let frame = Encoding::JsonLines.decode(line.as_bytes()).unwrap();
        let Message::Requests(got) = frame.message else { panic!("{line} is a batch of requests") };
        assert_eq!((got.rows.len(), got.invalid), (rows, invalid), "{line}");
    }
    // [[1.0, "GET", "/", nil, 0, nil, nil, nil], "wrong"], with `rows` before `type`.
    let mut packed = b"\x82\xa4rows\x92\x98\xcb\x3f\xf0\0\0\0\0\0\0\xa3GET\xa1/\xc0\0\xc0\xc0\xc0\xa5wrong".to_vec();
    packed.extend(b"\xa4type\xa8requests");
    let Message::Requests(got) = Encoding::MessagePack.decode(&packed).unwrap().message else { panic!("requests") };
    assert_eq!((got.rows.len(), got.invalid), (1, 1));
}

#[test]
fn text_that_is_not_unicode_is_shown_as_far_as_it_can_be() {
    let packed = b"\x82\xa4type\xa8requests\xa4rows\x91\x97\x01\xa3GET\xa2a\xff\xc0\0\xc0\xc0";
    let Message::Requests(got) = Encoding::MessagePack.decode(packed).unwrap().message else { panic!("requests") };
    assert_eq!(got.rows[0].name, "a\u{FFFD}");
}

#[test]
fn errors_say_what_is_wrong() {
    let json = |line: &str| Encoding::JsonLines.decode(line.as_bytes()).unwrap_err();
    assert_eq!(json("{}"), DecodeError::NoType);
    assert_eq!(json(r#"{"type":"greetings"}"#), DecodeError::UnknownType("greetings".to_owned()));
    assert!(matches!(json("{"), DecodeError::Malformed(_)));
    let nested = [vec![0x91; 100_000], vec![0xc0]].concat();
    assert!(matches!(Encoding::MessagePack.decode(&nested), Err(DecodeError::Malformed(_))));
}
