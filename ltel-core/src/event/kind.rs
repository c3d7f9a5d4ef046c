//! The kinds of events, by the names that a configuration has for them.

use super::{Event, Field, single_events};

macro_rules! define_kinds {
    ($($name:ident $kind:literal $doc:literal)*) => {
        /// The kind of an event.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
        #[non_exhaustive]
        pub enum EventKind {
            /// One request.
            Request,
            /// One execution of a task.
            Task,
            /// One value of a metric of the locustfile.
            Measurement,
            $(
                #[doc = $doc]
                $name,
            )*
        }

        impl EventKind {
            /// All of them.
            pub const ALL: &'static [Self] = &[Self::Request, Self::Task, Self::Measurement, $(Self::$name),*];

            /// Its name in a configuration: `request`, `user_error`.
            #[must_use]
            pub const fn name(self) -> &'static str {
                match self {
                    Self::Request => "request",
                    Self::Task => "task",
                    Self::Measurement => "measurement",
                    $(Self::$name => $kind,)*
                }
            }
        }

        impl Event<'_> {
            /// Its kind.
            #[inline]
            #[must_use]
            pub const fn kind(&self) -> EventKind {
                match self {
                    Self::Request(_) => EventKind::Request,
                    Self::Task(_) => EventKind::Task,
                    Self::Measurement(_) => EventKind::Measurement,
                    $(Self::$name(_) => EventKind::$name,)*
                }
            }
        }
    };
}
single_events!(define_kinds);

impl EventKind {
    /// The kind with this name in a configuration.
    #[must_use]
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|kind| kind.name() == name)
    }

    /// The field with this name.
    #[must_use]
    pub fn field(self, name: &str) -> Option<&'static Field> {
        self.fields().iter().find(|field| field.name == name)
    }
}
