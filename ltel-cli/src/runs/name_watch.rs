//! Notices that a test has many names of requests, each of them a series of its own in every backend, and says what to do.
//!
//! It looks at the first requests of a run, and then at some of each interval. So it costs next to nothing.

use std::collections::BTreeMap;
use std::sync::Arc;

use ltel_core::event::Request;
use ltel_core::names::{Rules, suggestion, suggestions};
use ltel_core::text::shortened;

// As many names are too many.
const NAMES: usize = 300;

// Requests that are looked at, from the first on.
const FIRST: usize = 20_000;

// As many more at each tick.
const MORE: usize = 1_000;

// Names in the message, if there is no rule that would help.
const SHOWN: usize = 3;

/// The watch over the names of a run.
#[derive(Debug)]
pub(super) struct NameWatch {
    // Those of the configuration.
    rules: Arc<Rules>,
    // Whether a recorder follows them.
    followed: bool,
    // Requests that it still looks at.
    left: usize,
    // With the line of the rule that has made each, if one has.
    names: BTreeMap<Box<str>, Option<usize>>,
    told: bool,
}

impl Default for NameWatch {
    fn default() -> Self {
        Self::new(Arc::default(), false)
    }
}

impl NameWatch {
    /// `followed`: there are recorders that follow the rules.
    pub(super) const fn new(rules: Arc<Rules>, followed: bool) -> Self {
        Self { rules, followed, left: FIRST, names: BTreeMap::new(), told: false }
    }

    /// Looks at requests as Locust names them, if it has to.
    #[inline]
    pub(super) fn look(&mut self, rows: &[Request<'_>]) {
        if self.left > 0 {
            self.look_closely(rows);
        }
    }

    #[cold]
    fn look_closely(&mut self, rows: &[Request<'_>]) {
        for row in rows.iter().take(self.left) {
            if self.names.len() >= NAMES {
                self.left = 0;
                return;
            }
            let found = if self.followed {
                self.rules.name_and_line(&row.method, &row.name)
            } else {
                Some(((&*row.name).into(), None))
            };
            if let Some((name, line)) = found
                && !self.names.contains_key(&*name)
            {
                self.names.insert((&*name).into(), line);
            }
        }
        self.left = self.left.saturating_sub(rows.len());
    }

    /// At a tick and at the end of the run: returns what to say, once. `series`: the most that a recorder has. `keeps`: no recorder
    /// would follow a rule, as the file is.
    pub(super) fn tick(&mut self, series: usize, keeps: impl FnOnce() -> bool) -> Option<String> {
        if self.told {
            return None;
        }
        if self.names.len() < NAMES {
            self.left = FIRST.min(self.left + MORE);
            return None;
        }
        if series < NAMES {
            return None;
        }
        self.told = true;
        let message = self.message(keeps());
        self.names.clear();
        Some(message)
    }

    fn message(&self, keeps: bool) -> String {
        let stats = if keeps { " ([recorders.stats] follows it with `names = true`)" } else { "" };
        let rules = if self.followed { ", by the rules of [[names]] too" } else { "" };
        let many = format!("requests have at least {NAMES} names{rules}, and each name is a series of its own");
        if !self.rules.is_empty() && !self.followed {
            return format!("{many}: no recorder follows the rules of [[names]]{stats}");
        }
        if let Some((line, names)) = self.widest() {
            return format!(
                "{many}; {} of them are of the rule in line {line}, such as {}: its `replace` keeps too much of what differs",
                names.len(),
                examples(names.into_iter())
            );
        }
        let without_rule = self.names.iter().filter(|(_, line)| line.is_none()).map(|(name, _)| &**name);
        match suggestion(without_rule.clone()) {
            Some(_) if self.followed => {
                let more = suggestions(without_rule);
                format!(
                    "{many}; add to the rules, below those that are there, each as a table [[names]]: {}",
                    more.join(", ")
                )
            }
            Some(rules) => format!(
                "{many}; give those that are alike one name, by a line at the top of the configuration{stats}: {rules}"
            ),
            None => format!(
                "{many}, such as {}; give those that are alike one name: by `name=` in the locustfile, or by a rule `[[names]]` in the \
                 configuration{stats}",
                examples(without_rule)
            ),
        }
    }

    /// The rule that has made the most names, by its line, if they are more than those without a rule.
    fn widest(&self) -> Option<(usize, Vec<&str>)> {
        let mut by_line = BTreeMap::<Option<usize>, Vec<&str>>::new();
        for (name, line) in &self.names {
            by_line.entry(*line).or_default().push(name);
        }
        let (line, names) = by_line.into_iter().max_by_key(|(_, names)| names.len())?;
        Some((line?, names))
    }
}

fn examples<'a>(names: impl Iterator<Item = &'a str>) -> String {
    let shown: Vec<_> = names.take(SHOWN).map(|name| format!("`{}`", shortened(name, 60))).collect();
    shown.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn rows(names: std::ops::Range<usize>) -> Vec<Request<'static>> {
        names.map(|n| Request { name: format!("/product/{n}").into(), ..Request::default() }).collect()
    }

    fn with(rules: &str) -> NameWatch {
        NameWatch::new(Arc::new(Rules::read(rules).unwrap()), true)
    }

    /// Scenario: few names, then many before one tick and none after it; few series, then many. Guarantees: it is said once, with a
    /// rule, as soon as there are many of both.
    #[test]
    fn many_names_are_said_once() {
        let mut watch = NameWatch::default();
        for _ in 0..=FIRST / 100 {
            watch.look(&rows(0..100));
        }
        assert_eq!(watch.tick(NAMES, || false), None);
        watch.look(&rows(0..1_000));
        assert_eq!(watch.tick(NAMES - 1, || false), None);
        let said = watch.tick(NAMES, || true).unwrap();
        assert!(said.contains("names = [{ match = '^/product/\\d+$'") && said.contains("`names = true`"), "{said}");
        watch.look(&rows(0..1_000));
        assert_eq!(watch.tick(NAMES, || false), None);
    }

    /// Guarantees: what is suggested beside rules can work: for the names that no rule has made, or at the rule that has made them.
    #[test]
    fn beside_rules() {
        let mut watch = with("[[names]]\nmatch = '^/cart$'\ndrop = true\n[[names]]\nmatch = 'product'\nreplace = 'p'");
        watch.look(&rows(0..1_000));
        let said = watch.tick(1_000, || false).unwrap();
        assert!(said.contains("300 of them are of the rule in line 4, such as `/p/0`"), "{said}");
        assert!(!said.contains("match ="), "{said}");
        let mut watch = with("[[names]]\nmatch = '^/cart$'\ndrop = true\n[[names]]\ncut_query = true");
        watch.look(&rows(0..1_000));
        let said = watch.tick(1_000, || false).unwrap();
        assert!(
            said.contains("a table [[names]]: { match = '^/product/\\d+$'") && !said.contains("names = ["),
            "{said}"
        );
        let mut watch = NameWatch::new(Arc::new(Rules::read("[[names]]\ncut_query = true").unwrap()), false);
        watch.look(&rows(0..1_000));
        assert!(watch.tick(1_000, || true).unwrap().contains("no recorder follows the rules"));
    }

    /// Guarantees: what a client sent is shown escaped.
    #[test]
    fn names_are_shown_escaped() {
        let mut watch = with("[[names]]\ncut_query = true");
        let row = |n| Request { name: format!("\u{1b}[31m{n}").into(), ..Request::default() };
        watch.look(&(0..NAMES).map(row).collect::<Vec<_>>());
        let said = watch.tick(NAMES, || false).unwrap();
        assert!(!said.contains('\u{1b}') && said.contains("\\u{1b}"), "{said}");
    }
}
