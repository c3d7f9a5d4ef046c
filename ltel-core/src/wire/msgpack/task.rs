//! What follows the fields that each row of tasks has: in v2 the ids as one field, in v1 three texts; then the error.

use super::Input;
use crate::wire::rows::{Ids, TASK_FIELDS, TASK_KEY};
use crate::wire::value::Value;
use crate::wire::wrong::WrongFields;

impl<'a> Input<'a> {
    /// The ids and the error of a task whose row has so many fields, of which the first are read.
    pub(super) fn rest_of_task(&mut self, fields: usize, wrong: &mut WrongFields) -> Option<(Ids<'a>, Value<'a>)> {
        let left = fields - TASK_KEY;
        // In v2 the ids are one field, in v1 three. A text before an error is no id of v1, where an id comes after it.
        let is_v1 = fields >= TASK_FIELDS || (self.is_text() && !(left == 2 && self.is_error_next()?));
        let (mut ids, mut error) = (Ids::Read(None), Value::Null);
        let read = if is_v1 {
            let mut texts = [const { Value::Null }; 3];
            for value in texts.iter_mut().take(left) {
                *value = self.value()?;
            }
            ids = Ids::Texts(texts);
            3
        } else {
            if left > 0 {
                ids = Ids::Read(self.ids("tasks.ids", wrong)?);
            }
            1
        };
        if left > read {
            error = self.value()?;
        }
        self.skip_all(left.saturating_sub(read + 1))?;
        Some((ids, error))
    }

    /// Whether after the next value comes what an error can be, or none.
    fn is_error_next(&self) -> Option<bool> {
        let mut ahead = *self;
        ahead.skip()?;
        Some(ahead.is_array() || ahead.nil())
    }
}
