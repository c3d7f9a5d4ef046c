//! Rules for the names of requests (`[[names]]`): they give requests of low cardinality a name, such as `/product/{id}` for
//! `/product/1` and all others like it, or leave requests out.
//!
//! Rules are pure: a method and a name go in, a name or nothing comes out. A [`Renamer`] applies them to batches, and asks them
//! once for each distinct method and name.

mod pattern;
mod template;
mod rule;
mod check;
mod renamer;
mod suggestion;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use serde::Deserialize;
use toml::Spanned;

pub use self::check::{RuleOptions, RuleTable, check};
pub use self::renamer::Renamer;
use self::rule::{Action, Effect, Rule};
pub use self::suggestion::{suggestion, suggestions};
use crate::backend::ConfigError;
use crate::recorder::OptionsCheck;
use crate::wire::cut_name;

/// The rules of a configuration, in order.
#[derive(Debug, Default)]
pub struct Rules {
    rules: Vec<Rule>,
    warnings: Vec<String>,
}

impl Rules {
    /// Reads rules from a text that has nothing else. Returns all that is wrong with them.
    pub fn read(toml: &str) -> Result<Self, Vec<ConfigError>> {
        let (rules, errors) = Self::read_all(toml);
        if errors.is_empty() { Ok(rules) } else { Err(errors) }
    }

    /// The rules that are right, and all that is wrong with the others.
    fn read_all(toml: &str) -> (Self, Vec<ConfigError>) {
        #[derive(Deserialize)]
        #[serde(deny_unknown_fields)]
        struct File {
            names: Vec<Spanned<RuleOptions>>,
        }
        let file: File = match toml::from_str(toml) {
            Ok(file) => file,
            Err(error) => {
                let error = ConfigError::new(error.message(), error.span().unwrap_or(0..0));
                return (Self::default(), vec![error]);
            }
        };
        let tables = file.names.into_iter();
        let tables =
            tables.map(|table| RuleTable { header: table.span(), options: table.into_inner(), is_whole: true });
        let mut errors = OptionsCheck::new(toml);
        let rules = check(tables, &mut errors);
        (rules, errors.into_errors())
    }

    /// What is surprising about them.
    #[must_use]
    pub fn warnings(&self) -> &[String] {
        &self.warnings
    }

    /// Whether there are none.
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.rules.is_empty()
    }

    /// How many there are.
    #[must_use]
    pub const fn len(&self) -> usize {
        self.rules.len()
    }

    /// The rules as people wrote them, in order.
    pub fn written(&self) -> impl Iterator<Item = &RuleOptions> {
        self.rules.iter().map(|rule| &rule.written)
    }

    /// The line of the configuration in which the rule with this index begins, from 1.
    #[must_use]
    pub fn line(&self, index: usize) -> Option<usize> {
        self.rules.get(index).map(|rule| rule.line)
    }

    /// As [`Rules::apply`], with the line of the rule that has replaced the name, if one has.
    pub fn name_and_line<'a>(&self, method: &str, name: &'a str) -> Option<(Cow<'a, str>, Option<usize>)> {
        let mut last = None;
        let name = self.apply(method, name, |index| last = Some(index))?;
        let rule = last.and_then(|last| self.rules.get(last));
        Some((name, rule.filter(|rule| matches!(rule.action, Action::Replace(_))).map(|rule| rule.line)))
    }

    /// The name of a request by the first rule that matches; its own if none does, and `None` if that rule drops it. A rule that
    /// cuts does not end the search. `used` gets the index of each rule that matched.
    ///
    /// A name that gets longer than 1 KiB is cut as it is when it arrives.
    pub fn apply<'a>(&self, method: &str, name: &'a str, mut used: impl FnMut(usize)) -> Option<Cow<'a, str>> {
        let mut name = name;
        for (index, rule) in self.rules.iter().enumerate() {
            match rule.apply(method, name) {
                Effect::None => continue,
                Effect::Cut(rest) => name = rest,
                Effect::Rename(renamed) => {
                    used(index);
                    return Some(cut_name(renamed));
                }
                Effect::Drop => {
                    used(index);
                    return None;
                }
            }
            used(index);
        }
        Some(Cow::Borrowed(name))
    }
}
