//! A frame, decoded part by part: rows take far more memory decoded than they take as bytes.

use super::measurements::Shared;
use super::rows::Packed;
use super::wrong::WrongFields;
use super::{DecodeError, Decoded, Frame, Measurements, Message, Rows, json, msgpack};
use crate::event::Task;

/// The number of rows decoded at a time, and of their bytes.
pub(super) const ROWS: usize = 4_096;
pub(super) const BYTES: usize = 256 << 10;

/// The parts of a frame, in order: one, or as many as its rows need. Each has the frame's number, and counts only its own
/// errors. If the frame cannot be decoded to its end, the last part is an error.
#[derive(Debug)]
pub struct Parts<'a> {
    seq: Option<u64>,
    kind: &'static str,
    rest: Rest<'a>,
    wrong: WrongFields,
}

// On the stack, one at a time: a box would cost an allocation per frame.
#[allow(clippy::large_enum_variant)]
#[derive(Debug)]
enum Rest<'a> {
    Nothing,
    Message(Message<'a>),
    Requests(Cursor<'a>, Packed),
    Tasks(Cursor<'a>, Packed),
    Measurements(Cursor<'a>, Shared<'a>),
}

/// Where the next row begins.
#[derive(Debug)]
pub(super) enum Cursor<'a> {
    MessagePack(msgpack::Cursor<'a>),
    Json(json::Cursor<'a>),
}

impl<'a> Parts<'a> {
    pub(super) fn message(seq: Option<u64>, message: Message<'a>, wrong: WrongFields) -> Self {
        Self { seq, kind: message.kind(), rest: Rest::Message(message), wrong }
    }

    pub(super) const fn requests(seq: Option<u64>, rows: Cursor<'a>, packed: Packed, wrong: WrongFields) -> Self {
        Self { seq, kind: "requests", rest: Rest::Requests(rows, packed), wrong }
    }

    pub(super) const fn tasks(seq: Option<u64>, rows: Cursor<'a>, packed: Packed, wrong: WrongFields) -> Self {
        Self { seq, kind: "tasks", rest: Rest::Tasks(rows, packed), wrong }
    }

    pub(super) const fn measurements(
        seq: Option<u64>,
        rows: Cursor<'a>,
        shared: Shared<'a>,
        wrong: WrongFields,
    ) -> Self {
        Self { seq, kind: "measurements", rest: Rest::Measurements(rows, shared), wrong }
    }

    /// The frame's number ([`Frame::seq`]).
    #[must_use]
    pub const fn seq(&self) -> Option<u64> {
        self.seq
    }

    /// The frame's type ([`Message::kind`]).
    #[must_use]
    pub const fn kind(&self) -> &'static str {
        self.kind
    }

    /// Whether rows are still to be decoded.
    #[must_use]
    pub const fn has_rows(&self) -> bool {
        match &self.rest {
            Rest::Nothing => false,
            Rest::Message(message) => message.has_rows(),
            Rest::Requests(..) | Rest::Tasks(..) | Rest::Measurements(..) => true,
        }
    }

    /// All of it at once.
    pub(super) fn whole(mut self) -> Result<Decoded<'a>, DecodeError> {
        let nothing = || DecodeError::Malformed("an empty frame".to_owned());
        let mut whole = self.next().ok_or_else(nothing)??;
        for part in self {
            let Decoded { frame, wrong } = part?;
            whole.wrong.append(wrong);
            match (&mut whole.frame.message, frame.message) {
                (Message::Requests(all), Message::Requests(more)) => {
                    all.rows.extend(more.rows);
                    all.invalid += more.invalid;
                }
                (Message::Tasks(all), Message::Tasks(more)) => all.extend(more),
                (Message::Measurements(all), Message::Measurements(more)) => {
                    all.values.extend(more.values);
                    all.invalid += more.invalid;
                }
                // Only rows are split into parts.
                (_, last) => whole.frame.message = last,
            }
        }
        Ok(whole)
    }
}

impl<'a> Iterator for Parts<'a> {
    type Item = Result<Decoded<'a>, DecodeError>;

    fn next(&mut self) -> Option<Self::Item> {
        let mut wrong = std::mem::take(&mut self.wrong);
        let read = match &mut self.rest {
            Rest::Nothing => return None,
            Rest::Message(_) => {
                let Rest::Message(message) = std::mem::replace(&mut self.rest, Rest::Nothing) else { return None };
                return Some(Ok(Decoded { frame: Frame { seq: self.seq, message }, wrong }));
            }
            Rest::Requests(rows, packed) => rows.requests(*packed, &mut wrong).map(Message::Requests),
            Rest::Tasks(rows, packed) => rows.tasks(*packed, &mut wrong).map(Message::Tasks),
            Rest::Measurements(rows, shared) => rows.measurements(shared, &mut wrong).map(Message::Measurements),
        };
        let is_over = match &self.rest {
            Rest::Requests(rows, _) | Rest::Tasks(rows, _) | Rest::Measurements(rows, _) => rows.is_over(),
            Rest::Nothing | Rest::Message(_) => true,
        };
        if is_over || read.is_none() {
            self.rest = Rest::Nothing;
        }
        Some(match read {
            Some(message) => Ok(Decoded { frame: Frame { seq: self.seq, message }, wrong }),
            None => Err(DecodeError::Malformed("incomplete MessagePack value".to_owned())),
        })
    }
}

impl<'a> Cursor<'a> {
    fn requests(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Rows<'a>> {
        match self {
            Self::MessagePack(rows) => rows.requests(packed, wrong),
            Self::Json(rows) => Some(rows.requests(packed, wrong)),
        }
    }

    fn tasks(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Vec<Task<'a>>> {
        match self {
            Self::MessagePack(rows) => rows.tasks(packed, wrong),
            Self::Json(rows) => Some(rows.tasks(packed, wrong)),
        }
    }

    fn measurements(&mut self, shared: &mut Shared<'a>, wrong: &mut WrongFields) -> Option<Measurements<'a>> {
        match self {
            Self::MessagePack(rows) => rows.measurements(shared, wrong),
            Self::Json(rows) => Some(rows.measurements(shared, wrong)),
        }
    }

    const fn is_over(&self) -> bool {
        match self {
            Self::MessagePack(rows) => rows.is_over(),
            Self::Json(rows) => rows.is_over(),
        }
    }
}
