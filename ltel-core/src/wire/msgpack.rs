//! MessagePack: what the Python plugin sends. Request rows are read by hand, since they are the hot path: one pass,
//! strings borrowed from the frame, and a row of the wrong shape costs that row alone.

use std::borrow::Cow;

use rmp::Marker;
use serde::{Deserialize, Serialize};

use super::json::{Tagged, Tasks};
use super::{DecodeError, EncodeError, Frame, Message, Rows};
use crate::event::{Extra, Request, RequestError, ResponseTime};

type Result<T> = std::result::Result<T, DecodeError>;

pub(super) fn decode(payload: &[u8]) -> Result<Frame<'_>> {
    let mut input = Input(payload);
    let (mut kind, mut seq, mut rows) = (None, None, None);
    for _ in 0..input.map_len()? {
        let key = input.str()?;
        match &*key {
            "type" => kind = Some(input.str()?),
            "seq" => seq = input.number()?.and_then(Number::unsigned),
            "rows" => {
                rows = Some(input);
                // The plugin writes the rows last: then there is no need to walk over them twice.
                if kind.as_deref() == Some("requests") && seq.is_some() {
                    break;
                }
                input.skip()?;
            }
            _ => input.skip()?,
        }
    }
    let kind = kind.ok_or(DecodeError::NoType)?;
    let message = match &*kind {
        "tasks" => Message::Tasks(body::<Tasks<'_>>(payload)?.into()),
        "requests" => Message::Requests(rows.ok_or_else(|| malformed("`requests` without `rows`"))?.rows()?),
        "hello" => Message::Hello(body(payload)?),
        "test_start" => Message::TestStart(body(payload)?),
        "test_stop" => Message::TestStop(body(payload)?),
        "spawning_complete" => Message::SpawningComplete(body(payload)?),
        "users" => Message::Users(body(payload)?),
        "cpu_warning" => Message::CpuWarning(body(payload)?),
        "usage" => Message::Usage(body(payload)?),
        "reset_stats" => Message::ResetStats(body(payload)?),
        "user_error" => Message::UserError(body(payload)?),
        "custom" => Message::Custom(body(payload)?),
        "done" => Message::Done(body(payload)?),
        _ => return Err(DecodeError::UnknownType(kind.into_owned())),
    };
    Ok(Frame { seq, message })
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

fn body<'a, T: Deserialize<'a>>(payload: &'a [u8]) -> Result<T> {
    rmp_serde::from_slice(payload).map_err(|e| DecodeError::Malformed(e.to_string()))
}

fn malformed(what: &str) -> DecodeError {
    DecodeError::Malformed(what.to_owned())
}

/// A number as MessagePack wrote it.
#[derive(Clone, Copy)]
enum Number {
    Unsigned(u64),
    Negative(i64),
    Float(f64),
}

impl Number {
    fn float(self) -> f64 {
        match self {
            Self::Unsigned(n) => n as f64,
            Self::Negative(n) => n as f64,
            Self::Float(n) => n,
        }
    }

    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss)] // checked to be whole and positive
    fn unsigned(self) -> Option<u64> {
        match self {
            Self::Unsigned(n) => Some(n),
            Self::Float(n) if n >= 0.0 && n.fract() == 0.0 => Some(n as u64),
            Self::Float(_) | Self::Negative(_) => None,
        }
    }
}

#[derive(Clone, Copy)]
struct Input<'a>(&'a [u8]);

impl<'a> Input<'a> {
    fn rows(mut self) -> Result<Rows<'a>> {
        let count = self.array_len()?;
        // A row is 9 bytes at least: the length alone must not make us reserve memory.
        let mut rows = Rows { rows: Vec::with_capacity(count.min(self.0.len() / 9 + 1)), invalid: 0 };
        for _ in 0..count {
            let begin = self;
            if let Ok(row) = self.row() {
                rows.rows.push(row);
            } else {
                self = begin;
                self.skip()?;
                rows.invalid += 1;
            }
        }
        Ok(rows)
    }

    fn row(&mut self) -> Result<Request<'a>> {
        let fields = self.array_len()?;
        if fields < 7 {
            return Err(malformed("row of fewer than 7 fields"));
        }
        let row = Request {
            start_time: self.number()?.ok_or_else(|| malformed("row without a start time"))?.float(),
            method: self.str()?,
            name: self.str()?,
            response_time: self.number()?.map_or(ResponseTime::ABSENT, |ms| ResponseTime::from_ms(ms.float())),
            response_length: self.number()?.and_then(Number::unsigned).unwrap_or(0),
            status_code: self.number()?.and_then(Number::unsigned).and_then(|code| u16::try_from(code).ok()),
            error: self.error()?,
            extra: if fields > 7 { self.extra()? } else { None },
        };
        for _ in 8..fields {
            self.skip()?;
        }
        Ok(row)
    }

    fn error(&mut self) -> Result<Option<RequestError<'a>>> {
        if self.nil() {
            return Ok(None);
        }
        if self.array_len()? != 2 {
            return Err(malformed("`error` is not `[class, text]`"));
        }
        Ok(Some(RequestError { class: self.str()?, text: self.str()? }))
    }

    fn extra(&mut self) -> Result<Option<Box<Extra<'a>>>> {
        if self.nil() {
            return Ok(None);
        }
        let begin = self.0;
        self.skip()?;
        body(&begin[..begin.len() - self.0.len()]).map(Some)
    }

    fn nil(&mut self) -> bool {
        let nil = self.0.first() == Some(&Marker::Null.to_u8());
        if nil {
            self.0 = &self.0[1..];
        }
        nil
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

    fn array_len(&mut self) -> Result<usize> {
        match self.marker()? {
            Marker::FixArray(n) => Ok(usize::from(n)),
            Marker::Array16 => self.len16(),
            Marker::Array32 => self.len32(),
            _ => Err(malformed("not an array")),
        }
    }

    fn str(&mut self) -> Result<Cow<'a, str>> {
        let size = match self.marker()? {
            Marker::FixStr(n) => usize::from(n),
            Marker::Str8 => self.len8()?,
            Marker::Str16 => self.len16()?,
            Marker::Str32 => self.len32()?,
            _ => return Err(malformed("not a string")),
        };
        let bytes = self.take(size)?;
        Ok(match std::str::from_utf8(bytes) {
            Ok(text) => Cow::Borrowed(text),
            // Python can hold text that is not Unicode: show what can be shown.
            Err(_) => String::from_utf8_lossy(bytes),
        })
    }

    /// A number, or nothing for nil.
    fn number(&mut self) -> Result<Option<Number>> {
        let signed = |n: i64| u64::try_from(n).map_or(Number::Negative(n), Number::Unsigned);
        Ok(Some(match self.marker()? {
            Marker::Null => return Ok(None),
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
            _ => return Err(malformed("not a number")),
        }))
    }

    /// Passes over one value, however deep: without recursion, so that no nesting can exhaust the stack.
    fn skip(&mut self) -> Result<()> {
        let mut left = 1_usize;
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
