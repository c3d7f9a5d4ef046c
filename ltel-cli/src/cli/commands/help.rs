//! `ltel-cli help`: the help of commands, the reference of the configuration, and pages about what is more than a key.

use std::fmt::Write as _;

use clap::CommandFactory as _;
use ltel_core::registry::Registry;
use ltel_core::text::did_you_mean;
use textwrap::fill;

use super::Failure;
use crate::cli::args::{Cli, HelpArgs};
use crate::cli::print;
use crate::config::{Part, about, reference};
use crate::program;
use crate::wrap::options;

// As wide as clap's own help.
const WIDTH: usize = 100;

/// The pages, each with its name and its text.
const PAGES: [(&str, &str); 16] = [
    ("output", include_str!("../../pages/output.md")),
    ("thresholds", include_str!("../../pages/thresholds.md")),
    ("names", include_str!("../../pages/names.md")),
    ("labels", include_str!("../../pages/labels.md")),
    ("declared", include_str!("../../pages/declared.md")),
    ("traces", include_str!("../../pages/traces.md")),
    ("metrics", include_str!("../../pages/metrics.md")),
    ("otlp", include_str!("../../pages/otlp.md")),
    ("prometheus", include_str!("../../pages/prometheus.md")),
    ("page", include_str!("../../pages/page.md")),
    ("reports", include_str!("../../pages/reports.md")),
    ("locust", include_str!("../../pages/locust.md")),
    ("environment", include_str!("../../pages/environment.md")),
    ("reload", include_str!("../../pages/reload.md")),
    ("exit-codes", include_str!("../../pages/exit-codes.md")),
    ("check-format", include_str!("../../pages/check-format.md")),
];

const CONFIG: &str = "config";

/// Prints the help of a topic, or what topics there are.
pub(crate) fn help(args: &HelpArgs, registry: &Registry) -> Result<(), Failure> {
    let topic: Vec<_> = args.topic.iter().map(String::as_str).collect();
    let text = match topic[..] {
        [] => overview(),
        [CONFIG] => configuration(&reference(registry).iter().collect::<Vec<_>>()),
        [CONFIG, part] => {
            let parts = reference(registry);
            let found = about(&parts, part)
                .map_err(|known| Failure::usage(format!("there is no table `{part}`; there is {known}")))?;
            configuration(&found)
        }
        [CONFIG, part, more, ..] => {
            let ltel = program::name();
            return Err(Failure::usage(format!(
                "`{more}` is one word too many: write `{ltel} help config {part}` for one table, or `{ltel} help config` for all"
            )));
        }
        [name, ref more @ ..] => match (PAGES.iter().find(|(page, _)| *page == name), more.first()) {
            (Some((_, text)), None) => plain(text),
            (Some(_), Some(more)) => {
                let ltel = program::name();
                return Err(Failure::usage(format!("`{more}` is one word too many: write `{ltel} help {name}`")));
            }
            (None, _) => of_command(&topic)?,
        },
    };
    let text = text.replace("ltel-cli", program::name());
    print::stdout(&text).map_err(|error| Failure::failed(error.to_string()))
}

fn overview() -> String {
    let mut out = Cli::command().render_long_help().to_string();
    let _ = write!(out, "\nMore help:\n  ltel-cli help COMMAND      a command\n");
    let _ = writeln!(
        out,
        "  ltel-cli help config       every key of the configuration; of one table: `help config backends.otlp`"
    );
    for (name, text) in PAGES {
        let title = text.lines().next().unwrap_or_default().trim_start_matches("# ");
        let _ = writeln!(out, "  ltel-cli help {name:<12} {title}");
    }
    out
}

fn of_command(topic: &[&str]) -> Result<String, Failure> {
    let mut root = Cli::command();
    root.build();
    let mut command = &mut root;
    for name in topic {
        let names = command.get_subcommands().map(|command| command.get_name().to_owned());
        let known: Vec<_> =
            names.chain(PAGES.iter().map(|(name, _)| (*name).to_owned())).chain([CONFIG.to_owned()]).collect();
        match command.find_subcommand_mut(name) {
            Some(found) => command = found,
            None => {
                let near = did_you_mean(name, known.iter().map(String::as_str));
                let near = near.map_or(String::new(), |near| format!("; did you mean `{near}`?"));
                let near = if near.is_empty() { ";" } else { &near };
                return Err(Failure::usage(format!(
                    "there is no help for `{name}`{near} `{} help` lists what there is",
                    program::name()
                )));
            }
        }
    }
    Ok(command.render_long_help().to_string())
}

/// The keys of tables.
pub(crate) fn configuration(parts: &[&Part]) -> String {
    let mut out = String::new();
    for part in parts {
        let _ = writeln!(out, "{}", part.title);
        let indent = options(WIDTH).initial_indent("  ").subsequent_indent("  ");
        let _ = writeln!(out, "{}\n", fill(&part.description.replace('\n', " "), indent));
        for key in &part.keys {
            let indent = options(WIDTH).initial_indent("  ").subsequent_indent("      ");
            let _ = writeln!(out, "{}", fill(&format!("{}: {}", key.name, key.kind()), indent));
            let indent = options(WIDTH).initial_indent("      ").subsequent_indent("      ");
            let _ = writeln!(out, "{}\n", fill(&key.description.replace('\n', " "), indent));
        }
        if part.keys.is_empty() {
            let _ = writeln!(out, "  It has no keys of its own.\n");
        }
    }
    out
}

/// A page as plain text: rows of tables become paragraphs, snippets stay as they are.
fn plain(markdown: &str) -> String {
    let (mut out, mut paragraph, mut in_code) = (String::new(), String::new(), false);
    let end = |paragraph: &mut String, out: &mut String| {
        if !paragraph.is_empty() {
            let _ = writeln!(out, "{}", fill(paragraph, options(WIDTH)));
            paragraph.clear();
        }
    };
    for line in markdown.lines() {
        if line.starts_with("```") {
            end(&mut paragraph, &mut out);
            in_code = !in_code;
        } else if in_code {
            let _ = writeln!(out, "  {line}");
        } else if let Some(title) = line.strip_prefix("# ") {
            let _ = writeln!(out, "{title}");
        } else if let Some(row) = line.strip_prefix('|') {
            let cells: Vec<_> = row.trim_end_matches('|').split(" | ").map(str::trim).collect();
            if !row.starts_with("---") {
                let (first, rest) = cells.split_first().unwrap_or((&"", &[]));
                let rest: Vec<_> = rest.iter().filter(|cell| !cell.is_empty() && **cell != "|").copied().collect();
                let _ = writeln!(out, "{}", fill(first, options(WIDTH).initial_indent("  ").subsequent_indent("  ")));
                let indent = options(WIDTH).initial_indent("      ").subsequent_indent("      ");
                let _ = writeln!(out, "{}", fill(&rest.join("; "), indent));
            }
        } else if line.trim().is_empty() {
            end(&mut paragraph, &mut out);
            out.push('\n');
        } else {
            if line.starts_with("- ") {
                end(&mut paragraph, &mut out);
            }
            if !paragraph.is_empty() {
                paragraph.push(' ');
            }
            paragraph.push_str(line.trim());
        }
    }
    end(&mut paragraph, &mut out);
    out
}

#[cfg(test)]
mod tests {
    use serde_json::Value;

    use super::*;
    use crate::config::{Environment, load, schema};

    fn registry() -> Registry {
        crate::with_backends(ltel_recorders::registry())
    }

    /// Guarantees: each key of the schema is in the reference, and each has a description and words for what it takes.
    #[test]
    fn every_key_is_described() {
        let parts = reference(&registry());
        for part in &parts {
            assert!(!part.description.is_empty(), "{}", part.title);
            for key in &part.keys {
                assert!(!key.description.is_empty(), "{} of {} has no description", key.name, part.title);
                assert!(
                    !key.takes.is_empty() && key.takes != "a value",
                    "{} of {}: {}",
                    key.name,
                    part.title,
                    key.takes
                );
            }
        }
        let whole = schema(&registry());
        let keys = |of: &Value| of.get("properties").and_then(Value::as_object).cloned().unwrap_or_default();
        let known = |topic: &str, key: &str| {
            let part = parts.iter().find(|part| part.topic == topic).unwrap_or_else(|| panic!("no {topic}"));
            part.keys.iter().any(|have| have.name == key)
        };
        let mut checked = 0;
        for (definition, of) in whole["$defs"].as_object().unwrap() {
            let Some((kind @ ("recorder" | "backend"), name)) = definition.split_once('.') else { continue };
            for key in keys(of).keys() {
                let (all, own) = (format!("{kind}s"), format!("{kind}s.{name}"));
                assert!(known(&own, key) || known(&all, key), "`{key}` of {definition}");
                checked += 1;
            }
        }
        assert!(checked > 100, "{checked}");
    }

    /// Guarantees: a default that is stated is what holds without the key.
    #[test]
    fn defaults_are_the_real_ones() {
        let debug = |text: &str| {
            let registry = registry();
            let mut config = load("telemetry.toml", text, &registry, &Environment::default())
                .unwrap_or_else(|e| panic!("{text}\n{e}"));
            config.listen = crate::config::Listen { table: None, ..config.listen };
            config.listen_is_stated = true;
            config.backends.iter_mut().for_each(|backend| backend.table = None);
            // The attributes of a resource come in any order, and one of them is random.
            let shown = format!("{config:?}");
            let parts = shown.split("resource: Resource {").enumerate();
            parts
                .map(|(n, part)| if n == 0 { part } else { part.split_once("schema_url").unwrap().1 })
                .collect::<String>()
        };
        let mut checked = 0;
        for part in reference(&registry()) {
            for key in part.keys.iter().filter(|key| !key.name.contains('.')) {
                let Some(default) =
                    key.default.as_ref().filter(|default| !default.contains(" values from ") && *default != "none")
                else {
                    continue;
                };
                let line = format!("{} = {default}\n", key.name);
                let base = |own: &str| match part.topic.as_str() {
                    "top" => format!("{own}[recorders.stats]\n[backends.json]\n"),
                    "listen" | "limits" => format!("[{}]\n{own}[recorders.stats]\n[backends.json]\n", part.topic),
                    "recorders" => format!("[recorders.requests]\n{own}[backends.json]\n"),
                    "backends" => format!("[backends.json]\n{own}[recorders.stats]\n"),
                    topic if topic.starts_with("recorders.") => {
                        format!("[{topic}]\n{own}[backends.json]\nspans = true\n")
                    }
                    topic if topic.starts_with("backends.") && key.name != "keep" => {
                        format!("[recorders.stats]\n[backends.json]\n[backends.own]\ntype = \"{}\"\n{own}", &topic[9..])
                    }
                    _ => String::new(),
                };
                if base(&line).is_empty() || part.topic.ends_with(".declared") || part.topic.ends_with(".report") {
                    continue;
                }
                assert_eq!(debug(&base("")), debug(&base(&line)), "{line} of {}", part.title);
                checked += 1;
            }
        }
        assert!(checked > 25, "{checked}");
    }

    /// The snippets of a page in a language.
    fn snippets<'a>(page: &'a str, language: &str) -> Vec<&'a str> {
        let begin = format!("```{language}\n");
        page.split(&*begin).skip(1).map(|rest| rest.split("```").next().unwrap_or_default()).collect()
    }

    /// Guarantees: the configurations of the pages are valid; one without recorders or backends goes on from the one above.
    #[test]
    fn the_snippets_of_pages_are_valid() {
        let mut checked = 0;
        for (name, page) in PAGES {
            for snippet in snippets(page, "toml") {
                let mut text = snippet.replace("\"main.json\"", "\"no-such-baseline.json\"");
                if !text.contains("[recorders.") {
                    text.push_str("\n[recorders.requests]\n[recorders.stats]\n");
                }
                if !text.contains("[backends.") {
                    text.push_str("\n[backends.json]\nspans = true\n");
                }
                let env: Environment = [("BUILD_ID", "1"), ("LTEL_TOKEN", "t")].into_iter().collect();
                let errors = load(name, &text, &registry(), &env).err();
                let errors = errors.iter().flat_map(crate::config::ConfigErrors::errors);
                let wrong: Vec<_> = errors.filter(|error| !error.message.contains("no-such-baseline.json")).collect();
                assert!(wrong.is_empty(), "{name}: {wrong:?}\n{text}");
                checked += 1;
            }
        }
        assert!(checked >= 5, "{checked}");
    }

    #[test]
    fn topics() {
        let parts = reference(&registry());
        let titles =
            |topic: &str| -> Vec<_> { about(&parts, topic).unwrap().iter().map(|part| part.title.clone()).collect() };
        assert_eq!(titles("backends.otlp"), ["[backends.otlp]"]);
        assert_eq!(titles("[backends.otlp]"), ["[backends.otlp]"]);
        assert_eq!(titles("otlp"), ["[backends.otlp]"]);
        assert!(titles("recorders").len() > 10);
        assert!(about(&parts, "nothing").is_err());
        insta::assert_snapshot!(configuration(&about(&parts, "backends.json").unwrap()));
        insta::assert_snapshot!(configuration(&about(&parts, "recorders.spans").unwrap()));
    }
}
