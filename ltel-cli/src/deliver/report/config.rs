//! The options of a report backend.

use std::path::{Path, PathBuf};

use ltel_core::backend::{Check, ConfigError};
use ltel_core::schemars::{self, JsonSchema};
use serde::Deserialize;
use toml::Spanned;

use crate::deliver::run_file::{self, folder};
use crate::report::{Format, TraceUrl};

/// The keys of its table.
#[derive(Deserialize, JsonSchema)]
pub(crate) struct Options {
    /// The files to write when a run is over, each in the format of its name's end. `{run_id}` in a name is the id of the run.
    #[schemars(with = "Vec<ReportName>", length(min = 1))]
    files: Spanned<Vec<Spanned<String>>>,
    /// Where requests with a trace lead to: a URL with `{trace_id}`, and `{span_id}` if it needs one.
    #[schemars(with = "Option<String>", extend("examples" = ["https://tracing.example/trace/{trace_id}"]))]
    trace_url: Option<Spanned<String>>,
}

/// The name of a report: `.html` is a page, `.json` has all figures, `.md` is a summary, `.xml` is for a CI.
#[derive(JsonSchema)]
#[schemars(inline)]
#[allow(dead_code, reason = "only its schema is used")]
struct ReportName(#[schemars(regex(pattern = r"\.(html|json|md|xml)$"))] String);

/// Which files to write.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Report {
    pub(super) files: Vec<ReportFile>,
    pub(super) trace_url: Option<TraceUrl>,
}

/// A file to write after each run.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ReportFile {
    /// The path as it was stated, in which the name may have `{run_id}`.
    pub(super) text: String,
    /// The same.
    pub(crate) path: PathBuf,
    pub(super) format: Format,
}

/// Checks its table.
pub(super) fn check(options: Options, cx: &mut Check<'_>) -> Option<Report> {
    if options.files.get_ref().is_empty() {
        cx.error(
            ConfigError::new("`files` is empty, so nothing would be written", options.files.span())
                .help("write at least one, such as `files = [\"report.html\"]`"),
        );
    }
    let before = cx.errors.len();
    let mut files = Vec::new();
    for stated in options.files.into_inner() {
        match ReportFile::parse(stated.get_ref()) {
            Ok(file) => {
                cx.claim_file(&file.path, stated.span());
                files.push(file);
            }
            Err((message, help)) => cx.error(ConfigError::new(message, stated.span()).help(help)),
        }
    }
    let trace_url = options.trace_url.and_then(|stated| match TraceUrl::parse(stated.get_ref()) {
        Ok(url) => Some(url),
        Err((message, help)) => {
            cx.error(ConfigError::new(message, stated.span()).help(help));
            None
        }
    });
    (cx.errors.len() == before).then_some(Report { files, trace_url })
}

impl Report {
    /// A backend that writes these files.
    pub(crate) fn of(files: Vec<ReportFile>) -> Self {
        Self { files, trace_url: None }
    }

    /// Its files that are there already. One whose name depends on the run is not known before there is a run.
    pub(super) fn present(&self) -> impl Iterator<Item = &str> {
        self.files.iter().filter(|file| file.path.exists()).map(|file| &*file.text)
    }
}

impl ReportFile {
    /// Checks a path, whose ending says what to write. An error says what is wrong, and what would be right.
    pub(crate) fn parse(text: &str) -> Result<Self, (String, &'static str)> {
        let name = Path::new(text).file_name().and_then(|name| name.to_str()).unwrap_or_default();
        let Some(format) = Format::of_name(name).filter(|_| !text.ends_with('/')) else {
            return Err((format!("the ending of `{text}` does not say what to write"), Format::HELP));
        };
        Self::in_format(text, format)
    }

    /// Checks a path of any ending.
    pub(crate) fn in_format(text: &str, format: Format) -> Result<Self, (String, &'static str)> {
        let path = PathBuf::from(text);
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        if name.is_empty() || text.ends_with('/') {
            return Err((format!("`{text}` is not the name of a file"), "use a file in an existing folder"));
        }
        run_file::check(text)?;
        if path.is_dir() {
            return Err((format!("`{text}` is a folder"), "use a file in an existing folder"));
        }
        if path.exists() && !path.is_file() {
            return Err((format!("`{text}` is not a regular file"), "use a file that can be replaced"));
        }
        if !folder(&path).is_dir() {
            return Err((format!("`{text}` is in a folder that does not exist"), "use a file in an existing folder"));
        }
        Ok(Self { text: text.to_owned(), path, format })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_path_says_what_to_write() {
        let folder = tempfile::tempdir().expect("a folder");
        let at = |name: &str| format!("{}/{name}", folder.path().display());
        std::fs::create_dir(at("folder.md")).expect("a folder");
        let _socket = std::os::unix::net::UnixListener::bind(at("socket.md")).expect("a socket");
        for right in ["report.html", "{run_id}.json", "a b.md", "junit-{run_id}.XML"] {
            assert_eq!(ReportFile::parse(&at(right)).expect(right).text, at(right));
        }
        assert!(ReportFile::parse("in_this_folder.md").is_ok());
        for (wrong, message) in [
            ("report.pdf", "does not say what to write"),
            ("report", "does not say what to write"),
            ("", "does not say what to write"),
            (".json", "does not say what to write"),
            ("report.html/", "does not say what to write"),
            ("folder.md", "is a folder"),
            ("socket.md", "is not a regular file"),
            ("none/report.html", "is in a folder that does not exist"),
            ("{run_id}/report.html", "depends on the run"),
            ("{run}.json", "stands for nothing"),
            ("{run_id}-{testplan}.json", "stands for nothing"),
        ] {
            let (said, _) = ReportFile::parse(&at(wrong)).expect_err(wrong);
            assert!(said.ends_with(message), "{wrong}: {said}");
        }
    }
}
