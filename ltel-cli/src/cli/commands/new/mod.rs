//! `ltel-cli new NAME`: creates a crate with a recorder, its test and its configuration.

mod dependency;

use std::path::Path;

use super::Failure;
use crate::cli::args::NewArgs;
use crate::cli::print;
use dependency::Dependency;

/// The files of a new crate and their templates, with placeholders such as `{{name}}`.
const FILES: &[(&str, &str)] = &[
    ("Cargo.toml", include_str!("Cargo.toml.in")),
    ("src/main.rs", include_str!("main.rs.in")),
    ("telemetry.toml", include_str!("telemetry.toml.in")),
    ("README.md", include_str!("README.md.in")),
    (".gitignore", "/target/\n"),
];

pub(crate) fn new(args: &NewArgs) -> Result<(), Failure> {
    let folder = &args.path;
    let name = folder.file_name().and_then(|name| name.to_str()).unwrap_or_default();
    check_name(name)?;
    if folder.exists() {
        return Err(Failure::usage(format!("`{}` already exists: choose another name", folder.display())));
    }
    let dependency = Dependency::find(args)?;
    for (file, template) in FILES {
        let text = template.replace("{{name}}", name).replace("{{dependencies}}", &dependency.dependencies());
        write(&folder.join(file), &text)?;
    }
    let folder = folder.display();
    print::note(&format!(
        "Created `{folder}`: a recorder, its test, a configuration. Its crates come from {dependency}.\n\n\
         Next:\n  cd {folder}\n  cargo test\n  cargo run -- run --config telemetry.toml locust -f locustfile.py\n"
    ));
    Ok(())
}

/// Cargo's rules: a name that cargo would reject is an error here, before a folder is created.
fn check_name(name: &str) -> Result<(), Failure> {
    let mut chars = name.chars();
    let wrong = match chars.next() {
        None => Some("is empty"),
        Some(first) if !first.is_ascii_alphabetic() => Some("does not begin with a letter"),
        Some(_) if !chars.all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_')) => {
            Some("has characters other than letters, digits, `-` and `_`")
        }
        // The names of the crate's dependencies.
        Some(_) if matches!(name, "ltel-core" | "ltel-cli" | "ltel-recorders" | "serde" | "insta" | "test") => {
            Some("is the name of a dependency")
        }
        Some(_) => None,
    };
    match wrong {
        None => Ok(()),
        Some(why) => Err(Failure::usage(format!("`{name}` {why}: choose a crate name such as `shop-telemetry`"))),
    }
}

fn write(path: &Path, text: &str) -> Result<(), Failure> {
    let folder = path.parent().map_or(Ok(()), std::fs::create_dir_all);
    folder
        .and_then(|()| std::fs::write(path, text))
        .map_err(|error| Failure::failed(format!("cannot write `{}`: {error}", path.display())))
}
