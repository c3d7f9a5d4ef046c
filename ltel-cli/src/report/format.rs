//! The formats of reports.

use super::{Document, TraceUrl, html_file, junit, markdown};

/// A format of reports.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Format {
    /// A page for a browser.
    Html,
    /// The document.
    Json,
    /// A summary for a CI.
    Markdown,
    /// The thresholds, as `JUnit` XML.
    Junit,
}

impl Format {
    /// The endings of file names, each with its format.
    const ENDINGS: [(&'static str, Self); 4] =
        [(".html", Self::Html), (".json", Self::Json), (".md", Self::Markdown), (".xml", Self::Junit)];

    /// The format of a file, by its name's ending.
    pub(crate) fn of_name(name: &str) -> Option<Self> {
        let lower = name.to_ascii_lowercase();
        Self::ENDINGS
            .into_iter()
            .find(|(ending, _)| lower.ends_with(ending) && lower.len() > ending.len())
            .map(|(_, format)| format)
    }

    /// All endings, for messages.
    pub(crate) const HELP: &'static str = "end the name with `.html` (a page), `.json` (all figures), `.md` (a summary for a CI) or `.xml` (thresholds as JUnit)";

    /// The report.
    pub(crate) fn write(self, document: &Document, trace_url: Option<&TraceUrl>) -> String {
        match self {
            Self::Html => html_file::html(document, trace_url),
            Self::Json => document.to_json() + "\n",
            Self::Markdown => markdown::markdown(document),
            Self::Junit => junit::junit(document),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ending_decides() {
        for (name, format) in [
            ("report.html", Some(Format::Html)),
            ("REPORT.HTML", Some(Format::Html)),
            ("a.b.json", Some(Format::Json)),
            ("summary.md", Some(Format::Markdown)),
            ("junit.xml", Some(Format::Junit)),
            (".md", None),
            ("report", None),
            ("report.html.gz", None),
            ("html", None),
        ] {
            assert_eq!(Format::of_name(name), format, "{name}");
        }
    }
}
