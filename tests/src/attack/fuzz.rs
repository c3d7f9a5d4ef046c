//! Frames that are almost right: those of a good client, changed at random.

use ltel_core::event::{
    CpuWarning, Custom, Extra, ReportToMaster, ResetStats, SpawningComplete, Task, TestStart, TestStop, Usage,
    UserError, Users,
};
use ltel_core::wire::{Done, Encoding, Frame, Message, Rows};
use serde_json::json;

use super::random::Random;
use crate::client::{hello, row};

/// A frame of some kind with something wrong in it, or nothing.
pub(super) fn frame(encoding: Encoding, seq: u64, random: &mut Random) -> Vec<u8> {
    let frame = Frame { seq: Some(seq), message: message(random) };
    let mut bytes = encoding.encode(&frame).expect("a frame");
    for _ in 0..random.below(4) {
        change(&mut bytes, encoding, random);
    }
    match encoding {
        // A length that is right, most of the time: otherwise all that follows is noise.
        Encoding::MessagePack if random.below(50) > 0 => {
            let length = u32::try_from(bytes.len().saturating_sub(4)).unwrap_or(u32::MAX).to_be_bytes();
            bytes.resize(bytes.len().max(4), 0);
            bytes[..4].copy_from_slice(&length);
        }
        Encoding::MessagePack => {}
        Encoding::JsonLines => {
            bytes.retain(|byte| *byte != b'\n');
            bytes.push(b'\n');
        }
    }
    bytes
}

fn change(bytes: &mut Vec<u8>, encoding: Encoding, random: &mut Random) {
    let from = if encoding == Encoding::MessagePack { 4 } else { 0 };
    if bytes.len() <= from + 1 {
        return;
    }
    let at = from + random.below(bytes.len() - from);
    // What begins a value of each kind, or ends one.
    let special: &[u8] = match encoding {
        Encoding::MessagePack => {
            &[0xc0, 0xc1, 0xc4, 0xc6, 0xca, 0xcb, 0xcf, 0xd3, 0xd9, 0xdb, 0xdc, 0xdd, 0xde, 0xdf, 0xff]
        }
        Encoding::JsonLines => b"\"{}[]:,\\0-e.tn\x00\x1b\xff",
    };
    match random.below(7) {
        0 => bytes[at] ^= 1 << random.below(8),
        1 => bytes[at] = random.one_of(special),
        2 => bytes.truncate(at),
        3 => bytes.insert(at, random.one_of(special)),
        4 => drop(bytes.remove(at)),
        5 => {
            // A part of it comes twice.
            let end = at + random.below(bytes.len() - at);
            let part = bytes[at..end].to_vec();
            bytes.splice(at..at, part);
        }
        _ => {
            // Nested too deeply.
            let deep = if encoding == Encoding::MessagePack { 0x91 } else { b'[' };
            bytes.splice(at..at, std::iter::repeat_n(deep, random.below(2_000)));
        }
    }
}

fn message(random: &mut Random) -> Message<'static> {
    let time = random.one_of(&[0.0, 1.7e9, -1.0, 1e300, f64::MAX]);
    let number = random.next();
    let text = random.one_of(&["", "a", "\u{1b}[2J\r\n", "\u{202e}x\u{2028}", "{\"a\":1}"]).to_owned();
    match random.below(14) {
        0 => Message::Hello(hello(&text)),
        1 => TestStart { time, run_id: Some(text), users: Some(number), ..TestStart::default() }.into(),
        2 => TestStop { time }.into(),
        3 => SpawningComplete { time, user_count: number }.into(),
        4 => Users { time, counts: [(text, number)].into(), ..Users::default() }.into(),
        5 => CpuWarning { time, ..CpuWarning::default() }.into(),
        6 => Usage { time, memory_bytes: number, ..Usage::default() }.into(),
        7 => UserError { time, user: text.clone(), error: text, ..UserError::default() }.into(),
        8 => ResetStats { time, reports: Some([(text, number)].into()) }.into(),
        9 => ReportToMaster { time, number }.into(),
        10 => Custom {
            time,
            name: text.clone(),
            attributes: [(text, json!([1, {"a": null}]))].into_iter().collect(),
            ..Custom::default()
        }
        .into(),
        11 => Message::Tasks(vec![Task { start_time: time, name: text.into(), ..Task::default() }]),
        12 => Message::Done(Done { time, sent: Some(number), ..Done::default() }),
        _ => {
            let mut row = row("fuzz", time, true);
            row.name = text.into();
            let extra = Extra { url: Some("http://h/".into()), ..Extra::default() };
            row.extra = number.is_multiple_of(2).then(|| extra.into());
            Message::Requests(Rows {
                rows: vec![row; random.below(5)],
                time: Some(time),
                since: Some(-time),
                ..Rows::default()
            })
        }
    }
}
