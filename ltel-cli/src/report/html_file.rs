//! The HTML report: the page, its style and scripts, plotly.js and the figures in one file, which opens from a disk and asks no
//! other place for anything.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::json;

use super::html::{PAGE, REPORT_POLICY, SCRIPT, SCRIPT_LINK, STYLE, STYLE_LINK};
use super::plotly::PLOTLY_GZIP;
use super::{Document, TraceUrl};

/// The report. The document's histograms are left out, as the page cannot read them.
pub(crate) fn html(document: &Document, trace_url: Option<&TraceUrl>) -> String {
    // The policy stands before all that it applies to.
    let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, SCRIPT.as_bytes()));
    let policy = REPORT_POLICY.replace("{hash}", &hash);
    let head = format!("<meta http-equiv=\"Content-Security-Policy\" content=\"{policy}\">\n<style>{STYLE}</style>");
    let options = json!({ "trace_url": trace_url.map(TraceUrl::as_str) });
    let plotly = STANDARD.encode(PLOTLY_GZIP);
    let document = document.to_json_without_histograms();
    let body = [
        data("document", "application/json", &escaped(&document)),
        data("options", "application/json", &escaped(&options.to_string())),
        data("plotly", "text/plain", &plotly),
        format!("<script>{SCRIPT}</script>"),
    ];
    // Each replaced in the page itself, so that what a client sent is not searched for the next.
    let (before, rest) = PAGE.split_once(STYLE_LINK).unwrap_or((PAGE, ""));
    let (between, after) = rest.split_once(SCRIPT_LINK).unwrap_or((rest, ""));
    [before, &head, between, &body.join("\n"), after].concat()
}

fn data(id: &str, kind: &str, text: &str) -> String {
    format!("<script type=\"{kind}\" id=\"{id}\">{text}</script>")
}

/// JSON in a script element: nothing in it can end the element, or begin a comment in it.
fn escaped(json: &str) -> String {
    // In JSON, this character is only within texts.
    json.replace('<', "\\u003c")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::report::sample;

    fn element<'a>(page: &'a str, begin: &str) -> &'a str {
        let (_, rest) = page.split_once(begin).expect(begin);
        rest.split_once("</script>").expect("an end").0
    }

    /// Scenario: a report of a run with hostile names. Guarantees: the data is whole, and no name is markup.
    #[test]
    fn the_figures_are_data() {
        let document = Document::of(&sample::hostile_run(), &sample::small());
        let page = html(&document, TraceUrl::parse("https://t.example/</script>/{trace_id}").ok().as_ref());
        assert!(!page.contains("<img") && !page.contains("</script><"), "markup of a name");
        let read =
            Document::read(element(&page, "<script type=\"application/json\" id=\"document\">")).expect("a document");
        assert_eq!(read.run, document.run);
        assert_eq!(read.endpoints[1].name, sample::HOSTILE);
        assert_eq!((read.total.requests, &read.total.histogram), (document.total.requests, &None));
        let options: serde_json::Value =
            serde_json::from_str(element(&page, "<script type=\"application/json\" id=\"options\">")).expect("JSON");
        assert_eq!(options["trace_url"], "https://t.example/</script>/{trace_id}");
        let plotly = STANDARD.decode(element(&page, "<script type=\"text/plain\" id=\"plotly\">")).expect("base64");
        assert_eq!(plotly, PLOTLY_GZIP);
    }

    /// Guarantees: the one script that the page allows is its own, and nothing in it is fetched from another place.
    #[test]
    fn the_page_allows_nothing_but_itself() {
        let page = html(&Document::of(&sample::run(), &sample::small()), None);
        let script = page.split_once("\n<script>").expect("a script").1;
        let script = script.split_once("</script>").expect("an end").0;
        let hash = STANDARD.encode(ring::digest::digest(&ring::digest::SHA256, script.as_bytes()));
        assert!(page.contains(&format!("script-src 'sha256-{hash}' blob:;")), "{hash}");
        assert!(page.contains("default-src 'none'"));
        assert!(page.find("Content-Security-Policy") < page.find("<style>"));
        for link in ["<link", " src=\"", "@import", "url("] {
            assert!(!page.contains(link), "{link}");
        }
    }

    /// Guarantees: a report of an hour with 100 endpoints is small enough to be mailed.
    #[test]
    fn a_large_report_is_not_large() {
        let large = html(&Document::of(&sample::run(), &sample::large()), None).len();
        let empty = html(&Document::of(&sample::run(), &sample::empty()), None).len();
        assert!(large < 6 << 20, "{large}");
        assert!(empty < 5 << 19, "{empty}");
    }
}
