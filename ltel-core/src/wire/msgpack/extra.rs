//! What follows the fields that each row of requests has: in v2 fields of their own, with the ids as bytes, in v1 a map.

use std::borrow::Cow;

use rmp::Marker;

use super::{Input, PLAIN};
use crate::event::Extra;
use crate::trace::TraceContext;
use crate::wire::rows;
use crate::wire::wrong::WrongFields;
use crate::wire::{bounds, ids};

/// How many fields follow: ids, user class, URL, request length and context.
const FIELDS: usize = 5;

impl<'a> Input<'a> {
    /// The extras of a row with so many fields, of which the first are read. Nothing if the bytes end.
    #[inline]
    #[allow(clippy::option_option)] // the bytes end, or there are no extras
    pub(super) fn extra(&mut self, fields: usize, wrong: &mut WrongFields) -> Option<Option<Box<Extra<'a>>>> {
        let left = fields.saturating_sub(PLAIN);
        if left == 0 {
            return Some(None);
        }
        if matches!(self.peek(), Some(Marker::FixMap(_) | Marker::Map16 | Marker::Map32)) {
            let extra = rows::details(self.value()?, wrong);
            return self.skip_all(left - 1).map(|()| extra);
        }
        let trace = self.ids("requests.ids", wrong)?;
        let (mut user_class, mut url, mut request_length) = (None, None, None);
        let mut context = serde_json::Map::new();
        if left > 1 {
            user_class = self.optional(bounds::ID, "requests.user_class", wrong)?;
        }
        if left > 2 {
            url = self.optional(bounds::TEXT, "requests.url", wrong)?;
        }
        if left > 3 && !self.nil() {
            request_length = rows::whole(&self.value()?, "requests.request_length", wrong);
        }
        if left > 4 && !self.nil() {
            context = rows::context(self.value()?, "requests.context", wrong);
        }
        self.skip_all(left.saturating_sub(FIELDS))?;
        let is_empty =
            trace.is_none() && user_class.is_none() && url.is_none() && request_length.is_none() && context.is_empty();
        Some((!is_empty).then(|| Box::new(Extra { url, user_class, context, request_length, trace })))
    }

    /// The ids of a request or of a task. Nothing if the bytes end.
    #[inline]
    #[allow(clippy::option_option)] // the bytes end, or there are no ids
    pub(super) fn ids(&mut self, name: &'static str, wrong: &mut WrongFields) -> Option<Option<TraceContext>> {
        if self.nil() {
            return Some(None);
        }
        let mut next = *self;
        let found = match next.marker()? {
            Marker::Bin8 => {
                let len = next.len8()?;
                ids::from_bytes(next.take(len)?)
            }
            _ => None,
        };
        match found {
            Some(_) => *self = next,
            None => {
                self.skip()?;
                wrong.count(name);
            }
        }
        Some(found)
    }

    /// A text that may be absent. Nothing if the bytes end.
    #[inline]
    #[allow(clippy::option_option)] // the bytes end, or there is no text
    fn optional(&mut self, limit: usize, name: &'static str, wrong: &mut WrongFields) -> Option<Option<Cow<'a, str>>> {
        if self.nil() {
            return Some(None);
        }
        let mut next = *self;
        if let Some(text) = next.short(limit) {
            *self = next;
            return Some(Some(text));
        }
        Some(rows::text(self.value()?, limit, name, wrong))
    }
}
