//! Messages from the fields of a frame's map: one mechanism for all kinds without rows.

use std::borrow::Cow;

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;

use super::bounds::{self, Bounds};
use super::value::{Number, Value};
use super::wrong::WrongFields;
use super::{DecodeError, Message};
use crate::clock::Timestamp;
use crate::event::{SingleEvent, single_events};

// Bounded: for each wrong value, all fields are read again. Beyond the limit, what contains a wrong value is dropped too.
const READ_AGAIN: usize = 16;

// Longest name of a field, in characters.
const NAME: usize = 64;

/// The fields of a frame.
pub(super) struct Fields<'a, 'f> {
    pub(super) kind: &'f str,
    pub(super) seq: Option<u64>,
    /// By name, in their order.
    pub(super) entries: Vec<(Cow<'a, str>, Value<'a>)>,
    pub(super) wrong: &'f mut WrongFields,
}

impl Fields<'_, '_> {
    /// The message of a frame without rows. An event without a time happens `now`.
    pub(super) fn message(mut self, now: Timestamp) -> Result<Message<'static>, DecodeError> {
        self.bound();
        macro_rules! read {
            ($($name:ident $type:literal $doc:literal)*) => {
                match self.kind {
                    $($type => Message::Event(SingleEvent::$name(self.event(now))),)*
                    "hello" => Message::Hello(self.read()),
                    "done" => Message::Done(self.event(now)),
                    "heartbeat" => Message::Heartbeat,
                    kind => return Err(DecodeError::UnknownType { kind: name(kind, []), seq: self.seq }),
                }
            };
        }
        Ok(single_events!(read))
    }

    /// Cuts texts and lists that are too long.
    fn bound(&mut self) {
        for (field, value) in &mut self.entries {
            if let Some(bounds) = Bounds::of(self.kind, field) {
                bounds::bound(value, bounds, || name(self.kind, [&**field]), self.wrong);
            }
        }
    }

    fn event<T: DeserializeOwned + Default>(mut self, now: Timestamp) -> T {
        match self.entries.iter().rfind(|(key, _)| key == "time").map(|(_, time)| time) {
            Some(Value::Number(number)) if number.float().is_some() => return self.read(),
            None | Some(Value::Null) => {}
            Some(_) => self.wrong.count(format!("{}.time", self.kind)),
        }
        self.entries.push(("time".into(), Value::Number(Number::Float(now.as_secs()))));
        self.read()
    }

    /// Reads them as a `T`. A value that does not fit is counted, taken out, and the rest is read again.
    fn read<T: DeserializeOwned + Default>(self) -> T {
        let mut fields = Value::Map(self.entries);
        for turn in 0.. {
            let error = match fields.read() {
                Ok(message) => return message,
                Err(error) => error,
            };
            let mut path: Vec<_> = error.path().iter().collect();
            if turn >= READ_AGAIN {
                path.truncate(1);
            }
            self.wrong.count(name(self.kind, keys(&path)));
            if !fields.take_out(&path) {
                break;
            }
        }
        T::default()
    }
}

/// Kind and keys as text: `users.counts.Shopper`. Both may come from a client, so they are cut.
pub(super) fn name<'k>(kind: &str, keys: impl IntoIterator<Item = &'k str>) -> String {
    let name = keys.into_iter().fold(kind.to_owned(), |name, key| name + "." + key);
    name.chars().filter(|c| !c.is_control()).take(NAME).collect()
}

/// The keys of a path. The elements of a list have the name of the list.
fn keys<'k>(path: &[&'k Segment]) -> impl Iterator<Item = &'k str> {
    path.iter().filter_map(|segment| match segment {
        Segment::Map { key } => Some(&**key),
        _ => None,
    })
}
