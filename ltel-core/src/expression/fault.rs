//! Why an expression has no value.

use std::fmt;
use std::sync::Arc;

/// Why an expression has no value for an event. It is cheap to make and to copy: a fault may come with every event.
#[derive(Clone)]
pub struct Fault(Text);

#[derive(Clone)]
enum Text {
    Static(&'static str),
    Shared(Arc<str>),
}

impl Fault {
    /// With a text that is part of the program.
    #[must_use]
    pub const fn of(text: &'static str) -> Self {
        Self(Text::Static(text))
    }

    /// With a text of its own. What a client sent must be made printable first ([`crate::text::shortened`]).
    #[must_use]
    pub fn new(text: impl Into<Arc<str>>) -> Self {
        Self(Text::Shared(text.into()))
    }

    fn text(&self) -> &str {
        match &self.0 {
            Text::Static(text) => text,
            Text::Shared(text) => text,
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.text())
    }
}

impl fmt::Debug for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Fault({:?})", self.text())
    }
}

impl PartialEq for Fault {
    fn eq(&self, other: &Self) -> bool {
        self.text() == other.text()
    }
}

impl Eq for Fault {}

impl std::error::Error for Fault {}
