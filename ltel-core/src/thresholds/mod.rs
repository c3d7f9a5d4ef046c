//! Thresholds: what the figures of a run must be for the run to pass. [`Check`] is the language (`p95 < 500ms`), [`Target`]
//! says which figures it is about, [`Threshold::judge`] compares. Nothing here does I/O.

mod quantity;
mod check;
mod parse;
mod target;
mod threshold;
mod judgement;
#[cfg(test)]
mod tests;

pub use check::{Check, Limit, Operator};
pub use judgement::Judgement;
pub use parse::CheckError;
pub use quantity::{Quantity, Unit};
pub use target::Target;
pub use threshold::Threshold;
