//! `[[names]]`: rules for the names of requests.

use ltel_core::backend::ConfigError;
use ltel_core::names::{self, RuleOptions, RuleTable, Rules};
use ltel_core::recorder::OptionsCheck;
use toml::Spanned;
use toml::de::DeValue;

use super::RecorderConfig;
use super::section::{Section, article};

const TITLE: &str = "[[names]]";

/// Reads and checks the rules. `text` is the whole file.
pub(super) fn read(value: Spanned<DeValue<'_>>, text: &str, errors: &mut Vec<ConfigError>) -> Rules {
    let span = value.span();
    let items = match value.into_inner() {
        DeValue::Array(items) => items,
        other => {
            let error = ConfigError::new(format!("`names` is {}, not a list of rules", article(&other)), span);
            errors.push(error.help("write `[[names]]` on a line of its own for each rule, and its keys below"));
            return Rules::default();
        }
    };
    let mut tables = Vec::new();
    for item in items {
        let span = item.span();
        match item.into_inner() {
            DeValue::Table(table) => {
                let before = errors.len();
                let read = Section::new(TITLE, span.clone(), table).read::<RuleOptions>(&[], errors);
                let is_whole = errors.len() == before;
                tables.extend(read.map(|options| RuleTable { options, header: span, is_whole }));
            }
            other => {
                let error = ConfigError::new(format!("a rule of names is {}, not a table", article(&other)), span);
                errors.push(error.help("write `[[names]]` on a line of its own for each rule, and its keys below"));
            }
        }
    }
    let mut check = OptionsCheck::new(text);
    let rules = names::check(tables, &mut check);
    errors.append(&mut check.into_errors());
    rules
}

/// What is surprising about rules and these recorders.
pub(super) fn warning(rules: &Rules, recorders: &[RecorderConfig]) -> Option<String> {
    let nobody = !rules.is_empty() && recorders.iter().all(|recorder| recorder.factory.keeps_names());
    nobody.then(|| {
        "[[names]]: no recorder uses these rules: `stats`, and the figures of pages, reports and thresholds, keep Locust's own names \
         unless [recorders.stats] has `names = true`"
            .to_owned()
    })
}
