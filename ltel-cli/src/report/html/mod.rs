//! The page that shows the figures of a run: as a report in one file, and live. The same HTML, CSS and JavaScript serve both.
//!
//! Live, the parts are separate URLs of one folder: the page itself, `page.css`, `page.js`, `plotly.js` and `events`; see `live.js`
//! for what the server sends. In a report the same page has its parts inside: [`STYLE_LINK`] and [`SCRIPT_LINK`] are replaced by
//! their texts, and before the script stand the elements that it looks for:
//!
//! - `<script type="application/json" id="document">`: the document, with `<` written as `\u003c`.
//! - `<script type="text/plain" id="plotly">`: plotly.js, compressed by gzip, in base64.
//! - `<script type="application/json" id="options">`: `{"trace_url": "https://…{trace_id}…"}`; may be left out.

/// The page.
pub(crate) const PAGE: &str = include_str!("page.html");

/// What stands in [`PAGE`] in place of the style.
pub(crate) const STYLE_LINK: &str = r#"<link rel="stylesheet" href="page.css">"#;

/// What stands in [`PAGE`] in place of the script.
pub(crate) const SCRIPT_LINK: &str = r#"<script src="page.js"></script>"#;

/// `page.css`.
pub(crate) const STYLE: &str = include_str!("page.css");

/// `page.js`: all scripts in one function, so that none of their names is global.
pub(crate) const SCRIPT: &str = concat!(
    "(() => {\n\"use strict\";\n",
    include_str!("dom.js"),
    include_str!("format.js"),
    include_str!("head.js"),
    include_str!("thresholds.js"),
    include_str!("endpoints.js"),
    include_str!("sparkline.js"),
    include_str!("panel.js"),
    include_str!("charts.js"),
    include_str!("run_chart.js"),
    include_str!("endpoint_charts.js"),
    include_str!("errors.js"),
    include_str!("traces.js"),
    include_str!("generators.js"),
    include_str!("account.js"),
    include_str!("live.js"),
    include_str!("page.js"),
    "})();\n"
);

/// What a report must allow of itself, and no more: no request to any other place, no script but its own. `{hash}` is the SHA-256 of
/// the text of its script element, in base64.
pub(crate) const REPORT_POLICY: &str = "default-src 'none'; script-src 'sha256-{hash}' blob:; style-src 'unsafe-inline'; \
     img-src data: blob:; base-uri 'none'; form-action 'none'";

/// What a server must allow of the live page.
pub(crate) const LIVE_POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src data: blob:; \
     connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_script_is_in_the_page() {
        let folder = concat!(env!("CARGO_MANIFEST_DIR"), "/src/report/html");
        for file in std::fs::read_dir(folder).expect("this folder").flatten().map(|entry| entry.path()) {
            if file.extension().is_some_and(|extension| extension == "js") {
                let script = std::fs::read_to_string(&file).expect("a script");
                assert!(SCRIPT.contains(&script), "{}", file.display());
            }
        }
    }

    #[test]
    fn parts_can_be_put_into_the_page() {
        for link in [STYLE_LINK, SCRIPT_LINK] {
            assert_eq!(PAGE.matches(link).count(), 1, "{link}");
        }
        // Their end tag would end the element that holds them.
        assert!(!STYLE.to_lowercase().contains("</style") && !SCRIPT.to_lowercase().contains("</script"));
    }
}
