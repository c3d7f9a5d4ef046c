//! The options of a JSON backend.

use std::num::NonZeroU64;
use std::path::PathBuf;

use bytesize::ByteSize;
use ltel_core::backend::{Check, ConfigError};
use ltel_core::schema;
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

/// The keys of its table.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// `stdout`, or the path of a file or of a named pipe.
    #[schemars(with = "Option<String>", extend("default" = "stdout"))]
    output: Option<Spanned<String>>,
    /// The size at which a new file begins; the one before becomes `NAME.1`. Without it, the file grows.
    #[schemars(with = "Option<schema::Bytes>")]
    max_bytes: Option<Spanned<ByteSize>>,
    /// How many older files to keep, with `max_bytes`.
    keep: Option<u32>,
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
        Self { output: Destination::File { path, max_bytes: None, keep: 0 }, spans: false }
    }
}

/// The output of JSON lines.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Destination {
    Stdout,
    File {
        path: PathBuf,
        /// The size at which a new file begins; absent: never.
        max_bytes: Option<NonZeroU64>,
        /// How many older files to keep, as `path.1`, `path.2` and so on.
        keep: u32,
    },
}

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
    let Some(output) = options.output.filter(|output| output.get_ref() != "stdout") else {
        if options.max_bytes.is_some() || options.keep.is_some() {
            cx.error(
                ConfigError::new("stdout cannot be rotated", cx.header())
                    .help("write to a file, such as `output = \"telemetry.jsonl\"`, or remove `max_bytes` and `keep`"),
            );
        }
        return Json { output: Destination::Stdout, spans: options.spans };
    };
    let path = PathBuf::from(output.get_ref());
    cx.claim_file(&path, output.span());
    let folder = path.parent().filter(|parent| !parent.as_os_str().is_empty());
    let why = if path.is_dir() {
        Some("is a folder")
    } else if folder.is_some_and(|folder| !folder.is_dir()) {
        Some("is in a folder that does not exist")
    } else {
        None
    };
    if let Some(why) = why {
        cx.error(
            ConfigError::new(format!("`{}` {why}", path.display()), output.span())
                .help("use a file in an existing folder, or \"stdout\""),
        );
    }
    Json { output: Destination::File { path, max_bytes, keep: options.keep.unwrap_or(5) }, spans: options.spans }
}
