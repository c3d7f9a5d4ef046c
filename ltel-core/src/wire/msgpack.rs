//! MessagePack: what the Python plugin sends. Request rows are read by hand, since they are the hot path: one pass, and
//! strings borrowed from the frame. What reads them is all in this file: with [`Cursor`] in one of its own, the compiler inlines less,
//! and decoding takes 11 % longer.

mod extra;
mod task;

use std::borrow::Cow;

use rmp::Marker;
use serde::Serialize;

use super::json::Tagged;
use super::measurements::{self, Shared};
use super::message::Fields;
use super::parts::{self, Parts};
use super::rows::{self, PLAIN, Packed, REQUEST_KEY, TASK_KEY};
use super::value::{DEPTH, Number, VALUES, Value};
use super::wrong::WrongFields;
use super::{DecodeError, EncodeError, Encoding, Frame, Measurements, Rows, bounds};
use crate::clock::Timestamp;
use crate::event::{Measurement, Request, RequestError, ResponseTime, Task};

const NIL: u8 = 0xc0;

// Bounded: a map may fill the whole frame. No kind has this many fields.
const ENTRIES: usize = 256;

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn parts(payload: &[u8], now: Timestamp) -> Result<Parts<'_>> {
    let cut_short = || DecodeError::Malformed("incomplete MessagePack value".to_owned());
    if !matches!(Input(payload).peek(), Some(Marker::FixMap(_) | Marker::Map16 | Marker::Map32)) {
        return Err(DecodeError::Malformed("not a map".to_owned()));
    }
    let Head { kind, seq, time, since, metrics, rows } = Input(payload).head().ok_or_else(cut_short)?;
    let Value::Text(kind) = kind else { return Err(DecodeError::NoType) };
    let mut wrong = WrongFields::default();
    let seq = super::seq(&seq, &kind, &mut wrong);
    Ok(match &*kind {
        "requests" => {
            let packed = Packed::new(&kind, time, since, now, &mut wrong);
            let rows = rows.cursor("requests.rows", &mut wrong).ok_or_else(cut_short)?;
            Parts::requests(seq, parts::Cursor::MessagePack(rows), packed, wrong)
        }
        "tasks" => {
            let packed = Packed::new(&kind, time, since, now, &mut wrong);
            let rows = rows.cursor("tasks.rows", &mut wrong).ok_or_else(cut_short)?;
            Parts::tasks(seq, parts::Cursor::MessagePack(rows), packed, wrong)
        }
        "measurements" => {
            let shared = Shared::new(&time, metrics, now, &mut wrong);
            let rows = rows.cursor("measurements.rows", &mut wrong).ok_or_else(cut_short)?;
            Parts::measurements(seq, parts::Cursor::MessagePack(rows), shared, wrong)
        }
        kind => {
            let entries = Input(payload).entries().ok_or_else(cut_short)?;
            let message = Fields { kind, seq, entries, wrong: &mut wrong }.message(now)?;
            Parts::message(seq, message, wrong)
        }
    })
}

pub(super) fn encode(frame: &Frame<'_>) -> std::result::Result<Vec<u8>, EncodeError> {
    encode_any(&Tagged::of(frame, Encoding::MessagePack))
}

pub(super) fn encode_any(value: &impl Serialize) -> std::result::Result<Vec<u8>, EncodeError> {
    let mut frame = vec![0; 4];
    let mut serializer = rmp_serde::Serializer::new(&mut frame).with_struct_map();
    value.serialize(&mut serializer).map_err(|e| EncodeError(e.to_string()))?;
    let size = u32::try_from(frame.len() - 4).map_err(|e| EncodeError(e.to_string()))?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
}

/// The fields of a frame that are read first.
struct Head<'a> {
    kind: Value<'a>,
    seq: Value<'a>,
    time: Value<'a>,
    since: Value<'a>,
    metrics: Value<'a>,
    rows: Input<'a>,
}

/// Where the next row begins, and how many are left.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    input: Input<'a>,
    left: usize,
}

impl<'a> Cursor<'a> {
    pub(super) const fn is_over(&self) -> bool {
        self.left == 0
    }

    /// How many rows make a part, by their number alone. Most rows are longer than 9 bytes: the length alone must not make us
    /// reserve memory.
    fn room(&self) -> usize {
        self.left.min(self.input.0.len() / 9 + 1).min(parts::ROWS)
    }

    /// Whether there is another row for a part that began with so many bytes left.
    fn goes_on(&self, rows: usize, began: usize) -> bool {
        self.left > 0 && rows < parts::ROWS && began - self.input.0.len() < parts::BYTES
    }

    /// The next rows of requests. Nothing if the bytes end before they do.
    pub(super) fn requests(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Rows<'a>> {
        let mut batch = Rows { rows: Vec::with_capacity(self.room()), ..Rows::default() };
        let began = self.input.0.len();
        while self.goes_on(batch.rows.len(), began) {
            self.left -= 1;
            let mut next = self.input;
            if next.plain(packed, &mut batch.rows, wrong).is_some() {
                self.input = next;
            } else if let Some((row, fields)) = self.input.row::<PLAIN>(REQUEST_KEY)? {
                let mut request = rows::request(row, packed, wrong);
                request.extra = self.input.extra(fields, wrong)?;
                batch.rows.push(request);
            } else {
                batch.invalid += 1;
            }
        }
        Some(batch)
    }

    /// The next rows of tasks. Nothing if the bytes end before they do.
    pub(super) fn tasks(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Vec<Task<'a>>> {
        let mut tasks = Vec::with_capacity(self.room());
        let began = self.input.0.len();
        while self.goes_on(tasks.len(), began) {
            self.left -= 1;
            match self.input.row::<TASK_KEY>(TASK_KEY)? {
                Some((row, fields)) => {
                    let (ids, error) = self.input.rest_of_task(fields, wrong)?;
                    tasks.push(rows::task(row, ids, error, packed, wrong));
                }
                None => wrong.count("tasks.rows"),
            }
        }
        Some(tasks)
    }

    /// The next rows of measurements. Nothing if the bytes end before they do.
    pub(super) fn measurements(
        &mut self,
        shared: &mut Shared<'a>,
        wrong: &mut WrongFields,
    ) -> Option<Measurements<'a>> {
        let mut batch = Measurements { values: Vec::with_capacity(self.room()), invalid: 0 };
        let began = self.input.0.len();
        while self.goes_on(batch.values.len(), began) {
            self.left -= 1;
            batch.add(self.input.measurement(shared, wrong)?);
        }
        Some(batch)
    }
}

/// The bytes that are left. A method returns nothing where there are too few of them, and where they are not what it reads.
#[derive(Clone, Copy, Debug)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn head(mut self) -> Option<Head<'a>> {
        let [kind, seq, time, since, metrics] = [const { Value::Null }; 5];
        let mut head = Head { kind, seq, time, since, metrics, rows: Input(&[NIL]) };
        for left in (0..self.map_len()?).rev() {
            let Value::Text(key) = self.value()? else {
                self.skip()?;
                continue;
            };
            match &*key {
                "type" => head.kind = self.value()?,
                "seq" => head.seq = self.value()?,
                "time" => head.time = self.value()?,
                "since" => head.since = self.value()?,
                "metrics" => head.metrics = self.value()?,
                "rows" => {
                    head.rows = self;
                    // The plugin writes them last: then there is no need to walk over them twice.
                    let are_requests = matches!(&head.kind, Value::Text(kind) if kind == "requests");
                    if left > 0 || !are_requests {
                        self.skip()?;
                    }
                }
                _ => self.skip()?,
            }
        }
        Some(head)
    }

    /// The entries of the map that begins here, whose keys are texts.
    fn entries(mut self) -> Option<Vec<(Cow<'a, str>, Value<'a>)>> {
        let mut entries = Vec::new();
        let mut values = VALUES;
        for _ in 0..self.map_len()? {
            if let Value::Text(key) = self.value()?
                && entries.len() < ENTRIES
            {
                entries.push((key, self.nested(DEPTH, &mut values)?));
            } else {
                self.skip()?;
            }
        }
        Some(entries)
    }

    /// The rows that begin here; none where there is no list.
    fn cursor(mut self, name: &'static str, wrong: &mut WrongFields) -> Option<Cursor<'a>> {
        if self.is_array() {
            let left = self.array_len()?;
            return Some(Cursor { input: self, left });
        }
        wrong.count(name);
        self.skip().map(|()| Cursor { input: self, left: 0 })
    }

    /// Adds a row of a request with each field as the plugin writes it: the hot path, without intermediate values. The request is
    /// made where it stays, since it is large.
    #[inline]
    fn plain(&mut self, packed: Packed, rows: &mut Vec<Request<'a>>, wrong: &mut WrongFields) -> Option<()> {
        let fields = self.array_len().filter(|fields| *fields >= PLAIN)?;
        let start_time = self.number()?.float().filter(|start| packed.believes(*start))?;
        let method = self.short(bounds::ID)?;
        let name = self.short(bounds::NAME)?;
        let response_time = if self.nil() { None } else { Some(self.number()?.float()?) };
        let response_length = if self.nil() { 0 } else { self.number()?.whole()? };
        let status_code = if self.nil() { None } else { Some(u16::try_from(self.number()?.whole()?).ok()?) };
        let error = if self.nil() {
            None
        } else {
            self.array_len().filter(|count| *count == 2)?;
            Some(RequestError { class: self.short(bounds::ID)?, text: self.short(bounds::TEXT)? })
        };
        let extra = self.extra(fields, wrong)?;
        let end = start_time + response_time.unwrap_or(0.0) / 1e3;
        rows.push(Request {
            start_time,
            reported_at: packed.reported(end),
            method,
            name,
            response_time: response_time.map_or(ResponseTime::ABSENT, ResponseTime::from_ms),
            response_length,
            status_code,
            error,
            extra,
        });
        Some(())
    }

    /// The first values of the row that begins here, and how many it has, if it is a row and has enough of them.
    #[allow(clippy::option_option)] // the bytes end, or they are no row
    fn row<const N: usize>(&mut self, least: usize) -> Option<Option<([Value<'a>; N], usize)>> {
        if !self.is_array() {
            return self.skip().map(|()| None);
        }
        let fields = self.array_len()?;
        if fields < least {
            return self.skip_all(fields).map(|()| None);
        }
        let mut row = [const { Value::Null }; N];
        for value in row.iter_mut().take(fields) {
            *value = self.value()?;
        }
        Some(Some((row, fields)))
    }

    /// The measurement whose row begins here, if it is one.
    #[allow(clippy::option_option)] // the bytes end, or they are no measurement
    fn measurement(&mut self, shared: &mut Shared<'a>, wrong: &mut WrongFields) -> Option<Option<Measurement<'a>>> {
        if !self.is_array() {
            wrong.count("measurements.rows");
            return self.skip().map(|()| None);
        }
        let fields = self.array_len()?;
        if fields < measurements::KEY {
            wrong.count("measurements.rows");
            return self.skip_all(fields).map(|()| None);
        }
        let (place, value) = (self.value()?, self.value()?);
        let labels = if fields < measurements::FIELDS || self.nil() {
            shared.no_labels()
        } else {
            let mut begin = *self;
            self.skip()?;
            let bytes = &begin.0[..begin.0.len() - self.0.len()];
            shared.labels_of(bytes, || begin.value().unwrap_or(Value::Other), wrong)
        };
        self.skip_all(fields.saturating_sub(measurements::FIELDS))?;
        Some(shared.measurement(&place, &value, labels, wrong))
    }

    /// Any value.
    fn value(&mut self) -> Option<Value<'a>> {
        self.nested(DEPTH, &mut { VALUES })
    }

    /// Any value that is no deeper, and holds no more values. What no field can be costs itself alone.
    fn nested(&mut self, depth: usize, values: &mut usize) -> Option<Value<'a>> {
        match self.peek()? {
            Marker::Null => self.marker().map(|_| Value::Null),
            Marker::True => self.marker().map(|_| Value::Bool(true)),
            Marker::False => self.marker().map(|_| Value::Bool(false)),
            Marker::FixStr(_)
            | Marker::Str8
            | Marker::Str16
            | Marker::Str32
            | Marker::Bin8
            | Marker::Bin16
            | Marker::Bin32 => self.text().map(Value::Text),
            Marker::FixArray(_) | Marker::Array16 | Marker::Array32 => {
                let mut next = *self;
                let count = next.array_len()?;
                let (Some(depth), Some(left)) = (depth.checked_sub(1), values.checked_sub(count)) else {
                    return self.skip().map(|()| Value::Other);
                };
                (*self, *values) = (next, left);
                (0..count).map(|_| self.nested(depth, values)).collect::<Option<_>>().map(Value::List)
            }
            Marker::FixMap(_) | Marker::Map16 | Marker::Map32 => {
                let mut next = *self;
                let count = next.map_len()?;
                let (Some(depth), Some(left)) = (depth.checked_sub(1), values.checked_sub(count)) else {
                    return self.skip().map(|()| Value::Other);
                };
                (*self, *values) = (next, left);
                let mut entries = Vec::new();
                for _ in 0..count {
                    let key = self.nested(depth, values)?.text();
                    let value = self.nested(depth, values)?;
                    entries.extend(key.map(|key| (key, value)));
                }
                Some(Value::Map(entries))
            }
            Marker::FixExt1
            | Marker::FixExt2
            | Marker::FixExt4
            | Marker::FixExt8
            | Marker::FixExt16
            | Marker::Ext8
            | Marker::Ext16
            | Marker::Ext32
            | Marker::Reserved => self.skip().map(|()| Value::Other),
            _ => self.number().map(Value::Number),
        }
    }

    fn peek(&self) -> Option<Marker> {
        self.0.first().map(|byte| Marker::from_u8(*byte))
    }

    fn is_array(&self) -> bool {
        matches!(self.peek(), Some(Marker::FixArray(_) | Marker::Array16 | Marker::Array32))
    }

    fn is_text(&self) -> bool {
        matches!(self.peek(), Some(Marker::FixStr(_) | Marker::Str8))
    }

    #[inline]
    fn nil(&mut self) -> bool {
        let nil = self.0.first() == Some(&NIL);
        if nil {
            self.0 = &self.0[1..];
        }
        nil
    }

    fn marker(&mut self) -> Option<Marker> {
        let (first, rest) = self.0.split_first()?;
        self.0 = rest;
        Some(Marker::from_u8(*first))
    }

    fn take(&mut self, size: usize) -> Option<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size)?;
        self.0 = rest;
        Some(head)
    }

    fn be<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*head)
    }

    fn len8(&mut self) -> Option<usize> {
        Some(usize::from(u8::from_be_bytes(self.be()?)))
    }

    fn len16(&mut self) -> Option<usize> {
        Some(usize::from(u16::from_be_bytes(self.be()?)))
    }

    fn len32(&mut self) -> Option<usize> {
        Some(u32::from_be_bytes(self.be()?) as usize)
    }

    fn map_len(&mut self) -> Option<usize> {
        match self.marker()? {
            Marker::FixMap(n) => Some(usize::from(n)),
            Marker::Map16 => self.len16(),
            Marker::Map32 => self.len32(),
            _ => None,
        }
    }

    fn array_len(&mut self) -> Option<usize> {
        match self.marker()? {
            Marker::FixArray(n) => Some(usize::from(n)),
            Marker::Array16 => self.len16(),
            Marker::Array32 => self.len32(),
            _ => None,
        }
    }

    fn text(&mut self) -> Option<Cow<'a, str>> {
        self.short(usize::MAX)
    }

    /// A text that is short enough.
    #[inline]
    fn short(&mut self, limit: usize) -> Option<Cow<'a, str>> {
        let size = match self.marker()? {
            Marker::FixStr(n) => usize::from(n),
            Marker::Str8 | Marker::Bin8 => self.len8()?,
            Marker::Str16 | Marker::Bin16 => self.len16()?,
            Marker::Str32 | Marker::Bin32 => self.len32()?,
            _ => return None,
        };
        if size > limit {
            return None;
        }
        let bytes = self.take(size)?;
        match std::str::from_utf8(bytes) {
            Ok(text) => Some(Cow::Borrowed(text)),
            // Python can hold text that is not Unicode: show what can be shown, which may be longer.
            Err(_) => Some(String::from_utf8_lossy(bytes)).filter(|text| text.len() <= limit),
        }
    }

    fn number(&mut self) -> Option<Number> {
        let signed = |n: i64| u64::try_from(n).map_or(Number::Negative(n), Number::Unsigned);
        Some(match self.marker()? {
            Marker::FixPos(n) => Number::Unsigned(u64::from(n)),
            Marker::FixNeg(n) => Number::Negative(i64::from(n)),
            Marker::U8 => Number::Unsigned(u64::from(u8::from_be_bytes(self.be()?))),
            Marker::U16 => Number::Unsigned(u64::from(u16::from_be_bytes(self.be()?))),
            Marker::U32 => Number::Unsigned(u64::from(u32::from_be_bytes(self.be()?))),
            Marker::U64 => Number::Unsigned(u64::from_be_bytes(self.be()?)),
            Marker::I8 => signed(i64::from(i8::from_be_bytes(self.be()?))),
            Marker::I16 => signed(i64::from(i16::from_be_bytes(self.be()?))),
            Marker::I32 => signed(i64::from(i32::from_be_bytes(self.be()?))),
            Marker::I64 => signed(i64::from_be_bytes(self.be()?)),
            Marker::F32 => Number::Float(f64::from(f32::from_be_bytes(self.be()?))),
            Marker::F64 => Number::Float(f64::from_be_bytes(self.be()?)),
            _ => return None,
        })
    }

    /// Skips one value of any depth, without recursion, so that nesting cannot exhaust the stack.
    fn skip(&mut self) -> Option<()> {
        self.skip_all(1)
    }

    /// Skips this many values.
    fn skip_all(&mut self, mut left: usize) -> Option<()> {
        while left > 0 {
            left -= 1;
            let (bytes, values) = match self.marker()? {
                Marker::Null | Marker::True | Marker::False | Marker::FixPos(_) | Marker::FixNeg(_) => (0, 0),
                Marker::U8 | Marker::I8 => (1, 0),
                Marker::U16 | Marker::I16 | Marker::FixExt1 => (2, 0),
                Marker::FixExt2 => (3, 0),
                Marker::U32 | Marker::I32 | Marker::F32 => (4, 0),
                Marker::FixExt4 => (5, 0),
                Marker::U64 | Marker::I64 | Marker::F64 => (8, 0),
                Marker::FixExt8 => (9, 0),
                Marker::FixExt16 => (17, 0),
                Marker::FixStr(n) => (usize::from(n), 0),
                Marker::Str8 | Marker::Bin8 => (self.len8()?, 0),
                Marker::Str16 | Marker::Bin16 => (self.len16()?, 0),
                Marker::Str32 | Marker::Bin32 => (self.len32()?, 0),
                Marker::Ext8 => (self.len8()? + 1, 0),
                Marker::Ext16 => (self.len16()? + 1, 0),
                Marker::Ext32 => (self.len32()? + 1, 0),
                Marker::FixArray(n) => (0, usize::from(n)),
                Marker::Array16 => (0, self.len16()?),
                Marker::Array32 => (0, self.len32()?),
                Marker::FixMap(n) => (0, 2 * usize::from(n)),
                Marker::Map16 => (0, 2 * self.len16()?),
                Marker::Map32 => (0, 2 * self.len32()?),
                Marker::Reserved => return None,
            };
            self.take(bytes)?;
            left += values;
        }
        Some(())
    }
}
