//! The rows of a frame, a part at a time.

use super::Input;
use crate::event::Task;
use crate::wire::measurements::Shared;
use crate::wire::rows::{self, PLAIN, Packed, REQUEST_KEY, TASK_KEY};
use crate::wire::wrong::WrongFields;
use crate::wire::{Measurements, Rows, parts};

/// Where the next row begins, and how many are left.
#[derive(Debug)]
pub(in crate::wire) struct Cursor<'a> {
    pub(super) input: Input<'a>,
    pub(super) left: usize,
}

impl<'a> Cursor<'a> {
    pub(in crate::wire) const fn is_over(&self) -> bool {
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
    pub(in crate::wire) fn requests(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Rows<'a>> {
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
    pub(in crate::wire) fn tasks(&mut self, packed: Packed, wrong: &mut WrongFields) -> Option<Vec<Task<'a>>> {
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
    pub(in crate::wire) fn measurements(
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
