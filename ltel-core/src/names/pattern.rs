//! Regular expressions of rules, with the places of their errors.

use std::ops::Range;

use regex::Regex;
use regex_syntax::ast::ErrorKind;
use regex_syntax::hir::{Hir, HirKind, Look};

/// A pattern that is not valid: why, where in it, and what to do.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct PatternError {
    pub(super) message: String,
    pub(super) span: Range<usize>,
    pub(super) help: &'static str,
}

const SYNTAX: &str = "the syntax is that of the Rust crate `regex`; in single quotes, TOML leaves `\\` as it is";

/// A compiled pattern.
#[derive(Debug)]
pub(super) struct Pattern {
    pub(super) regex: Regex,
    /// Whether it matches each text without a line break.
    pub(super) always: bool,
}

/// Compiles a pattern that may match anywhere within a text.
pub(super) fn compile(pattern: &str) -> Result<Pattern, PatternError> {
    let hir = regex_syntax::Parser::new().parse(pattern).map_err(|error| {
        let (message, span, help) = match &error {
            regex_syntax::Error::Parse(error) => (error.kind().to_string(), error.span(), help(error.kind())),
            regex_syntax::Error::Translate(error) => (error.kind().to_string(), error.span(), SYNTAX),
            // The type may get more of them.
            other => return PatternError::of_all(pattern, last_line(&other.to_string()), SYNTAX),
        };
        PatternError { message, span: span.start.offset..span.end.offset, help }
    })?;
    Ok(Pattern { regex: build(pattern, pattern)?, always: always_matches(&hir) })
}

/// Compiles a pattern that must match the whole of a text.
pub(super) fn compile_whole(pattern: &str) -> Result<Pattern, PatternError> {
    // Its errors have their places in the pattern as it is written.
    compile(pattern)?;
    let whole = format!("^(?:{pattern})$");
    let always = regex_syntax::Parser::new().parse(&whole).is_ok_and(|hir| always_matches(&hir));
    Ok(Pattern { regex: build(pattern, &whole)?, always })
}

fn build(shown: &str, pattern: &str) -> Result<Regex, PatternError> {
    Regex::new(pattern).map_err(|error| match error {
        regex::Error::CompiledTooBig(limit) => PatternError::of_all(
            shown,
            format!("it takes more than {} MiB of memory", limit >> 20),
            "repeat less, or write `\\d` as `[0-9]` and `\\w` as `[0-9A-Za-z_]`: they stand for the digits and letters of all scripts",
        ),
        other => PatternError::of_all(shown, last_line(&other.to_string()), SYNTAX),
    })
}

impl PatternError {
    const fn of_all(pattern: &str, message: String, help: &'static str) -> Self {
        Self { message, span: 0..pattern.len(), help }
    }
}

const fn help(error: &ErrorKind) -> &'static str {
    match error {
        ErrorKind::UnsupportedLookAround => {
            "write a rule above this one for what it must not match: `replace = \"$0\"` leaves a name as it is"
        }
        ErrorKind::RepetitionMissing => "`*`, `+` and `?` repeat what stands before them; `.*` is any text",
        _ => SYNTAX,
    }
}

// Messages of these crates show the pattern first.
fn last_line(message: &str) -> String {
    message.lines().last().unwrap_or_default().trim_start_matches("error: ").to_owned()
}

/// Whether a pattern matches each text without a line break. If this says so, it does; it need not find all that do.
fn always_matches(hir: &Hir) -> bool {
    let (mut parts, mut start, mut end) = (parts(hir), false, false);
    while let Some((first, rest)) = parts.split_first()
        && let HirKind::Look(Look::Start) = first.kind()
    {
        (parts, start) = (rest, true);
    }
    while let Some((last, rest)) = parts.split_last()
        && let HirKind::Look(Look::End) = last.kind()
    {
        (parts, end) = (rest, true);
    }
    // What matches nothing at all, at one place, matches in every text.
    let may_be_empty =
        |part: &Hir| part.properties().minimum_len() == Some(0) && part.properties().look_set().is_empty();
    if !parts.iter().all(may_be_empty) {
        return false;
    }
    !(start && end) || parts.iter().any(matches_any_text)
}

fn parts(hir: &Hir) -> &[Hir] {
    match hir.kind() {
        HirKind::Concat(parts) => parts,
        HirKind::Capture(capture) => parts(&capture.sub),
        _ => std::slice::from_ref(hir),
    }
}

/// Whether it is `.*`, in whatever way it is written.
fn matches_any_text(hir: &Hir) -> bool {
    match hir.kind() {
        HirKind::Capture(capture) => matches_any_text(&capture.sub),
        HirKind::Repetition(repetition) => {
            repetition.min == 0
                && repetition.max.is_none()
                && match repetition.sub.kind() {
                    HirKind::Class(regex_syntax::hir::Class::Unicode(class)) => {
                        let left_out = {
                            let mut rest = class.clone();
                            rest.negate();
                            rest
                        };
                        left_out.ranges().iter().all(|range| (range.start(), range.end()) == ('\n', '\n'))
                    }
                    _ => false,
                }
        }
        _ => false,
    }
}
