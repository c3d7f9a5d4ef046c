//! Expressions of the configuration that had no value for an event.

use crate::expression::{Expression, Fault};

/// Counts the faults of one recorder in one run. What is said about them is bounded: once per expression.
#[derive(Debug, Default)]
pub(crate) struct Faults {
    count: u64,
    // By address: expressions live as long as the options that they are in, which outlive the run.
    said: Vec<usize>,
}

impl Faults {
    /// How many there were.
    pub(crate) const fn count(&self) -> u64 {
        self.count
    }

    /// Counts one about which enough is said.
    pub(crate) const fn add_one(&mut self) {
        self.count += 1;
    }

    /// Counts one. Returns what to say, if it is the expression's first.
    #[cold]
    pub(crate) fn add(&mut self, expression: &Expression, fault: &Fault) -> Option<String> {
        self.count += 1;
        let address = std::ptr::from_ref(expression).addr();
        if self.said.contains(&address) {
            return None;
        }
        self.said.push(address);
        Some(format!(
            "`{}` has no value for an event: {fault}; such values are left out and counted",
            expression.text()
        ))
    }
}
