//! Renders the errors of a configuration, with their places in the file.

use std::fmt;
use std::ops::Range;

pub use ltel_core::backend::ConfigError;
use miette::{
    GraphicalReportHandler, GraphicalTheme, LabeledSpan, MietteDiagnostic, MietteError, MietteSpanContents, Report,
    SourceCode, SourceSpan, SpanContents,
};

use super::stated::NO_PLACE;
use super::url::starred_url;
use crate::wrap;

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

    /// Whether an error is of the file, and not of the command line.
    #[must_use]
    pub fn is_in_file(&self, error: &ConfigError) -> bool {
        error.span != NO_PLACE
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
        let handler = GraphicalReportHandler::new_themed(theme)
            .with_width(120)
            .with_links(false)
            .with_word_separator(wrap::separator())
            .with_word_splitter(wrap::splitter())
            .with_break_words(false);
        let mut out = String::new();
        for error in &self.errors {
            let mut diagnostic = MietteDiagnostic::new(error.message.clone());
            diagnostic.help.clone_from(&error.help);
            let report = if self.is_in_file(error) {
                let span = error.span.start.min(self.text.len())..error.span.end.min(self.text.len());
                let source = Source { file: self.file.clone(), text: without_secrets(&self.text, span.clone()) };
                let label = LabeledSpan::new_primary_with_span(None, span);
                Report::new(diagnostic.with_label(label)).with_source_code(source)
            } else {
                Report::new(diagnostic)
            };
            if handler.render_report(&mut out, report.as_ref()).is_err() {
                out.push_str(&error.message);
            }
            out.push('\n');
        }
        out
    }
}

/// The file, with stars over a user, a password and parameters if a URL is what is wrong.
fn without_secrets(text: &str, wrong: Range<usize>) -> String {
    let is_quote = |c: char| c == '"' || c == '\'';
    let Some(value) = text.get(wrong.clone()) else { return text.to_owned() };
    let url = value.trim_matches(is_quote);
    let scheme = url.split_once("://").map(|(scheme, _)| scheme);
    let is_url = scheme.map_or(url.contains('@'), |scheme| scheme.bytes().all(|byte| byte.is_ascii_alphanumeric()));
    if !is_url || url.contains(char::is_whitespace) {
        return text.to_owned();
    }
    format!("{}{}{}", &text[..wrong.start], value.replace(url, &starred_url(url)), &text[wrong.end..])
}

/// The file, whose columns are characters: those of the crate are bytes.
#[derive(Debug)]
struct Source {
    file: String,
    text: String,
}

impl SourceCode for Source {
    fn read_span<'a>(
        &'a self,
        span: &SourceSpan,
        before: usize,
        after: usize,
    ) -> Result<Box<dyn SpanContents<'a> + 'a>, MietteError> {
        let found = self.text.read_span(span, before, after)?;
        // With lines before it, they begin at the first column.
        let column = if found.column() == 0 { 0 } else { Position::of(&self.text, span.offset()).column - 1 };
        let (data, lines) = (found.data(), found.line_count());
        let name = self.file.clone();
        Ok(Box::new(MietteSpanContents::new_named(name, data, *found.span(), found.line(), column, lines)))
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
        // A byte order mark has no column.
        let line = before.rsplit('\n').next().unwrap_or_default().trim_start_matches('\u{feff}');
        Self { line: before.matches('\n').count() + 1, column: line.chars().count() + 1 }
    }
}

impl fmt::Display for ConfigErrors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.render(false))
    }
}

impl std::error::Error for ConfigErrors {}

#[cfg(test)]
mod tests {
    use super::*;

    /// Guarantees: the line of a URL that is wrong is shown without its secrets; other lines and other texts are as they are.
    #[test]
    fn a_wrong_url_is_shown_without_secrets() {
        let text = "a = 'x@y'\nb = \"http://user:S@h/?c=S\"\nd = 'url.startsWith(\"http://h/?x=1\")'\n".to_owned();
        for (wrong, shown) in [
            ("\"http://user:S@h/?c=S\"", "b = \"http://******@h/?c=*\""),
            ("'url.startsWith(\"http://h/?x=1\")'", "d = 'url.startsWith(\"http://h/?x=1\")'"),
        ] {
            let at = text.find(wrong).unwrap();
            let error = ConfigError::new("no", at..at + wrong.len());
            let errors = ConfigErrors { file: "a.toml".to_owned(), text: text.clone(), errors: vec![error] };
            assert!(errors.render(false).contains(shown), "{}", errors.render(false));
        }
    }

    /// Guarantees: a column is a character, in text as in JSON.
    #[test]
    fn columns_are_characters() {
        let text = "a = 1\nb = 'éééé' # é\n[x]\n".to_owned();
        let at = text.find("# ").unwrap();
        let error = ConfigError::new("no", at..at + 1);
        let errors = ConfigErrors { file: "a.toml".to_owned(), text, errors: vec![error] };
        let shown = errors.render(false);
        assert!(shown.contains("a.toml:2:12"), "{shown}");
        assert_eq!(errors.place(&errors.errors[0]).0, Position { line: 2, column: 12 });
    }
}
