//! Options of `run` behind its command, which gets them: some it does not know, others are its own too.

use std::ffi::OsString;
use std::path::Path;

use toml::de::DeTable;

use super::Failure;
use crate::cli::args::{RunArgs, options_of_run};
use crate::cli::print;
use crate::config;
use crate::program;

/// Before the start, what would pass unnoticed: Locust has a `--config` and a `--json` of its own, and ignores what it does not know in the
/// file of the first. A configuration of ltel there is an error, unless ltel has one already.
pub(super) fn check(args: &RunArgs) -> Result<(), Failure> {
    let [program, words @ ..] = &*args.command else { return Ok(()) };
    let (locust, ltel) = (program.to_string_lossy(), program::name());
    let given = args.config.config.is_some() && !args.config.is_from_environment;
    if let Some(file) = values(words, "--config").find(|file| !given && is_configuration(Path::new(file))) {
        return Err(Failure::usage(format!(
            "`{file}` is a configuration of {ltel}, and `--config {file}` stands behind `{locust}`, which would ignore what is in it: write \
             `{ltel} run --config {file} {locust} ...`; nothing was started"
        )));
    }
    let is_file = |word: &str| Path::new(word).extension().is_some_and(|end| end == "json" || end == "jsonl");
    if let Some(file) = values(words, "--json").find(|word| is_file(word)) {
        print::warning(&format!(
            "ltel: `--json {file}` stands behind `{locust}`; Locust's own `--json` takes no file. For telemetry, write `{ltel} run --json \
             {file} {locust} ...`\n"
        ));
    }
    Ok(())
}

/// After a command that knew none of an option: the options of `run` that it got.
pub(super) fn refused(command: &[OsString], code: u8) -> Option<String> {
    // Python's argparse, which Locust has, exits with 2.
    let (own, (program, given)) = (options_of_run(), command.split_first().filter(|_| code == 2)?);
    let is_own = |arg: &str| own.iter().any(|own| arg.split('=').next() == Some(own));
    let given: Vec<_> = given.iter().filter_map(|arg| arg.to_str().filter(|arg| is_own(arg))).collect();
    let (program, ltel) = (program.to_string_lossy(), program::name());
    (!given.is_empty()).then(|| {
        format!(
            "ltel: {} stood behind `{program}`, which got it: options of {ltel} come before the command\n",
            given.join(", ")
        )
    })
}

/// The values of an option among these words, joined by `=` or as the next word.
fn values<'a>(words: &'a [OsString], option: &'a str) -> impl Iterator<Item = &'a str> {
    let next = words.iter().skip(1).map(Some).chain([None]);
    words.iter().zip(next).filter_map(move |(word, next)| match word.to_str()?.strip_prefix(option)? {
        "" => next?.to_str(),
        rest => rest.strip_prefix('='),
    })
}

/// Whether a file has tables that only ltel knows, even if it has mistakes.
fn is_configuration(path: &Path) -> bool {
    // A pipe is for the command, and would be empty then.
    if !path.is_file() {
        return false;
    }
    let Some(text) = std::fs::read(path).ok().and_then(|bytes| config::file_text(bytes).ok()) else { return false };
    let (table, _) = DeTable::parse_recoverable(&text);
    ["recorders", "backends", "thresholds"].iter().any(|name| table.get_ref().contains_key(*name))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_an_option() {
        let words = ["--config", "a", "--config=b", "--configs", "c", "-f", "--config"].map(OsString::from);
        assert_eq!(values(&words, "--config").collect::<Vec<_>>(), ["a", "b"]);
    }

    /// Guarantees: a file of ltel is known by its tables, also with mistakes; a file of Locust is none.
    #[test]
    fn whose_file_it_is() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = folder.path().join("file.toml");
        for (text, expected) in [
            ("[recorders.stats]\n[backends.json]\n", true),
            ("grace = \n[backends.json]\n", true),
            ("[thresholds]\nall = 'p95 < 1s'\n", true),
            ("[tool.locust]\nusers = 5\n", false),
            ("locustfile = x.py\nheadless = true\n", false),
            ("", false),
        ] {
            std::fs::write(&path, text).expect("a file");
            assert_eq!(is_configuration(&path), expected, "{text}");
        }
        assert!(!is_configuration(folder.path()));
        assert!(!is_configuration(&folder.path().join("none.toml")));
    }
}
