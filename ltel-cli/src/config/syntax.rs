//! What is not TOML, in plain words. TOML's parser says what it did not expect; here it is said what people have likely meant, and
//! what to write.

mod line;

use std::cell::RefCell;
use std::ops::Range;

use ltel_core::backend::ConfigError;
use toml::de::DeTable;

use super::unclosed;
use line::{Line, is_key};

/// Finds the errors of a text that is TOML. What is suggested is tried with it: what would be refused is not suggested.
pub(super) type Check<'c> = dyn Fn(&str) -> Vec<ConfigError> + 'c;

/// The errors of a file that is not TOML: at most one for each line, since those behind it follow from the first.
pub(super) fn errors(text: &str, check: &Check<'_>) -> Vec<ConfigError> {
    let mark = text.len() - text.trim_start_matches('\u{feff}').len();
    let mut errors = without_mark(&text[mark..], check);
    for error in &mut errors {
        error.span = error.span.start + mark..error.span.end + mark;
    }
    errors
}

fn without_mark(text: &str, check: &Check<'_>) -> Vec<ConfigError> {
    if let Some(error) = other_format(text) {
        return vec![error];
    }
    let unclosed = unclosed::find(text);
    let mut errors: Vec<_> = unclosed.iter().map(|unclosed| unclosed.error(text)).collect();
    // The rest is read as if they were closed.
    let mut closed = text.to_owned();
    for unclosed in unclosed.iter().rev() {
        closed.insert_str(unclosed.end, unclosed.close());
    }
    let (mut lines, found) = faults(&closed);
    for Fault { line, span, message } in found {
        let trial = Trial { lines: RefCell::new(lines), line, check };
        let mut error = Line::at(&closed, line, &trial).error(&closed, span, &message);
        lines = trial.lines.into_inner();
        let inserted = |at: usize| {
            let before = unclosed.iter().scan(0, |shift, one| {
                let from = one.end + *shift;
                *shift += one.close().len();
                Some((from, one.close().len()))
            });
            before.filter(|(from, _)| *from < at).map(|(_, length)| length).sum::<usize>()
        };
        error.span = error.span.start - inserted(error.span.start)..error.span.end - inserted(error.span.end);
        errors.push(error);
    }
    errors
}

/// What TOML's parser says about a line.
struct Fault {
    line: usize,
    span: Range<usize>,
    message: String,
}

/// The first fault of each line with one, and the lines of the file, those empty.
fn faults(text: &str) -> (Vec<String>, Vec<Fault>) {
    let mut lines: Vec<String> = text.split('\n').map(str::to_owned).collect();
    let mut faults: Vec<Fault> = Vec::new();
    // The parser does not see all of them at once: it leaves out what is behind a fault.
    loop {
        let rest = lines.join("\n");
        let (_, found) = DeTable::parse_recoverable(&rest);
        let before = faults.len();
        for error in &found {
            let span = error.span().unwrap_or(0..0);
            // At the end of a file without a line of its own, the line before is meant.
            let is_behind = span.start == rest.len() && rest.ends_with('\n');
            let line = rest.get(..span.start - usize::from(is_behind)).unwrap_or(&rest).matches('\n').count();
            // The lines of a table without its name seem to be of the one before.
            let follows = before > 0 && error.message().starts_with("duplicate key");
            match faults.iter().position(|fault| fault.line == line) {
                Some(at) if faults[at].span.start <= span.start => {}
                Some(at) => faults[at] = Fault { line, span, message: error.message().to_owned() },
                None if follows => {}
                None => faults.push(Fault { line, span, message: error.message().to_owned() }),
            }
            // As long as it was, so that the places stay.
            lines[line] = " ".repeat(lines[line].len());
        }
        if found.is_empty() || (faults.len() == before && lines.join("\n") == rest) {
            break;
        }
    }
    faults.sort_by_key(|fault| fault.line);
    (lines, faults)
}

/// A file that is in another format as a whole.
fn other_format(text: &str) -> Option<ConfigError> {
    let format = if text.trim_start().starts_with('{') {
        "JSON"
    } else if is_yaml(text) {
        "YAML"
    } else {
        return None;
    };
    let at = text.len() - text.trim_start().len();
    let help = format!(
        "write tables and their keys: `[backends.json]` on a line, and `output = \"telemetry.jsonl\"` on the next; \
         `{} help config` shows all of them",
        crate::program::name()
    );
    Some(ConfigError::new(format!("this is {format}, and ltel's configuration is TOML"), at..at + 1).help(help))
}

/// Whether nothing in a file is of TOML, and a table or several keys are of YAML.
fn is_yaml(text: &str) -> bool {
    let cut = |line: &'_ str| line.split(" #").next().unwrap_or_default().trim().to_owned();
    let lines: Vec<_> = text.lines().map(cut).filter(|line| !line.is_empty() && !line.starts_with('#')).collect();
    let is_entry = |line: &str| {
        let entry = line.trim_start_matches("- ");
        entry.split_once(':').is_some_and(|(key, rest)| {
            is_key(key.trim().trim_matches(['"', '\''])) && (rest.is_empty() || rest.starts_with(' '))
        })
    };
    let Some(first) = lines.first() else { return false };
    if first == "---" {
        return true;
    }
    let is_of_toml =
        |line: &String| line.starts_with('[') || line.split_once('=').is_some_and(|(key, _)| is_key(key.trim()));
    let is_table = |line: &str| line.ends_with(':') || line.ends_with('}') || line.ends_with(']');
    is_entry(first) && !lines.iter().any(is_of_toml) && (lines.len() > 1 || is_table(first))
}

/// The file as it is when what is suggested is followed; lines with errors that are not mended yet are empty.
struct Trial<'c> {
    lines: RefCell<Vec<String>>,
    line: usize,
    check: &'c Check<'c>,
}

impl Trial<'_> {
    /// Whether a text can stand in the place of the line.
    fn accepts(&self, line: &str) -> bool {
        let mut lines = self.lines.borrow_mut();
        let before = std::mem::replace(&mut lines[self.line], line.to_owned());
        let from: usize = lines[..self.line].iter().map(|line| line.len() + 1).sum();
        let text = lines.join("\n");
        let is_here = |error: &ConfigError| {
            let is_about_line = (from..from + line.len()).contains(&error.span.start) && !error.span.is_empty();
            // What a table lacks may be on lines with errors; a variable may be set where ltel runs.
            let is_elsewhere = line.starts_with('[') && error.message.contains(" has no ");
            is_about_line && !is_elsewhere && !error.message.contains("is not set")
        };
        let accepted = DeTable::parse(&text).is_ok() && !(self.check)(&text).iter().any(is_here);
        if !accepted {
            lines[self.line] = before;
        }
        accepted
    }
}

#[cfg(test)]
mod tests;
