//! The parts of the page that never change.

use std::io::{Read, Write};
use std::sync::LazyLock;

use bytes::Bytes;
use flate2::Compression;
use flate2::read::GzDecoder;
use flate2::write::GzEncoder;

use crate::report::html;
use crate::report::plotly::PLOTLY_GZIP;

/// A file of the page.
#[derive(Debug)]
pub(super) struct File {
    pub(super) kind: &'static str,
    text: Bytes,
    gzip: Bytes,
    /// Differs whenever the text does.
    pub(super) tag: String,
}

impl File {
    fn new(kind: &'static str, text: impl Into<Bytes>) -> Self {
        let text = text.into();
        let gzip = packed(&text);
        Self::of(kind, text, gzip)
    }

    fn of(kind: &'static str, text: Bytes, gzip: Bytes) -> Self {
        let mut checksum = flate2::Crc::new();
        checksum.update(&text);
        let tag = format!("\"{:08x}-{:x}\"", checksum.sum(), text.len());
        Self { kind, text, gzip, tag }
    }

    /// Its bytes, compressed if they may be.
    pub(super) fn bytes(&self, may_compress: bool) -> Bytes {
        if may_compress { self.gzip.clone() } else { self.text.clone() }
    }
}

/// The page itself.
pub(super) static PAGE: LazyLock<File> = LazyLock::new(|| File::new("text/html; charset=utf-8", html::PAGE));

/// `page.css`.
pub(super) static STYLE: LazyLock<File> = LazyLock::new(|| File::new("text/css; charset=utf-8", html::STYLE));

/// `page.js`.
pub(super) static SCRIPT: LazyLock<File> = LazyLock::new(|| File::new("text/javascript; charset=utf-8", html::SCRIPT));

/// `plotly.js`.
pub(super) static CHARTS: LazyLock<File> = LazyLock::new(|| {
    File::of("text/javascript; charset=utf-8", unpacked(PLOTLY_GZIP).into(), Bytes::from_static(PLOTLY_GZIP))
});

/// Compresses.
pub(super) fn packed(text: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::default());
    // Memory takes everything.
    let _ = encoder.write_all(text);
    encoder.finish().unwrap_or_default().into()
}

/// What [`packed`] has compressed.
pub(super) fn unpacked(packed: &[u8]) -> Vec<u8> {
    let mut text = Vec::new();
    let _ = GzDecoder::new(packed).read_to_end(&mut text);
    text
}
