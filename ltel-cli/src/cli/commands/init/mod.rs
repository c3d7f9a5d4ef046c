//! `ltel-cli init`: writes a configuration with comments.

use std::fs::OpenOptions;
use std::io::{ErrorKind, Write};
use std::path::Path;

use super::Failure;
use crate::cli::args::InitArgs;
use crate::cli::print;
use crate::program;

const TEMPLATE: &str = include_str!("telemetry.toml.in");

pub(crate) fn init(args: &InitArgs) -> Result<(), Failure> {
    let text = TEMPLATE.replace("{{program}}", program::name());
    let path = &args.file;
    if path == Path::new("-") {
        return print::stdout(&text).map_err(|error| Failure::failed(error.to_string()));
    }
    let replaces = write(path, &text, args.force)?;
    let (program, file) = (program::name(), path.display());
    let argument = quoted(path);
    let done = if replaces { "Replaced" } else { "Created" };
    print::note(&format!(
        "{done} `{file}`: the built-in recorders, as JSON lines in telemetry.jsonl. Its comments say what else there is.\n\n\
         Next:\n  {program} check {argument}\n  {program} run --config {argument} locust -f locustfile.py --headless -t 1m\n"
    ));
    Ok(())
}

/// A file's name as a shell takes it.
fn quoted(path: &Path) -> String {
    let name = path.to_string_lossy();
    shlex::try_quote(&name).map_or_else(|_| name.to_string(), Into::into)
}

/// Whether it has replaced a file.
fn write(path: &Path, text: &str, force: bool) -> Result<bool, Failure> {
    let shown = path.display();
    let folder = path.parent().filter(|folder| !folder.as_os_str().is_empty());
    let names_a_folder = path.as_os_str().as_encoded_bytes().ends_with(b"/");
    // Without the slash.
    let bare = path.components().as_path();
    if names_a_folder && bare.exists() && !bare.is_dir() {
        return Err(Failure::usage(format!("cannot write `{shown}`: `{}` is not a folder", bare.display())));
    }
    if path.is_dir() || names_a_folder {
        let create = if path.exists() { String::new() } else { format!(", after `mkdir -p {}`", quoted(path)) };
        return Err(Failure::usage(format!(
            "`{shown}` is a folder: give the name of a file, such as `{}`{create}",
            path.join("telemetry.toml").display()
        )));
    }
    if let Some(folder) = folder.filter(|folder| !folder.is_dir()) {
        let what = if folder.exists() { "is not a folder" } else { "does not exist: create it first, with `mkdir -p`" };
        return Err(Failure::usage(format!("cannot write `{shown}`: `{}` {what}", folder.display())));
    }
    let is_there = path.exists();
    if is_there && !path.is_file() {
        return Err(Failure::usage(format!("`{shown}` is not a regular file: give another name")));
    }
    let mut options = OpenOptions::new();
    if force {
        options.create(true).truncate(true)
    } else {
        options.create_new(true)
    };
    let written = options.write(true).open(path).and_then(|mut file| file.write_all(text.as_bytes()));
    match written {
        Ok(()) => Ok(is_there),
        Err(error) if error.kind() == ErrorKind::AlreadyExists => {
            Err(Failure::usage(format!("`{shown}` already exists: give another name, or `--force` to replace it")))
        }
        Err(error) => Err(Failure::failed(format!("cannot write `{shown}`: {error}"))),
    }
}

#[cfg(test)]
mod tests {
    use super::TEMPLATE;
    use crate::config::{Environment, load};

    fn check(text: &str) {
        let registry = crate::with_backends(ltel_recorders::registry());
        let loaded = load("telemetry.toml", text, &registry, &Environment::default());
        let config = loaded.unwrap_or_else(|errors| panic!("{errors}"));
        assert!(config.warnings.is_empty(), "{:?}", config.warnings);
    }

    /// Guarantees: the file is valid as it is, and with everything in it that is commented out; each such line is then in the
    /// configuration.
    #[test]
    fn the_file_is_valid_with_and_without_its_comments() {
        check(TEMPLATE);
        let is_commented_out = |line: &str| line.starts_with('#') && !line.starts_with("# ") && line != "#";
        let count = TEMPLATE.lines().filter(|line| is_commented_out(line)).count();
        assert!(count > 30, "{count}");
        let whole: Vec<_> =
            TEMPLATE.lines().map(|line| if is_commented_out(line) { &line[1..] } else { line }).collect();
        check(&whole.join("\n"));
        assert!(TEMPLATE.lines().all(|line| line.len() <= 140 && !line.ends_with(' ')));
    }
}
