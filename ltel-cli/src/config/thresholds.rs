//! `[thresholds]`: what must hold of a run for it to pass.
//!
//! Each key is `all` or a pattern of endpoints; its value is a list of checks, each a text or a table that says when it stops
//! the test.

use std::ops::Range;
use std::path::{Path, PathBuf};
use std::time::Duration;

use ltel_core::backend::ConfigError;
use ltel_core::figures::RunFigures;
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use ltel_core::text::printable;
use ltel_core::thresholds::{Check, CheckError, Judgement, Target, Threshold};
use serde::Deserialize;
use toml::Spanned;
use toml::de::{DeTable, DeValue};

use super::section::{Section, above_all_tables, article};
use super::values::Delay;
use crate::report::Document;

/// The thresholds of a configuration.
#[derive(Debug, Default)]
pub struct Thresholds {
    /// Each threshold, in the order of the file.
    pub list: Vec<Threshold>,
    /// The earlier run that some of them compare with.
    pub baseline: Option<Baseline>,
}

/// An earlier run to compare with.
#[derive(Debug)]
pub struct Baseline {
    /// The file that it was read from.
    pub path: PathBuf,
    /// Its figures.
    pub figures: RunFigures,
}

impl Thresholds {
    /// Judges the figures of a run by each threshold.
    pub fn judge(&self, figures: &RunFigures) -> Vec<Judgement> {
        let baseline = self.baseline.as_ref().map(|baseline| &baseline.figures);
        self.list.iter().map(|threshold| threshold.judge(figures, baseline)).collect()
    }

    /// Whether one of them may stop a test.
    pub fn may_abort(&self) -> bool {
        self.list.iter().any(|threshold| threshold.abort_after.is_some())
    }
}

/// A check as a table.
#[derive(Deserialize, JsonSchema)]
#[schemars(rename = "Check", deny_unknown_fields)]
pub(super) struct RawCheck {
    /// What must hold, such as `p95 < 500ms`.
    #[schemars(with = "String")]
    check: Spanned<String>,
    /// Whether the test is stopped as soon as it does not hold.
    #[serde(default)]
    abort: bool,
    /// From when on it may stop the test.
    #[schemars(with = "Option<schema::Duration>", extend("default" = "0s"))]
    after: Option<Spanned<Delay>>,
}

/// The key of the baseline's file. An endpoint of this name has the pattern `* baseline`.
const BASELINE: &str = "baseline";

/// What to do about a pattern without quotes.
pub(super) const QUOTES: &str = "put patterns in quotes: `\"GET /search\" = \"p95 < 500ms\"`";

const CHECKS: &str = "write a list of checks, such as `[\"p95 < 500ms\", \"failure_ratio < 1%\"]`";

/// Reads and checks `[thresholds]`. `text` is the whole file.
pub(super) fn read(
    section: Section<'_>,
    text: &str,
    errors: &mut Vec<ConfigError>,
    warnings: &mut Vec<String>,
) -> Thresholds {
    let mut thresholds = Thresholds::default();
    let mut baseline_file = None;
    let errors_before = errors.len();
    // Where a check compares with the baseline.
    let mut comparing = Vec::new();
    for (key, key_span, value) in section.into_entries() {
        if key == BASELINE {
            baseline_file = Some((key_span, value));
            continue;
        }
        if key.is_empty() {
            let error = ConfigError::new("a pattern of endpoints is empty", key_span);
            errors.push(error.help("write `all`, or a pattern such as `\"GET /search\"` or `\"*\"`"));
            continue;
        }
        if key != Judgement::ALL && ["all", "total", "aggregated"].contains(&&*key.to_lowercase()) {
            let shown = printable(&key);
            warnings
                .push(format!("[thresholds]: `{shown}` is a pattern of endpoints; the total of all of them is `all`"));
        }
        // Of all keys that are a check's first word, only quantities can be compared so.
        if Check::parse(&format!("{key} > baseline")).is_ok() {
            let shown = printable(&key);
            warnings.push(format!(
                "[thresholds]: `{shown}` is a pattern of endpoints; a check of all of them is `all = \"{shown} < ...\"`"
            ));
        }
        let target = Target::new(&key);
        let from = thresholds.list.len();
        for item in Items::of(&key, value, errors) {
            let place = Place { text, span: item.check.span() };
            let check = match Check::parse(item.check.get_ref()) {
                Ok(check) => check,
                Err(error) => {
                    errors.push(misplaced(&key, &key_span).unwrap_or_else(|| place.error(error)));
                    continue;
                }
            };
            if check.quantity.is_of_generators() && !target.is_all() {
                let message = format!("`{}` is of generators, not of endpoints", check.quantity);
                errors.push(ConfigError::new(message, place.span).help("write it under `all`"));
                continue;
            }
            if let Some(before) = thresholds.list[from..].iter().find(|have| have.check.means(&check)) {
                let message = format!("`{check}` of `{}` is there already", printable(&key));
                let help = if before.abort_after == item.abort_after {
                    "remove one of them"
                } else {
                    "remove the one without `abort`: what stops a test is judged at its end too"
                };
                errors.push(ConfigError::new(message, place.span).help(help));
                continue;
            }
            // The figure is 0 when each test begins.
            if item.abort_after.is_some_and(|after| after.is_zero())
                && check.operator.wants_more()
                && check.quantity.begins_at_zero()
            {
                let message = format!("`{check}` would stop each test at its start");
                let help = "say from when on it is judged: `after = \"30s\"`";
                errors.push(ConfigError::new(message, place.span).help(help));
                continue;
            }
            if check.limit.needs_baseline() {
                comparing.push(place.of_word(BASELINE));
            }
            thresholds.list.push(Threshold { target: target.clone(), check, abort_after: item.abort_after });
        }
    }
    match (baseline_file, comparing.first()) {
        (Some((key, _)), None) if !thresholds.list.is_empty() || errors.len() == errors_before => {
            let error = ConfigError::new("no threshold compares with the `baseline`", key);
            errors.push(error.help("remove it, or write a check such as `p95 < baseline + 10%`"));
        }
        (Some((_, value)), _) => thresholds.baseline = baseline(&value, errors),
        (None, Some(span)) => {
            let error = ConfigError::new("[thresholds] has no `baseline` to compare with", span.clone());
            errors.push(error.help("add the JSON report of an earlier run: `baseline = \"main.json\"`"));
        }
        (None, None) => {}
    }
    if let Some(baseline) = &thresholds.baseline {
        let known = &baseline.figures.endpoints;
        for Threshold { target, check, .. } in &thresholds.list {
            if check.limit.needs_baseline()
                && !target.is_all()
                && !known.iter().any(|endpoint| target.matches(endpoint))
            {
                let target = target.to_string();
                let (check, target) = (check.to_string(), printable(&target));
                warnings.push(format!(
                    "[thresholds]: the baseline has no endpoint `{target}`, so `{}` has nothing to compare with",
                    printable(&check)
                ));
            }
        }
    }
    thresholds
}

/// Whether TOML does not understand what is here because it is a pattern without quotes, in [thresholds].
pub(super) fn is_bare_pattern(text: &str, at: usize) -> bool {
    let Some(before) = text.get(..at) else { return false };
    let line_from = before.rfind('\n').map_or(0, |end| end + 1);
    let line = text[line_from..].lines().next().unwrap_or_default();
    let header = text[..line_from].lines().rev().map(str::trim).find(|line| line.starts_with('['));
    let Some((key, _)) = line.split_once('=').filter(|(key, _)| !key.trim_start().starts_with(['"', '\'', '['])) else {
        return false;
    };
    let is_bare = |c: char| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.' | '"' | '\'');
    header.is_some_and(|header| header.starts_with("[thresholds]")) && !key.trim().chars().all(is_bare)
}

/// Reads the earlier run.
fn baseline(value: &Spanned<DeValue<'_>>, errors: &mut Vec<ConfigError>) -> Option<Baseline> {
    let span = value.span();
    let help = "write the path of the JSON report of an earlier run: `baseline = \"main.json\"`";
    let DeValue::String(path) = value.get_ref() else {
        let message = format!("`baseline` in [thresholds] is {}, not a path", article(value.get_ref()));
        errors.push(ConfigError::new(message, span).help(help));
        return None;
    };
    let path = Path::new(&**path);
    match read_document(path) {
        Ok(figures) => Some(Baseline { path: path.to_owned(), figures }),
        Err(why) => {
            errors.push(ConfigError::new(why, span).help(help));
            None
        }
    }
}

/// One check of a target.
struct Item {
    check: Spanned<String>,
    abort_after: Option<Duration>,
}

/// The checks of a target.
struct Items<'a> {
    key: &'a str,
    errors: &'a mut Vec<ConfigError>,
}

impl Items<'_> {
    fn of(key: &str, value: Spanned<DeValue<'_>>, errors: &mut Vec<ConfigError>) -> Vec<Item> {
        let span = value.span();
        let mut reader = Items { key, errors };
        match value.into_inner() {
            DeValue::Array(list) => {
                if list.is_empty() {
                    let message = format!("`{}` in [thresholds] has no check", printable(key));
                    reader.errors.push(ConfigError::new(message, span).help(CHECKS));
                }
                list.into_iter().filter_map(|value| reader.item(value)).collect()
            }
            // One check needs no list.
            value => reader.item(Spanned::new(span, value)).into_iter().collect(),
        }
    }

    fn item(&mut self, value: Spanned<DeValue<'_>>) -> Option<Item> {
        let span = value.span();
        match value.into_inner() {
            DeValue::String(check) => Some(Item { check: Spanned::new(span, check.into_owned()), abort_after: None }),
            DeValue::Table(table) => self.table(table, span),
            other => {
                let message = format!("a check of `{}` is {}, not a text", printable(self.key), article(&other));
                self.errors.push(ConfigError::new(message, span).help(CHECKS));
                None
            }
        }
    }

    fn table(&mut self, table: DeTable<'_>, span: Range<usize>) -> Option<Item> {
        let title = format!("a check of `{}`", printable(self.key));
        let raw = Section::new(title, span, table).read::<RawCheck>(&[], self.errors)?;
        if let (false, Some(after)) = (raw.abort, &raw.after) {
            let error =
                ConfigError::new("`after` without `abort`: at the end, all of the test is judged", after.span());
            self.errors.push(error.help("add `abort = true`, or remove `after`"));
            return None;
        }
        let after = raw.after.map_or(Duration::ZERO, |after| after.into_inner().0);
        Some(Item { check: raw.check, abort_after: raw.abort.then_some(after) })
    }
}

/// Where a check is in the file.
struct Place<'a> {
    text: &'a str,
    span: Range<usize>,
}

impl Place<'_> {
    fn error(&self, error: CheckError) -> ConfigError {
        ConfigError::new(error.message, self.within(error.span)).help(error.help)
    }

    /// A part of the check, if it is in the file as it is.
    fn within(&self, part: Range<usize>) -> Range<usize> {
        let written = self.text.get(self.span.clone()).unwrap_or_default();
        let is_plain = !written.contains('\\') && !written.starts_with("\"\"\"") && !written.starts_with("'''");
        // After the opening quote.
        let from = self.span.start + 1 + part.start;
        if is_plain && !part.is_empty() { from..from + part.len() } else { self.span.clone() }
    }

    fn of_word(&self, word: &str) -> Range<usize> {
        let written = self.text.get(self.span.clone()).unwrap_or_default();
        match written.find(word) {
            Some(at) => self.span.start + at..self.span.start + at + word.len(),
            None => self.span.clone(),
        }
    }
}

/// Reads the figures of an earlier run from its JSON report.
/// A key that belongs above all tables: its value is no check.
fn misplaced(key: &str, at: &Range<usize>) -> Option<ConfigError> {
    let help = above_all_tables(key)?;
    Some(ConfigError::new(format!("unknown key `{key}` in [thresholds]"), at.clone()).help(help))
}

fn read_document(path: &Path) -> Result<RunFigures, String> {
    let shown = path.display().to_string();
    let shown = printable(&shown);
    let text = std::fs::read_to_string(path).map_err(|error| format!("cannot read `{shown}`: {error}"))?;
    let document = Document::read(&text).map_err(|error| format!("`{shown}` cannot be compared with: {error}"))?;
    if !document.is_final {
        return Err(format!("`{shown}` is of a test that was still running"));
    }
    Ok(document.compared_figures())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config::{Config, ConfigErrors, Environment};
    use crate::report::sample;

    fn load(thresholds: &str) -> Result<Config, ConfigErrors> {
        let text = format!("[thresholds]\n{thresholds}\n[recorders.stats]\n[backends.json]\n");
        let registry = crate::with_backends(ltel_recorders::registry());
        crate::config::load("telemetry.toml", &text, &registry, &Environment::default())
    }

    fn refused(thresholds: &str) -> String {
        let errors = load(thresholds).expect_err(thresholds);
        errors.errors().iter().map(|error| error.message.clone()).collect::<Vec<_>>().join("; ")
    }

    #[test]
    fn a_report_is_a_baseline() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("main.json");
        let check = |check: &str| format!("baseline = '{}'\n\"GET /\" = \"{check}\"", path.display());
        let figures = sample::small();
        std::fs::write(&path, Document::of(&sample::run(), &figures).to_json()).expect("a file");
        for (text, passed) in [
            ("p99 <= baseline", true),
            ("p99 < baseline", false),
            ("rps >= baseline", true),
            ("avg > baseline - 1%", true),
        ] {
            let config = load(&check(text)).expect(text);
            let judged = config.thresholds.judge(&figures);
            assert_eq!((judged[0].passed, judged[0].actual.is_some()), (passed, true), "{text}: {judged:?}");
        }
        // Known at the start: the baseline has no such endpoint, and it must stay.
        let gone = check("p99 <= baseline").replace("GET /", "GET /gone");
        assert_eq!(
            load(&gone).expect("valid").warnings,
            [
                "[thresholds]: the baseline has no endpoint `GET /gone`, so `p99 <= baseline` has nothing to compare with"
            ]
        );
        assert!(load(&check("p99 <= baseline")).expect("valid").warnings.is_empty());
        let mut claims = load(&check("p99 <= baseline")).expect("valid").claims;
        let refusal = claims.file(&folder.path().join("./main.json")).expect_err("the baseline");
        assert!(refusal.ends_with("main.json` is the baseline of [thresholds]"), "{refusal}");
        let writes = format!("{}\n[backends.report]\nfiles = ['{}']", check("p99 <= baseline"), path.display());
        assert!(refused(&writes).contains("is the baseline of [thresholds]"), "{}", refused(&writes));
        let only = format!("baseline = '{}'", path.display());
        assert_eq!(refused(&only), "no threshold compares with the `baseline`");
        let running = RunFigures { stage: ltel_core::figures::Stage::Running, ..figures };
        for (text, message) in [
            (Document::of(&sample::run(), &running).to_json(), "is of a test that was still running"),
            ("{}".to_owned(), "cannot be compared with: not a report of ltel"),
            ("{".to_owned(), "cannot be compared with: not JSON"),
        ] {
            std::fs::write(&path, text).expect("a file");
            let said = refused(&check("p99 < baseline"));
            assert!(said.contains(message), "{said}");
        }
    }

    #[test]
    fn what_stops_a_test_may_do_so_at_once() {
        for (after, seconds) in [("0s", 0), ("0ms", 0), ("3s", 3)] {
            let text = format!("all = {{ check = 'p95 < 1s', abort = true, after = '{after}' }}");
            let config = load(&text).expect(after);
            assert_eq!(config.thresholds.list[0].abort_after, Some(Duration::from_secs(seconds)));
        }
        assert!(refused("all = { check = 'p95 < 1s', abort = true, after = '3' }").contains("has no unit"));
    }

    #[test]
    fn a_pattern_without_quotes_is_told_of() {
        let help = |text: &str| load(text).expect_err(text).errors()[0].help.clone();
        for text in ["GET /search = \"p95 < 1s\"", "/search = \"p95 < 1s\"", "* = \"p95 < 1s\""] {
            assert_eq!(help(text).as_deref(), Some(QUOTES), "{text}");
        }
        for text in ["p95 = 1s", "[recorders.x]\nGET / = 1"] {
            assert_ne!(help(text).as_deref(), Some(QUOTES), "{text}");
        }
    }

    #[test]
    fn a_pattern_that_means_the_total_is_warned_of() {
        let config = load("Aggregated = \"p95 < 1s\"").expect("valid");
        assert_eq!(
            config.warnings,
            ["[thresholds]: `Aggregated` is a pattern of endpoints; the total of all of them is `all`"]
        );
        for (key, warns) in
            [("p95", true), ("failure_ratio", true), ("'p95 '", true), ("'/p95'", false), ("all", false)]
        {
            let warnings = load(&format!("{key} = 'p95 < 1s'")).expect(key).warnings;
            assert_eq!(warnings.iter().any(|of| of.contains("a check of all of them is `all = ")), warns, "{key}");
        }
        assert!(config.wants_figures());
        assert!(load("").expect("valid").thresholds.list.is_empty());
    }
}
