//! What a recorder can use while its options are checked, and how it reports errors in them.

use std::ops::Range;

use toml::Spanned;

use crate::backend::ConfigError;
use crate::event::EventKind;
use crate::expression::{Expression, Purpose};

use super::place;

/// What a recorder can use while its options are checked.
#[derive(Debug)]
pub struct OptionsCheck<'a> {
    text: &'a str,
    table: Range<usize>,
    errors: Vec<ConfigError>,
    warnings: Vec<String>,
}

impl<'a> OptionsCheck<'a> {
    /// For options from this text; the places of [`toml::Spanned`] values are bytes of it.
    #[must_use]
    pub const fn new(text: &'a str) -> Self {
        Self { text, table: 0..0, errors: Vec::new(), warnings: Vec::new() }
    }

    /// The place of the header of their table: where it is said what the table lacks.
    #[must_use]
    pub const fn in_table(mut self, header: Range<usize>) -> Self {
        self.table = header;
        self
    }

    /// The place of the header of the table, for what it lacks.
    #[must_use]
    pub fn table(&self) -> Range<usize> {
        self.table.clone()
    }

    /// The text of the configuration: what is written at a place.
    #[must_use]
    pub const fn text(&self) -> &'a str {
        self.text
    }

    /// Where a part of a text is in the file: `part` is in bytes of the text, which TOML may write in several ways.
    #[must_use]
    pub fn place_in(&self, text: &Spanned<String>, part: Range<usize>) -> Range<usize> {
        place::of_part(self.text, text, part)
    }

    /// Compiles an expression over the fields of an event, and reports each of its mistakes where it is.
    pub fn expression(&mut self, text: &Spanned<String>, on: EventKind, purpose: Purpose) -> Option<Expression> {
        let errors = match Expression::compile(text.get_ref(), on, purpose) {
            Ok(expression) => return Some(expression),
            Err(errors) => errors,
        };
        for error in errors {
            let span = self.place_in(text, error.span);
            self.errors.push(ConfigError { message: error.message, span, help: error.help });
        }
        None
    }

    /// Reports a mistake.
    pub fn error(&mut self, error: ConfigError) {
        self.errors.push(error);
    }

    /// Says what is valid and most likely not what was meant, such as a duration in another unit. It is shown behind the table's name.
    pub fn warn(&mut self, warning: impl Into<String>) {
        self.warnings.push(warning.into());
    }

    /// The warnings, which are taken from here.
    #[must_use]
    pub fn take_warnings(&mut self) -> Vec<String> {
        std::mem::take(&mut self.warnings)
    }

    /// The mistakes.
    #[must_use]
    pub fn into_errors(self) -> Vec<ConfigError> {
        self.errors
    }
}
