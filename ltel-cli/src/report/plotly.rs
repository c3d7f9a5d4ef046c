//! The library that draws charts in a browser.

/// plotly.js, compressed by gzip. The build takes it from the crate `plotly`.
pub(crate) const PLOTLY_GZIP: &[u8] = include_bytes!(concat!(env!("OUT_DIR"), "/plotly.js.gz"));
