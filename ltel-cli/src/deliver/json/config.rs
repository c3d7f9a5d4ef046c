//! The options of a JSON backend.

use std::num::NonZeroU64;
use std::path::{Path, PathBuf};

use ltel_core::backend::{Check, ConfigError};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use crate::config::names::did_you_mean;
use crate::config::values::Size;
use crate::deliver::run_file;

/// The keys of its table.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// `stdout`, or the path of a file or of a named pipe, whose lines wait for its reader. `{run_id}` in the file's name is the id of
    /// the run: then each run has a file of its own, which is closed when the run is over.
    #[schemars(with = "Option<String>", extend("default" = "stdout", "examples" = ["telemetry.jsonl", "{run_id}.jsonl"]))]
    output: Option<Spanned<String>>,
    /// The size at which a new file begins; the one before becomes `NAME.1`. Without it, the file grows.
    #[schemars(with = "Option<schema::Bytes>")]
    max_bytes: Option<Spanned<Size>>,
    /// How many older files to keep, with `max_bytes`; default: 5.
    #[schemars(with = "Option<u32>")]
    keep: Option<Spanned<u32>>,
    /// Whether to write spans too.
    #[serde(default)]
    spans: bool,
}

/// What to write as JSON lines, and where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Json {
    pub(super) output: Destination,
    /// Whether to write spans too.
    pub(super) spans: bool,
}

impl Json {
    /// To this file.
    pub(crate) fn to_file(path: PathBuf) -> Self {
        Self { output: Destination::File(FileOutput { path, max_bytes: None, keep: 0 }), spans: false }
    }
}

/// The output of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    /// One file for all runs.
    File(FileOutput),
    /// A file for each run: the path has `{run_id}`.
    PerRun(FileOutput),
}

/// A file of lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct FileOutput {
    pub(super) path: PathBuf,
    /// The size at which a new file begins; absent: never.
    pub(super) max_bytes: Option<NonZeroU64>,
    /// How many older files to keep, as `path.1`, `path.2` and so on.
    pub(super) keep: u32,
}

/// Other ways to write `stdout`.
const STDOUT: [&str; 4] = ["stdout", "-", "/dev/stdout", "/dev/fd/1"];

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Json {
    let max_bytes = options.max_bytes.as_ref().and_then(|size| {
        let bytes = NonZeroU64::new(size.get_ref().as_u64());
        if bytes.is_none() {
            cx.error(
                ConfigError::new("`max_bytes` is 0, so no line would fit into a file", size.span())
                    .help("write a size such as \"100MiB\", or remove it: then the file is never rotated"),
            );
        }
        bytes
    });
    let Some(output) = options.output.filter(|output| !STDOUT.contains(&&**output.get_ref())) else {
        if options.max_bytes.is_some() || options.keep.is_some() {
            cx.error(
                ConfigError::new("stdout cannot be rotated", cx.header())
                    .help("write to a file, such as `output = \"telemetry.jsonl\"`, or remove `max_bytes` and `keep`"),
            );
        }
        return Json { output: Destination::Stdout, spans: options.spans };
    };
    if let (Some(keep), None) = (&options.keep, &options.max_bytes) {
        cx.error(
            ConfigError::new("`keep` has no effect without `max_bytes`: the file is never rotated", keep.span())
                .help("add a size, such as `max_bytes = \"100MiB\"`, or remove `keep`"),
        );
    }
    let (text, path) = (output.get_ref().as_str(), PathBuf::from(output.get_ref()));
    match wrong(text, &path) {
        Some((message, help)) => cx.error(ConfigError::new(message, output.span()).help(help)),
        None => {
            cx.claim_file(&path, output.span());
            if cx.internal_metrics == Some(true) && text.contains(run_file::RUN_ID) {
                cx.claim_file(&run_file::path_of_no_run(&path), output.span());
            }
        }
    }
    let per_run = text.contains(run_file::RUN_ID);
    let keep = options.keep.map_or(5, Spanned::into_inner);
    let file = FileOutput { path, max_bytes, keep };
    Json { output: if per_run { Destination::PerRun(file) } else { Destination::File(file) }, spans: options.spans }
}

/// What is wrong with the path of a file, and what would be right.
fn wrong(text: &str, path: &Path) -> Option<(String, String)> {
    let file = "use a file in an existing folder, or \"stdout\"";
    if text.is_empty() {
        return Some((
            "`output` is empty".to_owned(),
            "write a file, such as \"telemetry.jsonl\", or \"stdout\"".to_owned(),
        ));
    }
    if ["stderr", "/dev/stderr", "/dev/fd/2"].contains(&&*text.to_ascii_lowercase()) {
        let help = "write `output = \"stdout\"`, or the path of a file; `./stderr` is a file of that name";
        return Some(("JSON lines cannot go to stderr, which has ltel's own messages".to_owned(), help.to_owned()));
    }
    if !text.contains(['/', '.', '{']) && did_you_mean(text, ["stdout", "console"]).is_some() {
        let help = format!("did you mean \"stdout\"? `./{text}` is a file of that name");
        return Some((format!("`{text}` is not an output"), help));
    }
    if let Some((scheme, rest)) = text.split_once("://") {
        let help = match scheme {
            "file" => format!("write its path: \"{rest}\""),
            _ => "backends of type `json` write to files; to send to a URL, use a backend of type `otlp`".to_owned(),
        };
        return Some((format!("`{text}` is a URL, not a file"), help));
    }
    if text == "~" || text.starts_with("~/") {
        return Some((
            format!("`{text}` begins with `~`, which ltel does not replace"),
            "write the whole path".to_owned(),
        ));
    }
    if let Err((message, help)) = run_file::check(text) {
        return Some((message, help.to_owned()));
    }
    if path.is_dir() || text.ends_with('/') {
        return Some((format!("`{}` is a folder", path.display()), file.to_owned()));
    }
    (!run_file::folder(path).is_dir())
        .then(|| (format!("`{}` is in a folder that does not exist", path.display()), file.to_owned()))
}
