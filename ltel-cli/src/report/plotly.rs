<<<<<<< HEAD
//! The library that draws charts in a browser.

/// plotly.js, compressed by gzip. The build takes it from the crate `plotly`.
pub(crate) const PLOTLY_GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plotly.js.gz"));
=======
//! plotly.js, which draws the charts: as the crate `plotly` brings it along.

use std::io::Write as _;
use std::sync::LazyLock;

use flate2::Compression;
use flate2::write::GzEncoder;

// The crate gives it as two script elements: plotly.js, and MathJax for formulas, which no chart of ltel has.
const BEGIN: &str = "<script type=\"text/javascript\">";
const END: &str = "</script>";

/// plotly.js, compressed by gzip: 1.4 MB in place of 4.7. It is compressed once, which takes some tenths of a second.
pub(crate) fn gzipped() -> &'static [u8] {
    static GZIPPED: LazyLock<Vec<u8>> = LazyLock::new(|| gzip(script(&plotly::Plot::offline_js_sources()).as_bytes()));
    &GZIPPED
}

/// The first script.
fn script(elements: &str) -> &str {
    let script = elements.split_once(BEGIN).and_then(|(_, rest)| rest.split_once(END));
    script.map_or(elements, |(script, _)| script)
}

/// Compresses by gzip.
pub(crate) fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut gzip = GzEncoder::new(Vec::new(), Compression::best());
    // Writing to memory does not fail.
    let _ = gzip.write_all(bytes);
    gzip.finish().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    #[test]
    fn it_is_plotly_and_nothing_else() {
        let mut text = String::new();
        GzDecoder::new(gzipped()).read_to_string(&mut text).expect("gzip");
        assert!(text[..300].contains("plotly.js v"), "{}", &text[..300]);
        assert!(!text.contains("<script") && !text.to_lowercase().contains(END));
        assert!((1 << 20..5 << 20).contains(&text.len()), "{}", text.len());
        assert!(gzipped().len() < 1_500_000, "{}", gzipped().len());
    }
}
>>>>>>> 9297db5 (Report: plotly.js without its companion, compressed)
