//! Notices that a test has many names of requests, each of them a series of its own in every backend, and says what to do.
//!
//! Rows are looked at only after a recorder has many series, and then some thousands of them. So this costs nothing where there
//! are few.

use std::collections::BTreeSet;

use ltel_core::event::Request;
use ltel_core::names::suggestion;
use ltel_core::text::shortened;

// As many names are too many.
const NAMES: usize = 300;

// A look is over after as many rows. With fewer names, the series are of workers, statuses and others.
const ROWS: usize = 20_000;

// Names in the message, if there is no rule that would help.
const SHOWN: usize = 3;

/// The watch over the names of a run.
#[derive(Debug)]
pub(super) enum NameWatch {
    /// For a recorder to have as many series.
    Waiting { series: usize },
    /// For as many rows.
    Looking { rows: usize, names: BTreeSet<Box<str>>, series: usize },
    /// It was said.
    Told,
}

impl Default for NameWatch {
    fn default() -> Self {
        Self::Waiting { series: NAMES }
    }
}

impl NameWatch {
    /// The most series that a recorder has now.
    pub(super) fn series(&mut self, most: usize) {
        if let Self::Waiting { series } = self
            && most > *series
        {
            *self = Self::Looking { rows: ROWS, names: BTreeSet::new(), series: most };
        }
    }

    /// Looks at requests, if it has to. Returns what to say, once. `keeps`: no recorder would follow a rule, as the file is.
    #[inline]
    pub(super) fn look(
        &mut self,
        rows: &[Request<'_>],
        has_rules: bool,
        keeps: impl FnOnce() -> bool,
    ) -> Option<String> {
        match self {
            Self::Looking { .. } => self.look_closely(rows, has_rules, keeps),
            Self::Waiting { .. } | Self::Told => None,
        }
    }

    #[cold]
    fn look_closely(&mut self, rows: &[Request<'_>], has_rules: bool, keeps: impl FnOnce() -> bool) -> Option<String> {
        let Self::Looking { rows: left, names, series } = self else { return None };
        for row in rows.iter().take(*left) {
            if names.len() < NAMES && !names.contains(&*row.name) {
                names.insert((&*row.name).into());
            }
        }
        *left = left.saturating_sub(rows.len());
        if names.len() >= NAMES {
            let message = message(names, has_rules, keeps());
            *self = Self::Told;
            return Some(message);
        }
        if *left == 0 {
            // It grows twofold until the next look: however many series there are, few rows are looked at.
            *self = Self::Waiting { series: series.saturating_mul(2) };
        }
        None
    }
}

fn message(names: &BTreeSet<Box<str>>, has_rules: bool, keeps: bool) -> String {
    let rules = if has_rules { ", by the rules of [[names]] too" } else { "" };
    let many = format!("requests have more than {NAMES} names{rules}, and each name is a series of its own");
    let examples: Vec<_> = names.iter().take(SHOWN).map(|name| format!("`{}`", shortened(name, 60))).collect();
    let stats = if keeps { " ([recorders.stats] follows it with `names = true`)" } else { "" };
    match suggestion(names.iter().map(|name| &**name)) {
        Some(rules) if has_rules => format!("{many}; more rules would be{stats}: {rules}"),
        Some(rules) => {
            format!(
                "{many}; give those that are alike one name, by a line at the top of the configuration{stats}: {rules}"
            )
        }
        None => format!(
            "{many}, such as {}; give those that are alike one name: by `name=` in the locustfile, or by a rule `[[names]]` in the \
             configuration{stats}",
            examples.join(", ")
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: std::ops::Range<usize>) -> Vec<Request<'static>> {
        names.map(|n| Request { name: format!("/product/{n}").into(), ..Request::default() }).collect()
    }

    /// Scenario: few series, then many of few names, then many names. Guarantees: nothing is looked at, then nothing said, then
    /// it is said once with a rule.
    #[test]
    fn many_names_are_said_once() {
        let mut watch = NameWatch::default();
        watch.series(NAMES);
        assert_eq!(watch.look(&rows(0..1_000), false, || false), None);
        watch.series(NAMES + 1);
        for _ in 0..ROWS / 100 {
            assert_eq!(watch.look(&rows(0..100), false, || false), None);
        }
        watch.series(2 * NAMES + 2);
        assert_eq!(watch.look(&rows(0..1_000), false, || false), None);
        watch.series(2 * NAMES + 3);
        let said = watch.look(&rows(0..1_000), false, || true).unwrap();
        assert!(said.contains("names = [{ match = '^/product/\\d+$'") && said.contains("`names = true`"), "{said}");
        watch.series(100 * NAMES);
        assert_eq!(watch.look(&rows(0..1_000), false, || false), None);
    }

    /// Guarantees: what a client sent is shown escaped.
    #[test]
    fn names_are_shown_escaped() {
        let names = (0..NAMES).map(|n| format!("\u{1b}[31m{n}").into()).collect();
        let said = message(&names, true, false);
        assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}"), "{said}");
    }
}
