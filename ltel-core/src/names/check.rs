//! The rules as people write them, and what can be wrong with them.

use std::ops::Range;

use regex::Regex;
use schemars::JsonSchema;
use serde::Deserialize;
use toml::Spanned;

use super::Rules;
use super::pattern::{self, Pattern, PatternError};
use super::rule::{Action, Rule};
use super::template::Template;
use crate::backend::ConfigError;
use crate::recorder::OptionsCheck;

// Bounded: it takes the place of each match within a name.
const REPLACEMENT: usize = 1_024;

/// A table `[[names]]`.
#[derive(Debug, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Name rule")]
pub struct RuleOptions {
    /// A regular expression of the crate `regex`, found anywhere within the name.
    #[serde(rename = "match")]
    #[schemars(with = "Option<String>")]
    pub pattern: Option<Spanned<String>>,
    /// A regular expression for the whole method.
    #[schemars(with = "Option<String>")]
    pub method: Option<Spanned<String>>,
    /// What takes the place of each match of `match` within the name; without `match`, of the name. Groups are `$1` and `${name}`.
    #[schemars(with = "Option<String>")]
    pub replace: Option<Spanned<String>>,
    /// Leave these requests out.
    #[schemars(with = "Option<bool>")]
    pub drop: Option<Spanned<bool>>,
    /// Cut the name before its first `?` or `#`, and go on with the rules below.
    #[schemars(with = "Option<bool>")]
    pub cut_query: Option<Spanned<bool>>,
}

/// A table as it was read.
#[derive(Debug)]
pub struct RuleTable {
    /// What it says.
    pub options: RuleOptions,
    /// The place of its header.
    pub header: Range<usize>,
    /// Whether all of its keys could be read. Otherwise it is not reported what it lacks.
    pub is_whole: bool,
}

/// Makes rules of these tables, and reports all that is wrong with them.
#[must_use]
pub fn check(tables: impl IntoIterator<Item = RuleTable>, check: &mut OptionsCheck<'_>) -> Rules {
    let (mut rules, mut warnings) = (Vec::new(), Vec::new());
    // Rules that end the search for each name, or for what their texts say.
    let mut before: Vec<Before> = Vec::new();
    for table in tables {
        let line = line_of(check.text(), table.header.start);
        let matched = Matched::of(&table.options, check);
        let action = action(&table, matched.pattern.as_ref(), check);
        let (Some(action), true, true) = (action, matched.is_right, table.is_whole) else { continue };
        let is_cut = matches!(action, Action::Cut);
        let written_texts = matched.texts.clone();
        let written = Before { line, is_cut, always: matched.always, texts: matched.texts };
        if let Some(earlier) = before.iter().find(|earlier| earlier.leaves_nothing_for(&written)) {
            check.error(earlier.error(table.header, is_cut));
            continue;
        }
        if is_cut {
            // The same texts may match other names once they are cut.
            before.retain(|earlier| earlier.always || earlier.is_cut);
        }
        before.push(written);
        if let (Some(method), [_, Some(text)]) = (&matched.method, &written_texts) {
            warnings.extend(lower_case(text, &method.regex).map(|why| format!("[[names]] in line {line}: {why}")));
        }
        let regex = |pattern: Option<Pattern>| pattern.map(|pattern| pattern.regex);
        rules.push(Rule {
            method: regex(matched.method),
            pattern: regex(matched.pattern),
            action,
            line,
            written: table.options,
        });
    }
    Rules { rules, warnings }
}

/// What a table says about which requests it is for.
struct Matched {
    pattern: Option<Pattern>,
    method: Option<Pattern>,
    // Whether both are valid.
    is_right: bool,
    // Whether it is for all requests.
    always: bool,
    texts: [Option<String>; 2],
}

impl Matched {
    fn of(table: &RuleOptions, check: &mut OptionsCheck<'_>) -> Self {
        let mut is_right = true;
        let mut compiled = |key: &str,
                            text: &Option<Spanned<String>>,
                            compile: fn(&str) -> Result<Pattern, PatternError>| {
            let text = text.as_ref()?;
            match compile(text.get_ref()) {
                Ok(pattern) => Some(pattern),
                Err(error) => {
                    is_right = false;
                    let PatternError { message, span, help } = error;
                    let place = check.place_in(text, span);
                    let error = ConfigError::new(format!("invalid regular expression in `{key}`: {message}"), place);
                    check.error(error.help(help));
                    None
                }
            }
        };
        let pattern = compiled("match", &table.pattern, pattern::compile);
        let method = compiled("method", &table.method, pattern::compile_whole);
        let is_for_all = |text: &Option<Spanned<String>>, pattern: &Option<Pattern>| match pattern {
            Some(pattern) => pattern.always,
            None => text.is_none(),
        };
        let always = is_for_all(&table.pattern, &pattern) && is_for_all(&table.method, &method);
        let text = |text: &Option<Spanned<String>>| text.as_ref().map(|text| text.get_ref().clone());
        Self { pattern, method, is_right, always, texts: [text(&table.pattern), text(&table.method)] }
    }
}

/// Whether a pattern of methods would match one of HTTP, if that were not in upper case. Other protocols may have what they want.
fn lower_case(text: &str, method: &Regex) -> Option<String> {
    const METHODS: [&str; 7] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS"];
    let in_any_case = pattern::compile_whole(&format!("(?i:{text})")).ok()?.regex;
    let meant = METHODS.iter().find(|name| in_any_case.is_match(name))?;
    let matches_none = METHODS.iter().all(|name| !method.is_match(name));
    matches_none.then(|| format!("`method` matches no method of HTTP: methods are upper case, such as `{meant}`"))
}

/// An earlier rule.
struct Before {
    line: usize,
    is_cut: bool,
    always: bool,
    texts: [Option<String>; 2],
}

impl Before {
    /// Whether a later rule never has anything to do.
    fn leaves_nothing_for(&self, later: &Self) -> bool {
        // A name goes on after it was cut, and cannot be cut twice.
        if self.is_cut != later.is_cut && self.is_cut {
            return false;
        }
        self.always || self.texts == later.texts
    }

    fn error(&self, header: Range<usize>, is_cut: bool) -> ConfigError {
        let line = self.line;
        let (why, help) = match (is_cut && self.is_cut, self.always) {
            (true, _) => (format!("the one in line {line} has cut all names that it could cut"), "remove one of them"),
            (_, true) => (
                format!("the one in line {line} matches every request"),
                "move it above that one: the first match wins",
            ),
            (_, false) => (format!("the one in line {line} matches the same requests"), "remove one of them"),
        };
        ConfigError::new(format!("this rule is never used: {why}"), header).help(help)
    }
}

/// What the rule does.
fn action(table: &RuleTable, pattern: Option<&Pattern>, check: &mut OptionsCheck<'_>) -> Option<Action> {
    let RuleTable { options: table, header, is_whole } = table;
    let set = |flag: &Option<Spanned<bool>>| flag.as_ref().filter(|flag| *flag.get_ref()).map(Spanned::span);
    let (drop, cut) = (set(&table.drop), set(&table.cut_query));
    let (action, needs_match) = match (&table.replace, drop, cut) {
        (Some(_), Some(drop), _) => {
            let error =
                ConfigError::new("`drop` and `replace` in one rule: a request that is dropped has no name", drop);
            check.error(error.help("remove one of them"));
            return None;
        }
        (None, Some(drop), Some(_)) => {
            let error =
                ConfigError::new("`drop` and `cut_query` in one rule: a request that is dropped has no name", drop);
            check.error(error.help("remove one of them"));
            return None;
        }
        (Some(replace), None, Some(_)) => {
            let error = ConfigError::new("`replace` and `cut_query` in one rule", replace.span());
            check.error(error.help(
                "write two rules: `cut_query = true` goes on with the rules below it, and `replace` sees what is left",
            ));
            return None;
        }
        (Some(replace), None, None) => (Action::Replace(template(replace, table, pattern, check)?), true),
        (None, Some(_), None) => (Action::Drop, true),
        (None, None, Some(_)) => (Action::Cut, false),
        (None, None, None) if !is_whole => return None,
        (None, None, None) => {
            let error = ConfigError::new("a rule that does nothing", header.clone());
            check.error(error.help(
                "add `replace = \"...\"`, `drop = true` or `cut_query = true`; `replace = \"$0\"` leaves what matches as it is",
            ));
            return None;
        }
    };
    if needs_match && table.pattern.is_none() && table.method.is_none() {
        if !is_whole {
            return None;
        }
        let error = ConfigError::new("a rule without `match` and `method`", header.clone());
        check.error(error.help(
            "say which requests it is for: `match` is a regular expression for the name, such as `match = '^/product/\\d+$'`",
        ));
        return None;
    }
    Some(action)
}

fn template(
    replace: &Spanned<String>,
    table: &RuleOptions,
    pattern: Option<&Pattern>,
    check: &mut OptionsCheck<'_>,
) -> Option<Template> {
    if replace.get_ref().len() > REPLACEMENT {
        let message = format!("`replace` is longer than {REPLACEMENT} bytes");
        check.error(ConfigError::new(message, replace.span()));
        return None;
    }
    // Its groups are not known if its pattern is not valid.
    if table.pattern.is_some() && pattern.is_none() {
        return None;
    }
    match Template::read(replace.get_ref(), pattern.map(|pattern| &pattern.regex)) {
        Ok(template) => Some(template),
        Err(errors) => {
            for error in errors {
                let place = check.place_in(replace, error.span);
                check.error(ConfigError::new(error.message, place).help(error.help));
            }
            None
        }
    }
}

fn line_of(text: &str, at: usize) -> usize {
    1 + text.get(..at).unwrap_or_default().matches('\n').count()
}
