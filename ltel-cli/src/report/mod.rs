//! The figures of a run, as documents: JSON for machines, pages and texts for people. No I/O: who writes or sends them is in
//! [`deliver`](crate::deliver).

pub(crate) mod document;
pub(crate) mod plotly;
#[cfg(test)]
pub(crate) mod sample;

pub(crate) use document::Document;
