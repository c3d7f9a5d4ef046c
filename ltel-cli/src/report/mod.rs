//! The figures of a run, as documents: JSON for machines, pages and texts for people. No I/O: who writes or sends them is in
//! [`deliver`](crate::deliver).

mod format;
pub(crate) mod document;
pub(crate) mod html;
mod html_file;
pub(crate) mod plotly;
mod markdown;
mod junit;
mod trace_url;
#[cfg(test)]
pub(crate) mod sample;

pub(crate) use document::Document;
pub(crate) use format::Format;
pub(crate) use trace_url::TraceUrl;
