//! JSON lines: the encoding for people, for tests, and for Locust workers in other languages. Names as in the
//! MessagePack encoding; requests come as rows (`requests`) or one at a time with names (`request`).

use std::borrow::Cow;

use serde::Serialize;
use serde::de::IgnoredAny;

use super::cells::{self, Row};
use super::measurements::{self, Shared};
use super::parts::{self, Parts};
use super::rows::{self, Ids, PLAIN, Packed, REQUEST_KEY, TASK_FIELDS, TASK_KEY};
use super::scan::Input;
use super::value::{VALUES, Value};
use super::wrong::WrongFields;
use super::{DecodeError, EncodeError, Encoding, Frame, Measurements, Message, Rows, message};
use crate::clock::Timestamp;
use crate::event::{Request, SingleEvent, Task};

// Bounded: a map may fill the whole frame. No kind has this many fields.
const ENTRIES: usize = 256;

/// The fields of a line, with the start of each value.
struct Fields<'a> {
    entries: Vec<(Cow<'a, str>, Input<'a>)>,
    mended: u64,
}

pub(super) fn parts(line: &[u8], now: Timestamp) -> Result<Parts<'_>, DecodeError> {
    let Some(mut fields) = Fields::read(line) else { return Err(malformed(line)) };
    let mut wrong = WrongFields::default();
    let Value::Text(kind) = fields.take("type") else { return Err(DecodeError::NoType) };
    let seq = super::seq(&fields.take("seq"), &kind, &mut wrong);
    let parts = match &*kind {
        "requests" | "request" | "tasks" => {
            let (time, since) = (fields.take("time"), fields.take("since"));
            let packed = Packed::new(&kind, time, since, now, &mut wrong);
            match &*kind {
                "requests" => {
                    let rows = fields.cursor("requests.rows", &mut wrong);
                    Parts::requests(seq, parts::Cursor::Json(rows), packed, wrong)
                }
                "request" => {
                    let request = Message::Requests(fields.request(packed, &mut wrong));
                    fields.tell(&kind, &mut wrong);
                    Parts::message(seq, request, wrong)
                }
                _ => {
                    let rows = fields.cursor("tasks.rows", &mut wrong);
                    Parts::tasks(seq, parts::Cursor::Json(rows), packed, wrong)
                }
            }
        }
        "measurements" => {
            let shared = Shared::new(&fields.take("time"), fields.take("metrics"), now, &mut wrong);
            let rows = fields.cursor("measurements.rows", &mut wrong);
            fields.tell(&kind, &mut wrong);
            Parts::measurements(seq, parts::Cursor::Json(rows), shared, wrong)
        }
        kind => {
            let entries = fields.values();
            fields.tell(kind, &mut wrong);
            let message = message::Fields { kind, seq, entries, wrong: &mut wrong }.message(now)?;
            Parts::message(seq, message, wrong)
        }
    };
    Ok(parts)
}

/// Why a line is not valid. `serde_json` is stricter than this reader, so it may report an earlier place.
fn malformed(line: &[u8]) -> DecodeError {
    let why = serde_json::from_slice::<IgnoredAny>(line).err();
    DecodeError::Malformed(why.map_or_else(|| "not a JSON object".to_owned(), |why| why.to_string()))
}

impl<'a> Fields<'a> {
    /// Finds the fields of a line. `None` if it is not an object, or its fields cannot be separated.
    fn read(line: &'a [u8]) -> Option<Self> {
        let mut fields = Self { entries: Vec::new(), mended: 0 };
        let mut input = Input(line);
        input.peek().filter(|byte| *byte == b'{')?;
        let mut is_next = input.open()?;
        while is_next {
            let key = input.key(&mut fields.mended)?;
            input.peek()?;
            let value = input;
            if key == "rows" && input.peek() == Some(b'[') {
                Cursor::skip(&mut input)?;
            } else {
                input.skip()?;
            }
            if fields.entries.len() < ENTRIES {
                fields.entries.push((key, value));
            }
            is_next = input.goes_on(b'}')?;
        }
        input.peek().is_none().then_some(fields)
    }

    /// The value of a field; of duplicate fields, the last one.
    fn take(&mut self, name: &str) -> Value<'a> {
        let Some((_, input)) = self.entries.iter_mut().rfind(|(have, _)| have == name) else { return Value::Null };
        // It was skipped without an error, so it can be read.
        input.clone().field(&mut self.mended).unwrap_or(Value::Other)
    }

    fn values(&mut self) -> Vec<(Cow<'a, str>, Value<'a>)> {
        let mut left = VALUES;
        let entries = std::mem::take(&mut self.entries).into_iter();
        let mended = &mut self.mended;
        entries.map(|(key, mut input)| (key, input.value(&mut left, mended).unwrap_or(Value::Other))).collect()
    }

    fn tell(&self, kind: &str, wrong: &mut WrongFields) {
        if self.mended > 0 {
            wrong.count_mended(kind, self.mended);
        }
    }

    /// The rows that the field `rows` holds.
    fn cursor(&self, name: &'static str, wrong: &mut WrongFields) -> Cursor<'a> {
        let rows = self.entries.iter().rfind(|(key, _)| key == "rows").map(|(_, input)| *input);
        let is_list = |input: &Input<'_>| input.clone().peek() == Some(b'[');
        rows.filter(is_list).and_then(Cursor::open).unwrap_or_else(|| {
            wrong.count(name);
            Cursor { input: Input(b""), is_next: false, patience: 0 }
        })
    }

    /// A request with named fields: the only row of its frame.
    fn request(&mut self, packed: Packed, wrong: &mut WrongFields) -> Rows<'a> {
        const NAMES: [&str; PLAIN] =
            ["start_time", "request_type", "name", "response_time", "response_length", "status_code", "error"];
        if !["request_type", "name"].iter().all(|key| self.entries.iter().any(|(have, _)| have == key)) {
            return Rows { invalid: 1, ..Rows::default() };
        }
        let mut request = rows::request(NAMES.map(|name| self.take(name)), packed, wrong);
        request.extra = rows::details(self.take("extra"), wrong);
        Rows { rows: vec![request], ..Rows::default() }
    }
}

/// Where the next row begins. If a row cannot be read, only that row is lost: the next one begins after the next `],[`.
#[derive(Debug)]
pub(super) struct Cursor<'a> {
    input: Input<'a>,
    is_next: bool,
    // Bounded: a broken row may have been read to the end of the line before it was known to be broken. Bytes that may still
    // be read without finding a row; then the line is rejected.
    patience: usize,
}

impl<'a> Cursor<'a> {
    /// Enters a list of rows.
    fn open(mut input: Input<'a>) -> Option<Self> {
        let patience = 4 * input.0.len();
        let is_next = input.open()?;
        Some(Self { input, is_next, patience })
    }

    pub(super) const fn is_over(&self) -> bool {
        !self.is_next
    }

    /// Skips a list of rows.
    fn skip(input: &mut Input<'a>) -> Option<()> {
        let mut cursor = Self::open(*input)?;
        while cursor.is_next {
            cursor.step(Input::skip);
        }
        *input = cursor.input;
        Some(())
    }

    /// Reads a row, and finds the next.
    fn step<T>(&mut self, read: impl FnOnce(&mut Input<'a>) -> Option<T>) -> Option<T> {
        let mut input = self.input;
        if let Some(row) = read(&mut input)
            && let Some(is_next) = input.goes_on(b']')
        {
            (self.input, self.is_next) = (input, is_next);
            return Some(row);
        }
        let read = self.input.0.len() - input.0.len();
        (self.input, self.is_next) = match self.patience.checked_sub(read) {
            Some(left) => {
                self.patience = left;
                after_row(self.input)
            }
            None => (Input(b""), false),
        };
        None
    }

    /// The values of the next row, if it has enough.
    fn row<const N: usize>(&mut self, least: usize, mended: &mut u64) -> Option<[Value<'a>; N]> {
        let row = self.step(|input| {
            if input.peek()? != b'[' {
                return input.skip().map(|()| None);
            }
            let mut row = [const { Value::Null }; N];
            let mut fields = 0;
            let mut is_next = input.open()?;
            while is_next {
                match row.get_mut(fields) {
                    Some(value) => *value = input.field(mended)?,
                    None => input.skip()?,
                }
                fields += 1;
                is_next = input.goes_on(b']')?;
            }
            Some((fields >= least).then_some(row))
        });
        row.flatten()
    }

    /// Whether there is another row for a part that began with so many bytes left.
    const fn goes_on(&self, rows: usize, began: usize) -> bool {
        self.is_next && rows < parts::ROWS && began - self.input.0.len() < parts::BYTES
    }

    /// The next rows of requests.
    pub(super) fn requests(&mut self, packed: Packed, wrong: &mut WrongFields) -> Rows<'a> {
        let (mut batch, mut mended, began) = (Rows::default(), 0, self.input.0.len());
        while self.goes_on(batch.rows.len(), began) {
            match self.row(REQUEST_KEY, &mut mended) {
                Some(row) => batch.rows.push(request(row, packed, wrong)),
                None => batch.invalid += 1,
            }
        }
        if mended > 0 {
            wrong.count_mended("requests", mended);
        }
        batch
    }

    /// The next rows of tasks.
    pub(super) fn tasks(&mut self, packed: Packed, wrong: &mut WrongFields) -> Vec<Task<'a>> {
        let (mut tasks, mut mended, began) = (Vec::new(), 0, self.input.0.len());
        while self.goes_on(tasks.len(), began) {
            match self.row(TASK_KEY, &mut mended) {
                Some(row) => tasks.push(task(row, packed, wrong)),
                None => wrong.count("tasks.rows"),
            }
        }
        if mended > 0 {
            wrong.count_mended("tasks", mended);
        }
        tasks
    }

    /// The next rows of measurements.
    pub(super) fn measurements(&mut self, shared: &Shared<'a>, wrong: &mut WrongFields) -> Measurements<'a> {
        let (mut batch, mut mended, began) = (Measurements::default(), 0, self.input.0.len());
        while self.goes_on(batch.values.len(), began) {
            let measurement = match self.row::<{ measurements::FIELDS }>(measurements::KEY, &mut mended) {
                Some([place, value, labels]) => {
                    let labels = shared.labels(labels, wrong);
                    shared.measurement(&place, &value, labels, wrong)
                }
                None => {
                    wrong.count("measurements.rows");
                    None
                }
            };
            batch.add(measurement);
        }
        if mended > 0 {
            wrong.count_mended("measurements", mended);
        }
        batch
    }
}

/// A request with its extras, a map.
fn request<'a>(row: [Value<'a>; PLAIN + 1], packed: Packed, wrong: &mut WrongFields) -> Request<'a> {
    let [start, method, name, time, length, status, error, extra] = row;
    let mut request = rows::request([start, method, name, time, length, status, error], packed, wrong);
    request.extra = rows::details(extra, wrong);
    request
}

/// A task, with its ids as texts.
fn task<'a>(row: [Value<'a>; TASK_FIELDS], packed: Packed, wrong: &mut WrongFields) -> Task<'a> {
    let [start, duration, user_class, name, trace_id, span_id, sampled, error] = row;
    let ids = Ids::Texts([trace_id, span_id, sampled]);
    rows::task([start, duration, user_class, name], ids, error, packed, wrong)
}

/// Where the row after a broken one begins, and whether there is one: after the first `],[`, else at the end of the list, which
/// is followed by the end of the frame or another field.
fn after_row(row: Input<'_>) -> (Input<'_>, bool) {
    let mut rest = row;
    while let Some(at) = rest.0.iter().position(|byte| *byte == b']') {
        rest.0 = &rest.0[at + 1..];
        let mut next = rest;
        match next.peek() {
            Some(b',') => {
                next.0 = &next.0[1..];
                if next.peek() == Some(b'[') {
                    return (next, true);
                }
            }
            Some(b']') => {
                next.0 = &next.0[1..];
                let mut after = next;
                match after.peek() {
                    Some(b'}') if after.0.trim_ascii() == b"}" => return (next, false),
                    Some(b',') => {
                        after.0 = &after.0[1..];
                        if after.peek() == Some(b'"') {
                            return (next, false);
                        }
                    }
                    _ => {}
                }
            }
            _ => {}
        }
    }
    (Input(b""), false)
}

pub(super) fn encode(frame: &Frame<'_>) -> Result<Vec<u8>, EncodeError> {
    encode_any(&Tagged::of(frame, Encoding::JsonLines))
}

pub(super) fn encode_any(value: &impl Serialize) -> Result<Vec<u8>, EncodeError> {
    let mut line = serde_json::to_vec(value).map_err(|e| EncodeError(e.to_string()))?;
    line.push(b'\n');
    Ok(line)
}

/// A frame as a map: its type, its number, and the message's own fields beside them.
#[derive(Serialize)]
pub(super) struct Tagged<'a> {
    #[serde(rename = "type")]
    kind: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    seq: Option<u64>,
    #[serde(flatten)]
    body: Body<'a>,
}

#[derive(Serialize)]
#[serde(untagged)]
enum Body<'a> {
    Hello(&'a super::Hello),
    Event(&'a SingleEvent),
    Requests {
        #[serde(skip_serializing_if = "Option::is_none")]
        time: Option<f64>,
        #[serde(skip_serializing_if = "Option::is_none")]
        since: Option<f64>,
        rows: Vec<Row<'a>>,
    },
    Tasks {
        rows: Vec<Row<'a>>,
    },
    Measurements(measurements::Packed<'a>),
    Done(&'a super::Done),
    Heartbeat {},
}

impl<'a> Tagged<'a> {
    pub(super) fn of(frame: &'a Frame<'_>, encoding: Encoding) -> Self {
        let body = match &frame.message {
            Message::Hello(m) => Body::Hello(m),
            Message::Event(m) => Body::Event(m),
            Message::Requests(m) => {
                let rows = m.rows.iter().map(|request| cells::request(request, encoding)).collect();
                Body::Requests { time: m.time, since: m.since, rows }
            }
            Message::Measurements(m) => Body::Measurements(measurements::Packed::of(&m.values)),
            Message::Tasks(m) => Body::Tasks { rows: m.iter().map(|task| cells::task(task, encoding)).collect() },
            Message::Done(m) => Body::Done(m),
            Message::Heartbeat => Body::Heartbeat {},
        };
        Self { kind: frame.message.kind(), seq: frame.seq, body }
    }
}
