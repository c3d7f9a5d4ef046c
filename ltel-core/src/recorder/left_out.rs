//! Values that a recorder leaves out: what an expression of the configuration had no value for, and what cannot be recorded.

use crate::expression::{Expression, Fault};

// Bounded: different reasons that are said of one expression.
const REASONS: usize = 4;

/// The values that one recorder leaves out in one run: counted, and said once for each expression and reason.
#[derive(Debug, Default)]
pub(crate) struct LeftOut {
    count: u64,
    // Expressions by address: they live as long as the options that they are in, which outlive the run.
    said: Vec<(usize, Fault)>,
}

impl LeftOut {
    /// How many there were.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Counts one about which enough is said.
    pub(crate) const fn add_one(&mut self) {
        self.count += 1;
    }

    /// Counts one. Returns what to say, if the expression had another reason so far, or none.
    #[cold]
    pub(crate) fn add(&mut self, expression: &Expression, why: &Fault) -> Option<String> {
        self.count += 1;
        let address = std::ptr::from_ref(expression).addr();
        let mut of_expression = self.said.iter().filter(|(of, _)| *of == address);
        if of_expression.clone().count() >= REASONS || of_expression.any(|(_, said)| said == why) {
            return None;
        }
        self.said.push((address, why.clone()));
        Some(format!("`{}` has no value for an event: {why}; such values are left out and counted", expression.text()))
    }
}
