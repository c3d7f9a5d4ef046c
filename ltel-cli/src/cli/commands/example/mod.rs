//! `ltel-cli example`: complete examples of where to run ltel and of where its telemetry goes.

mod catalog;

use std::fmt::Write as _;
use std::path::Path;

use ltel_core::registry::Registry;

use super::Failure;
use crate::cli::args::ExampleArgs;
use crate::cli::print;
use crate::cli::table::plain;
use crate::dashboards;
use catalog::{EXAMPLES, Example};

/// The names of all examples.
pub(crate) fn names() -> impl Iterator<Item = &'static str> {
    EXAMPLES.iter().map(|example| example.name)
}

pub(crate) fn example(args: &ExampleArgs, registry: &Registry) -> Result<(), Failure> {
    let named = args.name.as_ref().and_then(|name| EXAMPLES.iter().find(|example| example.name == name));
    let text = match (named, &args.out) {
        (None, _) => list(),
        (Some(example), Some(folder)) => write(&files(example, registry)?, folder)?,
        (Some(example), None) => printed(&files(example, registry)?),
    };
    print::stdout(&text).map_err(|error| Failure::failed(error.to_string()))
}

fn list() -> String {
    let mut table = plain(&["example", "shows"]);
    for example in EXAMPLES {
        table.add_row([example.name, example.about]);
    }
    let program = crate::program::name();
    format!("{table}\n\nTo print one: {program} example NAME. To write its files: {program} example NAME --out DIR\n")
}

/// The paths of an example's files within its folder, and their contents.
fn files(example: &Example, registry: &Registry) -> Result<Vec<(String, String)>, Failure> {
    let version = env!("CARGO_PKG_VERSION");
    let own = example.files.iter().map(|(path, text)| ((*path).to_owned(), text.replace("{{version}}", version)));
    let mut files: Vec<_> = own.collect();
    if example.dashboards {
        let dashboards = dashboards::files(registry).map_err(|unknown| {
            let unknown = unknown.join(", ");
            Failure::failed(format!("this ltel does not have what the dashboards show: {unknown}"))
        })?;
        files.extend(dashboards.into_iter().map(|file| {
            let is_dashboard = Path::new(file.name).extension().is_some_and(|of| of == "json");
            let folder = if is_dashboard { "grafana/dashboards/" } else { "" };
            (format!("{folder}{}", file.name), file.content)
        }));
    }
    Ok(files)
}

/// One file as it is; several with the name above each, as `head` prints them.
fn printed(files: &[(String, String)]) -> String {
    if let [(_, text)] = files {
        return text.clone();
    }
    let each = files.iter().map(|(path, text)| format!("==> {path} <==\n{text}"));
    each.collect::<Vec<_>>().join("\n")
}

/// Writes the files. Returns their paths, a line each.
fn write(files: &[(String, String)], folder: &Path) -> Result<String, Failure> {
    let there: Vec<_> = files.iter().map(|(path, _)| folder.join(path)).filter(|path| path.exists()).collect();
    if !there.is_empty() {
        let there = there.iter().map(|path| format!("`{}`", path.display())).collect::<Vec<_>>().join(", ");
        return Err(Failure::usage(format!("{there} already there: choose another folder; nothing was written")));
    }
    let mut written = String::new();
    for (path, text) in files {
        let path = folder.join(path);
        let made = path.parent().map_or(Ok(()), std::fs::create_dir_all).and_then(|()| std::fs::write(&path, text));
        made.map_err(|error| Failure::failed(format!("cannot write `{}`: {error}", path.display())))?;
        let _ = writeln!(written, "{}", path.display());
    }
    Ok(written)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::config;

    /// Guarantees: each example has a name of its own, files that end with a line's end and lines that fit a terminal or editor, and no
    /// placeholder that nothing fills.
    #[test]
    fn all_are_complete() {
        let registry = crate::with_backends(ltel_recorders::registry());
        for (n, example) in EXAMPLES.iter().enumerate() {
            assert!(EXAMPLES[..n].iter().all(|other| other.name != example.name), "{}", example.name);
            for (path, text) in files(example, &registry).expect("its files") {
                let place = format!("{}/{path}", example.name);
                assert!(text.ends_with('\n') && !text.ends_with("\n\n"), "{place}");
                assert!(!text.contains("{{version}}"), "{place}");
                let is_made = example.dashboards && !example.files.iter().any(|(own, _)| *own == path);
                let longest = text.lines().map(str::len).max().unwrap_or_default();
                assert!(is_made || longest <= 160, "{place}: {longest}");
            }
        }
    }

    /// The configurations of a file: itself, or those that a manifest of Kubernetes holds.
    fn configurations(path: &str, text: &str) -> Vec<String> {
        if Path::new(path).extension().is_some_and(|of| of == "toml") {
            return vec![text.to_owned()];
        }
        let parts = text.split("\n  telemetry.toml: |\n").skip(1);
        let block = |part: &str| {
            let lines = part.lines().take_while(|line| line.is_empty() || line.starts_with("    "));
            lines.map(|line| line.trim_start_matches("    ").to_owned() + "\n").collect()
        };
        parts.map(block).collect()
    }

    /// Scenario: every configuration among the examples, with the variables that it names and folders for its files.
    /// Guarantees: it is valid, and there is nothing to warn of.
    #[test]
    fn configurations_are_valid() {
        let registry = crate::with_backends(ltel_recorders::registry());
        let folder = tempfile::tempdir().expect("a folder");
        let place = folder.path().display().to_string();
        let (mut checked, mut variables) = (0, 0);
        for example in EXAMPLES {
            for (path, text) in example.files {
                for text in configurations(path, text) {
                    let named = text.split("env = \"").skip(1).filter_map(|rest| rest.split('"').next());
                    let named: Vec<_> = named.map(|name| (name, "a-secret")).collect();
                    variables += named.len();
                    let text = ["/var/log/ltel", "/var/lib/ltel", "/run/ltel"]
                        .iter()
                        .fold(text.clone(), |text, folder| text.replace(folder, &place));
                    let config = config::load(path, &text, &registry, &named.into_iter().collect());
                    let config =
                        config.unwrap_or_else(|errors| panic!("{}/{path}: {}", example.name, errors.render(false)));
                    assert!(config.warnings.is_empty(), "{}/{path}: {:?}", example.name, config.warnings);
                    checked += 1;
                }
            }
        }
        assert!(checked >= 18 && variables >= 4, "{checked} configurations, {variables} variables");
    }
}
