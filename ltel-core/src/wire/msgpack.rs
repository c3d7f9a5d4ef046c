//! MessagePack: what the Python plugin sends. Request rows are read by hand, since they are the hot path: one pass, and
//! strings borrowed from the frame.

use std::borrow::Cow;

use rmp::Marker;
use serde::Serialize;

use super::json::Tagged;
use super::message::Fields;
use super::rows::{self, FIELDS, Packed, REQUEST_KEY, TASK_KEY};
use super::value::{DEPTH, Number, VALUES, Value};
use super::wrong::WrongFields;
use super::{DecodeError, Decoded, EncodeError, Frame, Message, Rows};
use crate::clock::Timestamp;
use crate::event::{Request, RequestError, Task};

// Bounded: what is kept of a map that may be all of a frame. No kind has as many fields.
const ENTRIES: usize = 256;

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn decode(payload: &[u8], now: Timestamp) -> Result<Decoded<'_>> {
    let mut input = Input(payload);
    let mut wrong = WrongFields::default();
    let mut rows = None;
    let [mut kind, mut seq, mut time, mut since] = [const { Value::Null }; 4];
    for _ in 0..input.map_len()? {
        let key = input.value()?;
        let Value::Text(key) = key else {
            input.skip()?;
            continue;
        };
        match &*key {
            "type" => kind = input.value()?,
            "seq" => seq = input.value()?,
            "time" => time = input.value()?,
            "since" => since = input.value()?,
            "rows" => {
                rows = Some(input);
                // The plugin writes the rows last: then there is no need to walk over them twice.
                if matches!((&kind, &seq), (Value::Text(kind), Value::Number(_)) if kind == "requests") {
                    break;
                }
                input.skip()?;
            }
            _ => input.skip()?,
        }
    }
    let Value::Text(kind) = kind else { return Err(DecodeError::NoType) };
    let seq = super::seq(&seq, &kind, &mut wrong);
    let message = match &*kind {
        "requests" | "tasks" => {
            let packed = Packed::new(&kind, time, since, now, &mut wrong);
            let rows = rows.unwrap_or(Input(&[0xc0]));
            if kind == "tasks" {
                Message::Tasks(rows.tasks(packed, &mut wrong)?)
            } else {
                Message::Requests(rows.requests(packed, &mut wrong)?)
            }
        }
        kind => Fields { kind, seq, entries: Input(payload).entries()?, wrong: &mut wrong }.message(now)?,
    };
    Ok(Decoded { frame: Frame { seq, message }, wrong })
}

pub(super) fn encode(frame: &Frame<'_>) -> std::result::Result<Vec<u8>, EncodeError> {
    encode_any(&Tagged::from(frame))
}

pub(super) fn encode_any(value: &impl Serialize) -> std::result::Result<Vec<u8>, EncodeError> {
    let mut frame = vec![0; 4];
    let mut serializer = rmp_serde::Serializer::new(&mut frame).with_struct_map();
    value.serialize(&mut serializer).map_err(|e| EncodeError(e.to_string()))?;
    let size = u32::try_from(frame.len() - 4).map_err(|e| EncodeError(e.to_string()))?;
    frame[..4].copy_from_slice(&size.to_be_bytes());
    Ok(frame)
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

#[derive(Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    /// The rows of requests that begin here.
    fn requests(mut self, packed: Packed, wrong: &mut WrongFields) -> Result<Rows<'a>> {
        let Some(count) = self.array_len()? else {
            wrong.count("requests.rows");
            self.skip()?;
            return Ok(Rows::default());
        };
        // Most rows are longer than 9 bytes: the length alone must not make us reserve memory.
        let mut rows = Rows { rows: Vec::with_capacity(count.min(self.0.len() / 9 + 1)), ..Rows::default() };
        for _ in 0..count {
            match self.array_len()? {
                Some(fields) if fields >= REQUEST_KEY => rows.rows.push(self.request(fields, packed, wrong)?),
                Some(fields) => {
                    self.skip_all(fields)?;
                    rows.invalid += 1;
                }
                None => {
                    self.skip()?;
                    rows.invalid += 1;
                }
            }
        }
        Ok(rows)
    }

    #[inline]
    fn request(&mut self, fields: usize, packed: Packed, wrong: &mut WrongFields) -> Result<Request<'a>> {
        let mut left = fields;
        let row = [
            self.field(&mut left)?,
            self.field(&mut left)?,
            self.field(&mut left)?,
            self.field(&mut left)?,
            self.field(&mut left)?,
            self.field(&mut left)?,
        ];
        let error = if left > 0 { self.error(wrong)? } else { None };
        left = left.saturating_sub(1);
        let extra = self.field(&mut left)?;
        self.skip_all(left)?;
        Ok(rows::request(row, error, extra, packed, wrong))
    }

    /// The next of so many fields of a row. Those that it does not have are absent.
    #[inline]
    fn field(&mut self, left: &mut usize) -> Result<Value<'a>> {
        if *left == 0 {
            return Ok(Value::Null);
        }
        *left -= 1;
        self.value()
    }

    #[inline]
    fn error(&mut self, wrong: &mut WrongFields) -> Result<Option<RequestError<'a>>> {
        if self.0.first() == Some(&Marker::Null.to_u8()) {
            self.0 = &self.0[1..];
            return Ok(None);
        }
        let mut pair = *self;
        if pair.array_len()? == Some(2)
            && let (Value::Text(class), Value::Text(text)) = (pair.value()?, pair.value()?)
        {
            *self = pair;
            return Ok(Some(RequestError { class, text }));
        }
        Ok(rows::failure(self.value()?, "requests.error", wrong))
    }

    /// The rows of tasks that begin here.
    fn tasks(mut self, packed: Packed, wrong: &mut WrongFields) -> Result<Vec<Task<'a>>> {
        let Some(count) = self.array_len()? else {
            wrong.count("tasks.rows");
            self.skip()?;
            return Ok(Vec::new());
        };
        let mut tasks = Vec::with_capacity(count.min(self.0.len() / 9 + 1));
        for _ in 0..count {
            match self.array_len()? {
                Some(fields) if fields >= TASK_KEY => {
                    let mut left = fields;
                    let mut row = [const { Value::Null }; FIELDS];
                    for field in &mut row {
                        *field = self.field(&mut left)?;
                    }
                    self.skip_all(left)?;
                    tasks.push(rows::task(row, packed, wrong));
                }
                Some(fields) => {
                    self.skip_all(fields)?;
                    wrong.count("tasks.rows");
                }
                None => {
                    self.skip()?;
                    wrong.count("tasks.rows");
                }
            }
        }
        Ok(tasks)
    }

    /// The length of the array that begins here. Nothing, and nothing read, where another value does.
    #[inline]
    fn array_len(&mut self) -> Result<Option<usize>> {
        let mut next = *self;
        let count = match next.marker()? {
            Marker::FixArray(n) => usize::from(n),
            Marker::Array16 => next.len16()?,
            Marker::Array32 => next.len32()?,
            _ => return Ok(None),
        };
        *self = next;
        Ok(Some(count))
    }

    /// The entries of the map that begins here, whose keys are texts.
    fn entries(mut self) -> Result<Vec<(Cow<'a, str>, Value<'a>)>> {
        let mut entries = Vec::new();
        for _ in 0..self.map_len()? {
            if let Value::Text(key) = self.value()?
                && entries.len() < ENTRIES
            {
                entries.push((key, self.value()?));
            } else {
                self.skip()?;
            }
        }
        Ok(entries)
    }

    /// Any value. What no field can be costs that field: only where there is no next value, there is no frame.
    #[inline]
    fn value(&mut self) -> Result<Value<'a>> {
        match self.scalar()? {
            Some(value) => Ok(value),
            None => self.nested(DEPTH, &mut { VALUES }),
        }
    }

    /// A text, a number or nil. Nothing, and nothing read, where another value begins.
    #[inline]
    fn scalar(&mut self) -> Result<Option<Value<'a>>> {
        let mut next = *self;
        let value = match next.marker()? {
            Marker::Null => Value::Null,
            marker if let Some(size) = next.text_size(marker)? => next.text(size)?,
            marker if let Some(number) = next.number(marker)? => Value::Number(number),
            _ => return Ok(None),
        };
        *self = next;
        Ok(Some(value))
    }

    /// Any value that is no deeper, and holds no more values.
    #[cold]
    fn nested(&mut self, depth: usize, values: &mut usize) -> Result<Value<'a>> {
        if let Some(value) = self.scalar()? {
            return Ok(value);
        }
        let mut next = *self;
        let (count, is_map) = match next.marker()? {
            Marker::FixArray(n) => (usize::from(n), false),
            Marker::Array16 => (next.len16()?, false),
            Marker::Array32 => (next.len32()?, false),
            Marker::FixMap(n) => (usize::from(n), true),
            Marker::Map16 => (next.len16()?, true),
            Marker::Map32 => (next.len32()?, true),
            marker @ (Marker::True | Marker::False) => {
                *self = next;
                return Ok(Value::Bool(marker == Marker::True));
            }
            _ => {
                self.skip()?;
                return Ok(Value::Other);
            }
        };
        let (Some(depth), Some(left)) = (depth.checked_sub(1), values.checked_sub(count)) else {
            self.skip()?;
            return Ok(Value::Other);
        };
        *values = left;
        *self = next;
        if !is_map {
            return (0..count).map(|_| self.nested(depth, values)).collect::<Result<_>>().map(Value::List);
        }
        let mut entries = Vec::new();
        for _ in 0..count {
            let key = self.nested(depth, values)?.text();
            let value = self.nested(depth, values)?;
            entries.extend(key.map(|key| (key, value)));
        }
        Ok(Value::Map(entries))
    }

    fn marker(&mut self) -> Result<Marker> {
        let (first, rest) = self.0.split_first().ok_or_else(|| malformed("unexpected end"))?;
        self.0 = rest;
        Ok(Marker::from_u8(*first))
    }

    fn take(&mut self, size: usize) -> Result<&'a [u8]> {
        let (head, rest) = self.0.split_at_checked(size).ok_or_else(|| malformed("unexpected end"))?;
        self.0 = rest;
        Ok(head)
    }

    fn be<const N: usize>(&mut self) -> Result<[u8; N]> {
        let (head, rest) = self.0.split_first_chunk().ok_or_else(|| malformed("unexpected end"))?;
        self.0 = rest;
        Ok(*head)
    }

    fn len8(&mut self) -> Result<usize> {
        Ok(usize::from(u8::from_be_bytes(self.be()?)))
    }

    fn len16(&mut self) -> Result<usize> {
        Ok(usize::from(u16::from_be_bytes(self.be()?)))
    }

    fn len32(&mut self) -> Result<usize> {
        Ok(u32::from_be_bytes(self.be()?) as usize)
    }

    fn map_len(&mut self) -> Result<usize> {
        match self.marker()? {
            Marker::FixMap(n) => Ok(usize::from(n)),
            Marker::Map16 => self.len16(),
            Marker::Map32 => self.len32(),
            _ => Err(malformed("not a map")),
        }
    }

    /// How long the text or the bytes are that begin with this marker, if they do.
    #[inline]
    fn text_size(&mut self, marker: Marker) -> Result<Option<usize>> {
        Ok(Some(match marker {
            Marker::FixStr(n) => usize::from(n),
            Marker::Str8 | Marker::Bin8 => self.len8()?,
            Marker::Str16 | Marker::Bin16 => self.len16()?,
            Marker::Str32 | Marker::Bin32 => self.len32()?,
            _ => return Ok(None),
        }))
    }

    #[inline]
    fn text(&mut self, size: usize) -> Result<Value<'a>> {
        let bytes = self.take(size)?;
        Ok(Value::Text(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            // Python can hold text that is not Unicode: show what can be shown.
            Err(_) => String::from_utf8_lossy(bytes),
        }))
    }

    /// The number that begins with this marker, if one does.
    #[inline]
    fn number(&mut self, marker: Marker) -> Result<Option<Number>> {
        let signed = |n: i64| u64::try_from(n).map_or(Number::Negative(n), Number::Unsigned);
        Ok(Some(match marker {
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
            _ => return Ok(None),
        }))
    }

    /// Passes over one value, however deep: without recursion, so that no nesting can exhaust the stack.
    fn skip(&mut self) -> Result<()> {
        self.skip_all(1)
    }

    /// Passes over so many.
    fn skip_all(&mut self, mut left: usize) -> Result<()> {
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
                Marker::Reserved => return Err(malformed("reserved marker")),
            };
            self.take(bytes)?;
            left += values;
        }
        Ok(())
    }
}
