//! One rule.

use std::borrow::Cow;

use regex::Regex;

use super::RuleOptions;
use super::template::Template;

/// A rule: which requests it is for, and what it does to them.
#[derive(Debug)]
pub(super) struct Rule {
    /// Must match the whole method, if it is there.
    pub(super) method: Option<Regex>,
    /// Must match within the name, if it is there.
    pub(super) pattern: Option<Regex>,
    pub(super) action: Action,
    /// The line in which it begins.
    pub(super) line: usize,
    /// As people wrote it.
    pub(super) written: RuleOptions,
}

#[derive(Debug)]
pub(super) enum Action {
    Replace(Template),
    Drop,
    Cut,
}

/// What a rule does to one request.
pub(super) enum Effect<'a> {
    /// It does not match.
    None,
    Rename(Cow<'a, str>),
    /// What is left of the name goes on to the rules below.
    Cut(&'a str),
    Drop,
}

impl Rule {
    pub(super) fn apply<'a>(&self, method: &str, name: &'a str) -> Effect<'a> {
        let matches = |regex: &Option<Regex>, text| regex.as_ref().is_none_or(|regex| regex.is_match(text));
        if !matches(&self.method, method) {
            return Effect::None;
        }
        match &self.action {
            Action::Replace(template) => {
                template.replace(self.pattern.as_ref(), name).map_or(Effect::None, |name| Effect::Rename(name.into()))
            }
            _ if !matches(&self.pattern, name) => Effect::None,
            Action::Drop => Effect::Drop,
            Action::Cut => name.find(['?', '#']).map_or(Effect::None, |at| Effect::Cut(&name[..at])),
        }
    }
}
