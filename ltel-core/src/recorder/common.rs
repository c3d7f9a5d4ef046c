//! The keys `when` and `labels`, which the tables of all recorders can have: which events a recorder sees, and what labels it adds
//! to everything that it emits. A recorder knows nothing of them.

use std::collections::BTreeMap;
use std::ops::Range;
use std::sync::Arc;

use opentelemetry::{Key, KeyValue};
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::Value as Json;
use smallvec::SmallVec;
use toml::Spanned;

use crate::backend::ConfigError;
use crate::event::{Event, EventKind};
use crate::expression::{Entries, Expression, Fault, Purpose, Value, Written};
use crate::label::{Label, OwnedLabel};

use super::label_names::{LabelNames, taken_by};
use super::{Needs, OptionsCheck, Spec};

// Characters of a label that is a constant.
const LONGEST: usize = 1_000;

// More labels than these cost an allocation for each event.
pub(super) const FEW: usize = 8;

/// The keys as they are written.
#[derive(Clone, Debug, Default, Deserialize, JsonSchema)]
pub struct CommonKeys {
    /// The condition for an event to be seen, in CEL.
    #[schemars(with = "Option<String>")]
    pub when: Option<Spanned<String>>,
    /// More labels: each is an expression in CEL, or a constant as `{ value = "blue" }`.
    #[serde(default)]
    #[schemars(with = "BTreeMap<String, Written>")]
    pub labels: Entries<Written>,
}

/// The keys, checked and compiled.
#[derive(Debug, Default)]
pub struct Common {
    when: Option<When>,
    computed: Vec<Computed>,
    constants: Vec<KeyValue>,
    // Shown in records, where they are about many events.
    tells_when: bool,
    needs: Needs,
}

/// An expression for each kind of event that has its fields.
type OfEvents = Vec<(EventKind, Expression)>;

#[derive(Debug)]
struct When {
    text: String,
    of: OfEvents,
}

#[derive(Debug)]
struct Computed {
    name: Key,
    of: OfEvents,
}

/// What a recorder is, as far as the keys are concerned.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    /// What its type emits, whatever its options are.
    pub type_spec: &'static Spec,
    /// What it emits with its options.
    pub spec: &'static Spec,
    /// [`super::Recorder::MERGES_EVENTS`].
    pub merges_events: bool,
}

impl Common {
    /// Checks and compiles the keys of a recorder's table; reports what is wrong.
    pub fn new(keys: &CommonKeys, subject: Subject, check: &mut OptionsCheck<'_>) -> Self {
        let mut common = Self { tells_when: subject.merges_events, ..Self::default() };
        if let Some(when) = &keys.when {
            let of = of_events(when, subject.spec, Purpose::Condition, check);
            common.when = Some(When { text: when.get_ref().clone(), of });
        }
        let mut labels: Vec<_> = keys.labels.iter().collect();
        labels.sort_by_key(|(name, _)| name.span().start);
        let mut names = LabelNames::default();
        for (name, value) in labels {
            if let Some(error) = names.add(name) {
                check.error(error);
            } else if let Some(taken) = taken_by(name.get_ref(), subject, subject.type_spec) {
                let message = format!("the label `{}` is taken: {taken}", name.get_ref());
                check.error(ConfigError::new(message, name.span()).help("give it another name"));
            }
            common.label(name.get_ref(), value, subject, check);
        }
        let expressions = common.when.iter().flat_map(|when| &when.of);
        let expressions = expressions.chain(common.computed.iter().flat_map(|computed| &computed.of));
        common.needs = expressions.fold(Needs::NONE, |needs, (_, expression)| needs.and(expression.needs()));
        common
    }

    fn label(&mut self, name: &str, value: &Spanned<Written>, subject: Subject, check: &mut OptionsCheck<'_>) {
        let text = match value.get_ref() {
            Written::Constant(constant) => return self.constant(name, constant, value.span(), check),
            Written::Expression(text) => Spanned::new(value.span(), text.clone()),
        };
        let of = of_events(&text, subject.spec, Purpose::Label, check);
        let Some((_, first)) = of.first() else { return };
        if let Some(constant) = first.constant() {
            return self.constant(name, &constant.to_json(), value.span(), check);
        }
        if subject.merges_events {
            let recorder = subject.spec.name;
            let message = format!(
                "`{recorder}` sums events up, so a label that is computed from one event cannot be on what it emits"
            );
            check.error(ConfigError::new(message, value.span()).help(
                "use `{ value = ... }` for a constant, `when` with a table for each value, or a recorder with a series for each \
                 label: `requests`, or `type = \"declared\"`",
            ));
        }
        self.computed.push(Computed { name: Key::from(Arc::<str>::from(name)), of });
    }

    fn constant(&mut self, name: &str, constant: &Json, place: Range<usize>, check: &mut OptionsCheck<'_>) {
        match constant_label(name, constant) {
            Ok(label) => self.constants.push(label),
            Err(message) => check.error(ConfigError::new(message, place)),
        }
    }

    /// What makes Locust send the fields that they read.
    #[must_use]
    pub const fn needs(&self) -> Needs {
        self.needs
    }

    /// Whether the recorder may see less than all events.
    #[must_use]
    pub const fn filters(&self) -> bool {
        self.when.is_some()
    }

    /// The names of the labels.
    pub fn label_names(&self) -> impl Iterator<Item = &str> {
        self.constants.iter().map(|label| label.key.as_str()).chain(self.computed_names().map(Key::as_str))
    }

    /// The condition, as people wrote it.
    #[must_use]
    pub fn when(&self) -> Option<&str> {
        self.when.as_ref().map(|when| &*when.text)
    }

    /// The labels, each with its expression or its constant.
    pub fn labels(&self) -> impl Iterator<Item = (&str, Written)> {
        let constants = self.constants.iter();
        let constants = constants.map(|label| (label.key.as_str(), Written::Constant(field_of(&label.value))));
        let computed = self.computed.iter().filter_map(|computed| {
            let (_, expression) = computed.of.first()?;
            Some((computed.name.as_str(), Written::Expression(expression.text().to_owned())))
        });
        constants.chain(computed)
    }

    /// Whether each event is as if there were no keys.
    pub(super) const fn is_plain(&self) -> bool {
        self.when.is_none()
    }

    /// The condition, where records are about many events and have to say that these are not all.
    pub(super) fn told_condition(&self) -> Option<&str> {
        self.when.as_ref().filter(|_| self.tells_when).map(|when| &*when.text)
    }

    pub(crate) fn constants(&self) -> &[KeyValue] {
        &self.constants
    }

    pub(super) const fn has_computed(&self) -> bool {
        !self.computed.is_empty()
    }

    /// The names of the labels that are computed.
    pub(crate) fn computed_names(&self) -> impl Iterator<Item = &Key> {
        self.computed.iter().map(|computed| &computed.name)
    }

    /// Whether the condition holds for the event; `None` if it is not about such events, which the recorder then sees. It does not
    /// hold if it has no value.
    #[inline]
    pub(super) fn holds(&self, event: &Event<'_>, mut fault: impl FnMut(&Expression, &Fault)) -> Option<bool> {
        let when = of(&self.when.as_ref()?.of, event)?;
        let holds = when.holds(event).unwrap_or_else(|why| {
            fault(when, &why);
            false
        });
        Some(holds)
    }

    /// The events that the condition is about, for messages.
    pub(super) fn asked_of(&self, count: u64) -> String {
        let end = if count == 1 { "" } else { "s" };
        let kinds: Vec<_> = self.when.iter().flat_map(|when| &when.of).map(|(kind, _)| *kind).collect();
        match *kinds {
            [EventKind::Request] => format!("{count} request{end}"),
            [kind] => format!("{count} event{end} `{}`", kind.name()),
            _ => format!("{count} event{end}"),
        }
    }

    /// The values of the labels that are computed, for an event: absent without one, and where they have no value.
    pub(super) fn values<'a>(
        &'a self,
        event: Option<Event<'a>>,
        mut fault: impl FnMut(&Expression, &Fault),
    ) -> SmallVec<[Value<'a>; FEW]> {
        let value = |computed: &'a Computed| {
            let event = event.as_ref()?;
            let expression = of(&computed.of, event)?;
            match expression.evaluate(event) {
                Ok(value) if value.as_label().is_some() => Some(value),
                Ok(_) => {
                    fault(
                        expression,
                        &Fault::of("a label is a text, a whole number or a bool, and it is none of these"),
                    );
                    None
                }
                Err(why) => {
                    fault(expression, &why);
                    None
                }
            }
        };
        self.computed.iter().map(value).map(Option::unwrap_or_default).collect()
    }
}

/// The expression for an event of this kind.
#[inline]
fn of<'a>(expressions: &'a OfEvents, event: &Event<'_>) -> Option<&'a Expression> {
    let kind = event.kind();
    expressions.iter().find(|(of, _)| *of == kind).map(|(_, expression)| expression)
}

/// Compiles an expression for each of the recorder's events that has all fields that it names, in the types that it needs. That
/// there is none is an error.
fn of_events(text: &Spanned<String>, spec: &Spec, purpose: Purpose, check: &mut OptionsCheck<'_>) -> OfEvents {
    let Some(first) = spec.events.first() else {
        let message = format!("the events of `{}` have no fields to compute with", spec.name);
        check.error(
            ConfigError::new(message, text.span()).help("labels of this recorder are constants: `{ value = ... }`"),
        );
        return Vec::new();
    };
    // Without its names it does not parse, which any event shows.
    let names = Expression::names(text.get_ref()).unwrap_or_default();
    let has = |event: &EventKind, name: &String| event.field(name).is_some();
    // What no event has is a mistake that the expression itself reports.
    let known: Vec<_> = names.iter().filter(|name| spec.events.iter().any(|event| has(event, name))).collect();
    let fitting: Vec<_> =
        spec.events.iter().copied().filter(|event| known.iter().all(|name| has(event, name))).collect();
    if fitting.is_empty() {
        let of = |name: &&String| {
            let events = spec.events.iter().filter(|event| has(event, name)).map(|event| event.name());
            format!("`{name}` is of {}", events.collect::<Vec<_>>().join(" and "))
        };
        let message = format!("no event of `{}` has all the fields of this expression", spec.name);
        let help = known.iter().map(of).collect::<Vec<_>>().join("; ");
        check.error(ConfigError::new(message, text.span()).help(help));
        return Vec::new();
    }
    let (mut compiled, mut wrong) = (Vec::new(), None);
    for event in fitting {
        match Expression::compile(text.get_ref(), event, purpose) {
            Ok(expression) => compiled.push((event, expression)),
            // A field of the same name is of another type in another event. It is a mistake only if it fits none.
            Err(errors) => wrong = wrong.or(Some(errors)),
        }
    }
    for error in wrong.filter(|_| compiled.is_empty()).into_iter().flatten() {
        let span = check.place_in(text, error.span);
        let helps = [error.help, help(text.get_ref(), *first, purpose)];
        let helps: Vec<_> = helps.into_iter().flatten().collect();
        let help = (!helps.is_empty()).then(|| helps.join("; "));
        check.error(ConfigError { message: error.message, span, help });
    }
    compiled
}

fn help(text: &str, event: EventKind, purpose: Purpose) -> Option<String> {
    if purpose == Purpose::Label { constant_help(text, event) } else { None }
}

/// A label or field that is one word, and no field of the event, is likely meant as a constant.
pub(crate) fn constant_help(text: &str, event: EventKind) -> Option<String> {
    let is_word = text.chars().all(|c| c.is_alphanumeric() || "_- ".contains(c));
    (is_word && event.field(text).is_none()).then(|| format!("to write a constant: `{{ value = {text:?} }}`"))
}

/// A constant as an attribute, or what is wrong with it.
pub fn constant_label(name: &str, constant: &Json) -> Result<KeyValue, String> {
    let owned = match constant {
        Json::String(text) if text.trim().is_empty() => {
            return Err(format!("the label `{name}` is empty: give it a value, or leave it out"));
        }
        Json::String(text) if text.chars().nth(LONGEST).is_some() => {
            return Err(format!(
                "the label `{name}` has more than {LONGEST} characters, and it is on everything: shorten it"
            ));
        }
        Json::String(text) => OwnedLabel::from(Label::Str(text)),
        Json::Bool(bool) => OwnedLabel::Bool(*bool),
        Json::Number(number) => match number.as_i64() {
            Some(int) => OwnedLabel::Int(int),
            None => {
                return Err(format!(
                    "the label `{name}` is a number with a fraction, whose digits may change: write it in quotes, as \
                     `\"{number}\"`"
                ));
            }
        },
        _ => return Err(format!("the label `{name}` must be a text, a whole number, `true` or `false`")),
    };
    let value = owned.value().ok_or_else(|| format!("the label `{name}` has no value"))?;
    Ok(KeyValue::new(Arc::<str>::from(name), value))
}

/// A label as a field of a record.
#[must_use]
pub fn field_of(label: &opentelemetry::Value) -> Json {
    match label {
        opentelemetry::Value::Bool(bool) => (*bool).into(),
        opentelemetry::Value::I64(int) => (*int).into(),
        opentelemetry::Value::F64(double) => (*double).into(),
        other => other.as_str().into(),
    }
}
