//! The ids of requests and tasks on the wire, as bytes and as texts, and what follows them in a row.
#![allow(missing_docs, clippy::unwrap_used)]

use ltel_core::Timestamp;
use ltel_core::event::{Extra, Request, Task};
use ltel_core::trace::TraceContext;
use ltel_core::wire::{Encoding, Message};
use rmp_serde::to_vec;
use serde_json::{Value, json};

const NOW: Timestamp = Timestamp::from_nanos(1_800_000_000_000_000_000);
const NIL: &[u8] = b"\xc0";

fn ids(parent: bool, sampled: bool) -> TraceContext {
    let parent = parent.then_some("3333333333333333");
    TraceContext::from_hex(&"1".repeat(32), &"2".repeat(16), parent, sampled).unwrap()
}

/// 16 bytes of the trace, 8 of the span, the flags, and 8 of the parent if there is one; as MessagePack's bytes.
fn packed(flags: u8, parent: &[u8]) -> Vec<u8> {
    let bytes = [&[0x11; 16][..], &[0x22; 8], &[flags], parent].concat();
    bin(&bytes)
}

fn bin(bytes: &[u8]) -> Vec<u8> {
    [&[0xc4, u8::try_from(bytes.len()).unwrap()], bytes].concat()
}

/// A frame with one row of these fields.
fn frame(kind: &str, fields: &[&[u8]]) -> Vec<u8> {
    let row = [&[0xdc, 0, u8::try_from(fields.len()).unwrap()][..], &fields.concat()].concat();
    [&[0x82][..], &to_vec("type").unwrap(), &to_vec(kind).unwrap(), &to_vec("rows").unwrap(), &[0x91], &row].concat()
}

fn read(payload: &[u8]) -> (Message<'_>, Vec<String>) {
    let decoded = Encoding::MessagePack.decode(payload, NOW).unwrap();
    let wrong = decoded.wrong.iter().chain(decoded.wrong.cut()).map(|(name, _)| name.to_owned()).collect();
    (decoded.frame.message, wrong)
}

/// The row of a request with these fields behind its own, one of which is as no plugin writes it if `odd`.
fn request(odd: bool, more: &[&[u8]]) -> (Request<'static>, Vec<String>) {
    let name = if odd { to_vec(&7).unwrap() } else { to_vec("/").unwrap() };
    let (start, method) = (to_vec(&NOW.as_secs()).unwrap(), to_vec("GET").unwrap());
    let own: [&[u8]; 7] = [&start, &method, &name, NIL, NIL, NIL, NIL];
    let payload = frame("requests", &[&own[..], more].concat()).leak();
    let (Message::Requests(rows), wrong) = read(payload) else { panic!("requests") };
    assert_eq!((rows.rows.len(), rows.invalid), (1, 0));
    let wrong = wrong.into_iter().filter(|name| name != "requests.name").collect();
    (rows.rows.into_iter().next().unwrap(), wrong)
}

fn task(more: &[&[u8]]) -> (Task<'static>, Vec<String>) {
    let (start, class, name) = (to_vec(&NOW.as_secs()).unwrap(), to_vec("Shopper").unwrap(), to_vec("buy").unwrap());
    let own: [&[u8]; 4] = [&start, &to_vec(&5).unwrap(), &class, &name];
    let payload = frame("tasks", &[&own[..], more].concat()).leak();
    let (Message::Tasks(tasks), wrong) = read(payload) else { panic!("tasks") };
    (tasks.into_iter().next().unwrap(), wrong)
}

/// Guarantees: ids of the two lengths are read, and others, and zeros, are wrong: they cost the ids alone.
#[test]
fn ids_are_bytes() {
    let zero = [0; 8];
    for (bytes, expected) in [
        (packed(1, b""), Some(ids(false, true))),
        (packed(0, b""), Some(ids(false, false))),
        // Other flags than W3C's first one are for others.
        (packed(0xfe, b""), Some(ids(false, false))),
        (packed(1, &[0x33; 8]), Some(ids(true, true))),
        (packed(1, &zero), Some(ids(false, true))),
        (packed(1, b"3"), None),
        (packed(1, &[0x33; 9]), None),
        (bin(b""), None),
        (bin(&[0x11; 24]), None),
        (bin(&[&[0; 16][..], &[0x22; 8], &[1]].concat()), None),
        (bin(&[&[0x11; 16][..], &zero, &[1]].concat()), None),
        (to_vec(&"1".repeat(25)).unwrap(), None),
        (to_vec(&25).unwrap(), None),
        (to_vec(&[1; 25]).unwrap(), None),
        (b"\xc7\x19\x01".iter().copied().chain([0x11; 25]).collect(), None),
    ] {
        let wrong = |name: &str| if expected.is_some() { vec![] } else { vec![name.to_owned()] };
        let class = to_vec("Shopper").unwrap();
        for odd in [false, true] {
            let (request, told) = request(odd, &[&bytes, &class]);
            assert_eq!((request.trace(), request.user_class()), (expected, Some("Shopper")), "{bytes:x?}");
            assert_eq!(told, wrong("requests.ids"), "{bytes:x?}");
        }
        let (task, told) = task(&[&bytes, &to_vec(&["E", "it"]).unwrap()]);
        assert_eq!((task.trace, &*task.error.unwrap().class), (expected, "E"), "{bytes:x?}");
        assert_eq!(told, wrong("tasks.ids"), "{bytes:x?}");
    }
}

/// Guarantees: each field that follows the ids may be absent; a wrong one costs itself alone, and what is beyond is ignored.
#[test]
fn what_is_sent_on_demand_follows() {
    let (bytes, map) = (packed(1, b""), json!({"tenant": "x"}));
    let good: [Vec<u8>; 5] = [
        bytes,
        to_vec("Shopper").unwrap(),
        to_vec("http://shop/").unwrap(),
        to_vec(&7).unwrap(),
        to_vec(&map).unwrap(),
    ];
    let all = Extra {
        trace: Some(ids(false, true)),
        user_class: Some("Shopper".into()),
        url: Some("http://shop/".into()),
        request_length: Some(7),
        context: map.as_object().unwrap().clone(),
    };
    let clear = |extra: &mut Extra<'_>, field: usize| match field {
        0 => extra.trace = None,
        1 => extra.user_class = None,
        2 => extra.url = None,
        3 => extra.request_length = None,
        _ => extra.context.clear(),
    };
    let names = ["requests.ids", "requests.user_class", "requests.url", "requests.request_length", "requests.context"];
    for odd in [false, true] {
        for count in 0..=5 {
            let fields: Vec<&[u8]> = good[..count].iter().map(Vec::as_slice).collect();
            let mut expected = all.clone();
            (count..5).for_each(|field| clear(&mut expected, field));
            let (request, wrong) = request(odd, &fields);
            assert_eq!(request.extra.map(|extra| *extra), (count > 0).then_some(expected), "{count} fields");
            assert!(wrong.is_empty(), "{wrong:?}");
        }
        for (field, name) in names.into_iter().enumerate() {
            for (value, is_wrong) in
                [(NIL.to_vec(), false), (to_vec(&-1.5).unwrap(), true), (to_vec(&[7]).unwrap(), true)]
            {
                let mut fields: Vec<&[u8]> = good.iter().map(Vec::as_slice).collect();
                fields[field] = &value;
                fields.extend([NIL, &[0x91, 0x90]]);
                let (request, wrong) = request(odd, &fields);
                let mut expected = all.clone();
                clear(&mut expected, field);
                assert_eq!(request.extra.as_deref(), Some(&expected), "{name} = {value:x?}");
                assert_eq!(wrong, if is_wrong { vec![name.to_owned()] } else { vec![] }, "{value:x?}");
            }
        }
        let long = "x".repeat(5_000);
        let (request, wrong) = request(odd, &[NIL, &to_vec(&long).unwrap(), &to_vec(&long).unwrap()]);
        assert!(request.user_class().unwrap().len() <= 256 && request.url().unwrap().len() <= 4_096);
        assert_eq!(wrong, ["requests.user_class", "requests.url"]);
    }
}

/// Scenario: ids as texts, as v1 and JSON lines have them, in rows of requests and of tasks. Guarantees: what is wrong is told, and
/// costs no more than the ids.
#[test]
fn ids_are_texts_in_v1() {
    let (trace, span, parent) = ("1".repeat(32), "2".repeat(16), "3".repeat(16));
    let of = |field: &str, value: Value| {
        let mut extra =
            json!({"trace_id": trace, "span_id": span, "parent_span_id": parent, "sampled": true, "url": "u"});
        extra[field] = value;
        extra
    };
    for (field, value, expected, is_wrong) in [
        ("url", json!("u"), Some(ids(true, true)), false),
        ("sampled", json!(null), Some(ids(true, false)), false),
        ("sampled", json!(1), Some(ids(true, false)), true),
        ("parent_span_id", json!(null), Some(ids(false, true)), false),
        ("parent_span_id", json!(""), Some(ids(false, true)), false),
        ("parent_span_id", json!("0000000000000000"), Some(ids(false, true)), true),
        ("parent_span_id", json!("333333333333333g"), Some(ids(false, true)), true),
        ("span_id", json!(null), None, false),
        ("span_id", json!("2"), None, true),
        ("span_id", json!([2]), None, true),
        ("trace_id", json!(null), None, false),
        ("trace_id", json!("0".repeat(32)), None, true),
        ("trace_id", json!("1".repeat(33)), None, true),
        ("trace_id", json!("1".repeat(5_000)), None, true),
        ("trace_id", json!("é".repeat(16)), None, true),
    ] {
        let extra = of(field, value.clone());
        let rows = json!([[NOW.as_secs(), "GET", "/", 1, 1, 200, null, extra]]);
        let ids = ["trace_id", "span_id", "sampled"].map(|name| extra[name].clone());
        let tasks = json!([[NOW.as_secs(), 1, "A", "buy", ids[0], ids[1], ids[2], ["E", "it"]]]);
        for encoding in [Encoding::MessagePack, Encoding::JsonLines] {
            let payload = |frame: &Value| match encoding {
                Encoding::MessagePack => to_vec(frame).unwrap(),
                Encoding::JsonLines => frame.to_string().into_bytes(),
            };
            let sent = payload(&json!({"type": "requests", "rows": rows}));
            let decoded = encoding.decode(&sent, NOW).unwrap();
            let wrong: Vec<_> = decoded.wrong.iter().map(|(name, _)| name.to_owned()).collect();
            let Message::Requests(found) = decoded.frame.message else { panic!("requests") };
            assert_eq!((found.rows[0].trace(), found.rows[0].url()), (expected, Some("u")), "{field} = {value}");
            assert_eq!(wrong, if is_wrong { vec![format!("requests.extra.{field}")] } else { vec![] }, "{value}");

            let sent = payload(&json!({"type": "tasks", "rows": tasks}));
            let decoded = encoding.decode(&sent, NOW).unwrap();
            let wrong: Vec<_> = decoded.wrong.iter().map(|(name, _)| name.to_owned()).collect();
            let Message::Tasks(found) = decoded.frame.message else { panic!("tasks") };
            let expected = expected.map(|ids| TraceContext { parent_span_id: None, ..ids });
            assert_eq!((found[0].trace, found[0].error.is_some()), (expected, true), "{field} = {value}");
            let is_wrong = is_wrong && field != "parent_span_id";
            assert_eq!(wrong, if is_wrong { vec![format!("tasks.{field}")] } else { vec![] }, "{value}");
        }
    }
}

/// Guarantees: a plugin of v1 that leaves fields out at the end of a task is not taken for another.
#[test]
fn rows_of_tasks_may_be_short() {
    let (trace, span) = (to_vec(&"1".repeat(32)).unwrap(), to_vec(&"2".repeat(16)).unwrap());
    let yes = [0xc3];
    for (more, expected) in [
        (&[][..], None),
        (&[NIL][..], None),
        (&[&trace[..]], None),
        (&[&trace[..], &span], Some(ids(false, false))),
        (&[&trace[..], &span, &yes], Some(ids(false, true))),
        (&[NIL, NIL, NIL, NIL], None),
        (&[&trace[..], &span, &yes, NIL, NIL, NIL], Some(ids(false, true))),
    ] {
        let (task, wrong) = task(more);
        assert_eq!((task.trace, task.error), (expected, None));
        assert!(wrong.is_empty(), "{wrong:?}");
    }
}
