//! Renders the errors of a configuration, with their places in the file.

use std::fmt;

pub use ltel_core::backend::ConfigError;
use miette::{GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, NamedSource, Report};

/// All errors of a configuration file.
#[derive(Clone, Debug)]
pub struct ConfigErrors {
    pub(super) file: String,
    pub(super) text: String,
    pub(super) errors: Vec<ConfigError>,
}

impl ConfigErrors {
    /// The errors, in the order of the file.
    #[must_use]
    pub fn errors(&self) -> &[ConfigError] {
        &self.errors
    }

    /// The name of the file.
    #[must_use]
    pub fn file(&self) -> &str {
        &self.file
    }

    /// Where an error begins and ends in the file.
    #[must_use]
    pub fn place(&self, error: &ConfigError) -> (Position, Position) {
        (Position::of(&self.text, error.span.start), Position::of(&self.text, error.span.end))
    }

    /// Renders each error with its place in the file, in colours if `color`.
    #[must_use]
    pub fn render(&self, color: bool) -> String {
        let theme = if color { GraphicalTheme::unicode() } else { GraphicalTheme::unicode_nocolor() };
        let handler = GraphicalReportHandler::new_themed(theme).with_width(120).with_links(false);
        let mut out = String::new();
        for error in &self.errors {
            let span = error.span.start.min(self.text.len())..error.span.end.min(self.text.len());
            let mut diagnostic =
                MietteDiagnostic::new(error.message.clone()).with_label(LabeledSpan::new_primary_with_span(None, span));
            diagnostic.help.clone_from(&error.help);
            let report = Report::new(diagnostic).with_source_code(NamedSource::new(&self.file, self.text.clone()));
            if handler.render_report(&mut out, report.as_ref()).is_err() {
                out.push_str(&error.message);
            }
            out.push('\n');
        }
        out
    }
}

/// A place in a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Position {
    /// The line, from 1.
    pub line: usize,
    /// The character of the line, from 1.
    pub column: usize,
}

impl Position {
    fn of(text: &str, byte: usize) -> Self {
        let mut byte = byte.min(text.len());
        while !text.is_char_boundary(byte) {
            byte -= 1;
        }
        let before = &text[..byte];
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}
