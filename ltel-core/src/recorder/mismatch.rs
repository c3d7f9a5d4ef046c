//! What a recorder builds or emits that its spec does not list. People rely on the spec: `ltel-cli recorders` lists it, and
//! the configuration routes by it. So a difference is reported: [`crate::replay`] panics, a run reports an error once.

use std::collections::HashSet;
use std::hash::BuildHasher;

use hashbrown::DefaultHashBuilder;
use thiserror::Error;

use super::Spec;
use crate::record::Record;
use crate::trace::{Shape, SpanView};

// Bounded: a recorder may make any number of names.
const MOST: usize = 64;
const MOST_SHAPES: usize = 1_024;

/// A difference between what a recorder does and what its [`Spec`] says.
#[derive(Clone, Debug, Error, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum SpecMismatch {
    /// An instrument that the spec does not list.
    #[error(
        "`build` asks for the instrument `{0}`, but `Spec::instruments` does not contain the same `InstrumentSpec`"
    )]
    Instrument(String),
    /// An instrument of another kind than the spec says.
    #[error("`build` makes a {built} of the instrument `{name}`, but its `InstrumentSpec` says {listed}")]
    Kind {
        /// The instrument.
        name: String,
        /// What it is.
        built: &'static str,
        /// What the spec says.
        listed: &'static str,
    },
    /// Another number of label values than the spec lists labels.
    #[error("`Context::series` gets {given} label values, but `Spec::labels` lists {listed} labels")]
    Labels {
        /// How many values.
        given: usize,
        /// How many labels.
        listed: usize,
    },
    /// A record that the spec does not list.
    #[error("it emits records `{0}`, but `Spec::records` does not list them")]
    Record(String),
    /// A record with a field that the spec does not list.
    #[error("its record `{record}` has the field `{field}`, but the `RecordSpec::fields` of the record do not list it")]
    RecordField {
        /// The record.
        record: String,
        /// The field.
        field: String,
    },
    /// A span that the spec does not list.
    #[error("it emits spans such as `{0}`, but no name in `Spec::spans` fits")]
    Span(String),
    /// A span with an attribute that the spec does not list.
    #[error("its span `{span}` has the attribute `{attribute}`, but the `SpanSpec::attributes` do not list it")]
    SpanAttribute {
        /// The span's name in the spec.
        span: &'static str,
        /// The attribute.
        attribute: String,
    },
}

/// Compares what one instance emits with the spec.
#[derive(Debug)]
pub(super) struct SpecCheck {
    spec: &'static Spec,
    instance: String,
    // Labels of the configuration: records and spans can have them beside what the spec lists.
    also: Vec<String>,
    hasher: DefaultHashBuilder,
    // Hashes of names and fields that match: each kind of record and span is compared once.
    passed: HashSet<u64>,
    // The forms of spans' names, each with the attributes of written spans that match.
    forms: Vec<(Form, HashSet<Shape, DefaultHashBuilder>)>,
    said: HashSet<SpecMismatch>,
}

impl SpecCheck {
    pub(super) fn new(spec: &'static Spec, instance: &str, also: Vec<String>) -> Self {
        let (passed, said) = (HashSet::new(), HashSet::new());
        let forms = spec.spans.iter().map(|span| (Form::new(span.name), HashSet::default())).collect();
        Self { forms, spec, instance: instance.to_owned(), also, hasher: DefaultHashBuilder::default(), passed, said }
    }

    /// Adds a mismatch that has not been reported before.
    pub(super) fn say(&mut self, mismatch: SpecMismatch, out: &mut Vec<SpecMismatch>) {
        if self.said.len() < MOST && self.said.insert(mismatch.clone()) {
            out.push(mismatch);
        }
    }

    pub(super) fn record(&mut self, record: &Record, out: &mut Vec<SpecMismatch>) {
        let fields = || record.fields.iter().map(|(field, _)| &**field);
        let shape = self.shape(&record.name, fields());
        if self.passed.contains(&shape) {
            return;
        }
        let mut listed = self.spec.records.iter().filter(|listed| self.is_named(listed.name, &record.name)).peekable();
        if listed.peek().is_none() {
            return self.say(SpecMismatch::Record(record.name.to_string()), out);
        }
        let names: Vec<&str> = listed.flat_map(|listed| listed.fields).copied().collect();
        match fields().find(|field| !names.iter().any(|form| fits(form, field)) && !self.is_label(field)) {
            Some(field) => {
                let (record, field) = (record.name.to_string(), field.to_owned());
                self.say(SpecMismatch::RecordField { record, field }, out);
            }
            None => self.pass(shape),
        }
    }

    /// Compares a span, and returns the number of its form if it matches.
    pub(super) fn span(&mut self, span: &SpanView<'_>, out: &mut Vec<SpecMismatch>) -> Option<usize> {
        let attributes = || span.attributes().map(|(name, _)| name);
        let mut mismatch = None;
        for (number, listed) in self.spec.spans.iter().enumerate() {
            if !self.forms[number].0.fits(span.name.as_bytes()) {
                continue;
            }
            let shape = self.shape(listed.name, attributes());
            if self.passed.contains(&shape) {
                return Some(number);
            }
            let Some(unlisted) =
                attributes().find(|attribute| !listed.attributes.contains(attribute) && !self.is_label(attribute))
            else {
                self.pass(shape);
                return Some(number);
            };
            let attribute = unlisted.to_owned();
            mismatch.get_or_insert(SpecMismatch::SpanAttribute { span: listed.name, attribute });
        }
        self.say(mismatch.unwrap_or_else(|| SpecMismatch::Span(span.name.to_string())), out);
        None
    }

    /// Compares a span that was written, with this name and these attributes. It is read only if there was none such.
    #[inline]
    pub(super) fn written_span<'a>(
        &mut self,
        (name, shape): (&[u8], Shape),
        read: impl FnOnce() -> Option<SpanView<'a>>,
        out: &mut Vec<SpecMismatch>,
    ) {
        if !self.forms.iter().any(|(form, passed)| passed.contains(&shape) && form.fits(name)) {
            self.new_span(shape, read(), out);
        }
    }

    #[cold]
    fn new_span(&mut self, shape: Shape, span: Option<SpanView<'_>>, out: &mut Vec<SpecMismatch>) {
        let matches = span.and_then(|span| self.span(&span, out));
        if let Some(number) = matches
            && self.forms[number].1.len() < MOST_SHAPES
        {
            self.forms[number].1.insert(shape);
        }
    }

    fn is_label(&self, name: &str) -> bool {
        self.also.iter().any(|label| label == name)
    }

    fn shape<'a>(&self, name: &str, parts: impl Iterator<Item = &'a str>) -> u64 {
        parts.fold(self.hasher.hash_one(name), |hash, part| self.hasher.hash_one((hash, part)))
    }

    fn pass(&mut self, shape: u64) {
        if self.passed.len() < MOST_SHAPES {
            self.passed.insert(shape);
        }
    }

    /// Whether a record's name is the listed one. A derived record without a name of its own is named after the instance,
    /// and listed under the type's name.
    fn is_named(&self, listed: &str, name: &str) -> bool {
        let after_type = listed.strip_prefix(self.spec.name).filter(|rest| rest.starts_with('.'));
        listed == name || after_type.is_some_and(|rest| name.strip_prefix(&*self.instance) == Some(rest))
    }
}

/// The form of a name: `{}` encloses the variable parts.
#[derive(Debug)]
struct Form {
    // What is fixed: before the first variable part, between them, and after the last one.
    first: &'static [u8],
    rest: Box<[&'static [u8]]>,
}

impl Form {
    fn new(form: &'static str) -> Self {
        let mut texts = form.split('{').map(|part| part.split_once('}').map_or(part, |(_, text)| text).as_bytes());
        Self { first: texts.next().unwrap_or_default(), rest: texts.collect() }
    }

    fn fits(&self, name: &[u8]) -> bool {
        let Some(mut rest) = name.strip_prefix(self.first) else { return false };
        let Some((last, between)) = self.rest.split_last() else { return rest.is_empty() };
        for text in between {
            let found = rest.windows(text.len().max(1)).position(|window| window.starts_with(text));
            match found {
                Some(at) => rest = &rest[at + text.len()..],
                None if text.is_empty() => {}
                None => return false,
            }
        }
        rest.ends_with(last)
    }
}

/// Whether a name has this form.
pub(super) fn fits(form: &'static str, name: &str) -> bool {
    Form::new(form).fits(name.as_bytes())
}

#[cfg(test)]
mod tests {
    use super::fits;

    #[test]
    fn names_fit_their_form() {
        for (form, name, expected) in [
            ("{method} {name}", "GET /", true),
            ("{method} {name}", "GET", false),
            ("{task}", "anything", true),
            ("checkout", "checkout", true),
            ("checkout", "checkout 2", false),
            ("pay {name} now", "pay me now", true),
            ("pay {name} now", "pay me later", false),
            ("percentile_{p}", "percentile_99.9", true),
            ("percentile_{p}", "median", false),
        ] {
            assert_eq!(fits(form, name), expected, "{form} {name}");
        }
    }
}
