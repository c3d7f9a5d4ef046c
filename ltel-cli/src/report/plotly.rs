//! The library that draws charts in a browser.

/// plotly.js, compressed by gzip. The build takes it from the crate `plotly`.
pub(crate) const PLOTLY_GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plotly.js.gz"));

#[cfg(test)]
mod tests {
    use std::io::Read as _;

    use flate2::read::GzDecoder;

    use super::*;

    /// Guarantees: it is one script without the end tag of its element, and small enough for a report.
    #[test]
    fn it_is_plotly_and_nothing_else() {
        let mut text = String::new();
        GzDecoder::new(PLOTLY_GZIP).read_to_string(&mut text).expect("gzip");
        assert!(text[..300].contains("plotly.js v"), "{}", &text[..300]);
        assert!(!text.contains("<script") && !text.to_lowercase().contains("</script"));
        assert!((1 << 20..5 << 20).contains(&text.len()), "{}", text.len());
        assert!(PLOTLY_GZIP.len() < 1_500_000, "{}", PLOTLY_GZIP.len());
    }
}
