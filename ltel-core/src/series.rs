//! The series of one recorder in one run: a map from label values to a small number, so that an event costs one
//! look-up however many instruments the recorder has.

use std::hash::{BuildHasher, Hasher};
use std::sync::Arc;

use hashbrown::{DefaultHashBuilder, HashTable};
use opentelemetry::{Key, KeyValue};
use smallvec::SmallVec;

use crate::clock::Timestamp;
use crate::event::Event;
use crate::exemplar::Sampled;
use crate::label::{Label, OwnedLabel};
use crate::recorder::{Common, SeriesLimits, Spec, SpecMismatch};
use crate::runs::{RunInfo, SourceInfo};

// More labels of an open instrument cost an allocation for each look-up.
const FEW: usize = 8;

// For events without a source, and for the overflow series.
const NO_SOURCE: u32 = u32::MAX;

/// One series: a set of label values of one source. Instruments record to it.
#[derive(Clone, Copy, Debug)]
pub struct Series<'a> {
    pub(crate) id: usize,
    pub(crate) table: &'a SeriesTable,
}

impl<'a> Series<'a> {
    /// Its number among the series of its recorder, from 0: an index for what a recorder keeps by series.
    #[must_use]
    pub const fn number(self) -> usize {
        self.id
    }

    /// Whether it stands for all series beyond the limit.
    #[must_use]
    pub fn is_overflow(self) -> bool {
        self.table.overflow == Some(self.id)
    }

    /// The attributes of this series' points.
    pub(crate) fn attributes(self, constant: impl IntoIterator<Item = KeyValue>, run_labels: bool) -> Vec<KeyValue> {
        let entry = &self.table.entries[self.id];
        let mut attributes = entry.attributes.clone();
        let configured = self.table.configured.constants.iter();
        // What a recorder calls the same is about this series.
        attributes.extend(configured.filter(|label| entry.attributes.iter().all(|own| own.key != label.key)).cloned());
        attributes.extend(constant);
        if run_labels {
            attributes.extend_from_slice(&self.table.run_labels);
        }
        // In the SDK's order: in any other it keeps them twice.
        attributes.sort_by(|a, b| a.key.cmp(&b.key));
        attributes
    }

    /// The span of the event that is recorded, if it is sampled and some histogram wants exemplars.
    #[inline]
    pub(crate) fn sampled(self) -> Option<&'a Sampled> {
        self.table.sampled.as_ref()
    }

    pub(crate) fn source(self) -> u32 {
        self.table.entries[self.id].source
    }
}

/// The labels that the configuration adds to everything that a recorder emits.
#[derive(Debug, Default)]
pub(crate) struct ConfiguredLabels {
    // Of the recorder's table, and of `[labels]`.
    constants: Vec<KeyValue>,
    // As attributes of spans.
    encoded: Box<[u8]>,
    // Their values come before those of the recorder's own labels.
    computed: Vec<Key>,
}

impl ConfiguredLabels {
    pub(crate) fn new(common: &Common, run: &RunInfo) -> Self {
        let constants: Vec<_> = run.labels.iter().chain(common.constants()).cloned().collect();
        Self {
            encoded: crate::trace::encoded(&constants),
            constants,
            computed: common.computed_names().cloned().collect(),
        }
    }

    /// Whether there are any.
    pub(crate) const fn any(&self) -> bool {
        !self.constants.is_empty() || !self.computed.is_empty()
    }

    /// Those that do not depend on the event.
    pub(crate) fn constants(&self) -> &[KeyValue] {
        &self.constants
    }

    /// The same, encoded as attributes of a span.
    pub(crate) const fn encoded(&self) -> &[u8] {
        &self.encoded
    }

    /// The names of all.
    pub(crate) fn names(&self) -> impl Iterator<Item = String> {
        self.constants.iter().map(|label| &label.key).chain(&self.computed).map(ToString::to_string)
    }

    /// About how many bytes they take in each set of labels, beside the texts of those that are computed.
    pub(crate) const fn bytes(&self) -> usize {
        (self.constants.len() + self.computed.len()) * size_of::<KeyValue>()
    }
}

#[derive(Debug)]
struct Entry {
    source: u32,
    // In place: an event compares them, and each place in memory that it has to visit takes as long as all else.
    labels: SmallVec<[OwnedLabel; 3]>,
    attributes: Vec<KeyValue>,
}

/// What the labels of a series are.
#[derive(Clone, Copy, Debug)]
enum Labels {
    /// The values of the spec's.
    OfSpec,
    /// The number of an instrument, and names and values in turn; with what the series takes beside them.
    Open(usize),
}

/// All series of one recorder in one run.
#[derive(Debug)]
pub(crate) struct SeriesTable {
    names: &'static [&'static str],
    configured: ConfiguredLabels,
    limits: SeriesLimits,
    // What each takes beside its labels.
    cost: usize,
    run_labels: [KeyValue; 2],
    hasher: DefaultHashBuilder,
    index: HashTable<usize>,
    // Those of labels. Most are in many series, and share their place in memory.
    texts: HashTable<Arc<str>>,
    entries: Vec<Entry>,
    overflow: Option<usize>,
    overflowed: u64,
    // The number of label values that were given, if it differed from the number of names.
    wrong_labels: Option<usize>,
    // Whether a histogram wants exemplars.
    exemplars: bool,
    // The event that is recorded, for exemplars.
    sampled: Option<Sampled>,
}

impl SeriesTable {
    pub(crate) fn new(
        spec: &'static Spec,
        configured: ConfiguredLabels,
        (cost, exemplars): (usize, bool),
        limits: SeriesLimits,
        run: &RunInfo,
    ) -> Self {
        Self {
            names: spec.labels,
            configured,
            limits,
            cost,
            run_labels: run.identity(),
            hasher: DefaultHashBuilder::default(),
            index: HashTable::new(),
            texts: HashTable::new(),
            entries: Vec::new(),
            overflow: None,
            overflowed: 0,
            wrong_labels: None,
            exemplars,
            sampled: None,
        }
    }

    /// The labels of the configuration.
    pub(crate) const fn configured(&self) -> &ConfiguredLabels {
        &self.configured
    }

    /// The existing series with this number.
    pub(crate) fn numbered(&self, number: usize) -> Option<Series<'_>> {
        (number < self.entries.len()).then_some(Series { id: number, table: self })
    }

    /// Whether a series was asked for by another number of labels than there are names.
    pub(crate) fn take_mismatch(&mut self) -> Option<SpecMismatch> {
        let listed = self.names.len();
        self.wrong_labels.take().map(|given| SpecMismatch::Labels { given, listed })
    }

    /// An event begins.
    #[inline]
    pub(crate) fn set_event(&mut self, event: &Event<'_>, now: Timestamp) {
        if self.exemplars {
            self.sampled = Sampled::of(event, now);
        }
    }

    /// What is recorded from now on is about no event.
    pub(crate) const fn end_event(&mut self) {
        self.sampled = None;
    }

    /// How many there are.
    pub(crate) fn count(&self) -> usize {
        self.index.len()
    }

    /// How many events went to the overflow series because a limit was reached.
    pub(crate) const fn overflowed(&self) -> u64 {
        self.overflowed
    }

    #[inline]
    pub(crate) fn get(&mut self, source: Option<&SourceInfo>, labels: &[Label<'_>]) -> Series<'_> {
        self.find(source, labels, Labels::OfSpec)
    }

    /// The series of an instrument that is not in the spec, with labels that are not in it either. `cost`: what it takes beside its
    /// labels.
    pub(crate) fn get_open(
        &mut self,
        source: Option<&SourceInfo>,
        (instrument, cost): (usize, usize),
        labels: &[(&str, Label<'_>)],
    ) -> Series<'_> {
        // The key: the instrument, and then names and values in turn.
        let mut key: SmallVec<[Label<'_>; 1 + 2 * FEW]> = SmallVec::new();
        key.push(Label::Int(i64::try_from(instrument).unwrap_or(i64::MAX)));
        key.extend(labels.iter().flat_map(|(name, value)| [Label::Str(name), *value]));
        self.find(source, &key, Labels::Open(cost))
    }

    #[inline]
    fn find(&mut self, source: Option<&SourceInfo>, labels: &[Label<'_>], kind: Labels) -> Series<'_> {
        let source_index = source.map_or(NO_SOURCE, |s| s.index);
        let hash = hash_of(&self.hasher, source_index, labels.iter().copied());
        let found = self.index.find(hash, |&id| {
            let entry = &self.entries[id];
            entry.source == source_index
                && entry.labels.len() == labels.len()
                && entry.labels.iter().zip(labels).all(|(have, want)| have.is(*want))
        });
        let id = match found {
            Some(&id) => id,
            None => self.insert(hash, source, labels, kind),
        };
        Series { id, table: self }
    }

    #[cold]
    fn insert(&mut self, hash: u64, source: Option<&SourceInfo>, labels: &[Label<'_>], kind: Labels) -> usize {
        let cost = match kind {
            Labels::OfSpec => {
                let computed = self.configured.computed.len();
                if labels.len() != computed + self.names.len() {
                    self.wrong_labels = Some(labels.len() - computed);
                }
                self.cost
            }
            Labels::Open(cost) => cost,
        };
        if self.index.len() >= self.limits.count || !self.limits.memory.take(cost + bytes_of(source, labels)) {
            self.overflowed += 1;
            // The name is the OpenTelemetry SDK's: backends know it.
            return *self.overflow.get_or_insert_with(|| {
                let attributes = vec![KeyValue::new("otel.metric.overflow", true)];
                self.entries.push(Entry { source: NO_SOURCE, labels: SmallVec::new(), attributes });
                self.entries.len() - 1
            });
        }
        let labels: SmallVec<[OwnedLabel; 3]> = labels.iter().map(|&label| self.owned(label)).collect();
        let mut attributes: Vec<KeyValue> = match kind {
            Labels::OfSpec => {
                let own = self.names.iter().map(|&name| Key::from_static_str(name));
                let names = self.configured.computed.iter().cloned().chain(own);
                names.zip(&labels).filter_map(|(name, label)| Some(KeyValue::new(name, label.value()?))).collect()
            }
            Labels::Open(_) => labels[1..].chunks_exact(2).filter_map(key_value).collect(),
        };
        if let Some(source) = source {
            attributes.extend(source.labels());
        }
        let id = self.entries.len();
        self.entries.push(Entry { source: source.map_or(NO_SOURCE, |s| s.index), labels, attributes });
        self.index.insert_unique(hash, id, |&id| {
            let entry = &self.entries[id];
            hash_of(&self.hasher, entry.source, entry.labels.iter().map(OwnedLabel::borrow))
        });
        id
    }

    /// A label to keep, with the text that other series have.
    fn owned(&mut self, label: Label<'_>) -> OwnedLabel {
        match label {
            Label::Str(text) => {
                let hash = |text: &str| self.hasher.hash_one(text);
                let shared = self.texts.entry(hash(text), |have| **have == *text, |have| hash(have));
                OwnedLabel::Str(Arc::clone(shared.or_insert_with(|| text.into()).get()))
            }
            other => other.into(),
        }
    }
}

/// The hash of a series. Each text is hashed on its own, so it needs no mark where it ends.
#[inline]
fn hash_of<'a>(hasher: &DefaultHashBuilder, source: u32, labels: impl Iterator<Item = Label<'a>>) -> u64 {
    let mut state = hasher.build_hasher();
    state.write_u32(source);
    for label in labels {
        match label {
            Label::Str(text) => state.write(text.as_bytes()),
            Label::Int(n) => state.write_i64(n),
            Label::Bool(bool) => state.write_u8(bool.into()),
            Label::Absent => state.write_u8(2),
        }
    }
    state.finish()
}

/// An attribute from a name and a value.
fn key_value(pair: &[OwnedLabel]) -> Option<KeyValue> {
    match pair {
        [OwnedLabel::Str(name), value] => Some(KeyValue::new(Arc::clone(name), value.value()?)),
        _ => None,
    }
}

/// About how many bytes the labels of a series take, and the series in its table.
fn bytes_of(source: Option<&SourceInfo>, labels: &[Label<'_>]) -> usize {
    // Beside each text there are its counts.
    let text = |label: &Label<'_>| match label {
        Label::Str(text) => 16 + text.len(),
        Label::Int(_) | Label::Bool(_) | Label::Absent => 0,
    };
    let each = size_of::<OwnedLabel>() + size_of::<KeyValue>();
    let source = source.map_or(0, |source| 2 * (size_of::<KeyValue>() + 16) + source.label.len());
    // Twice as much as it needs: tables double when they are full.
    2 * (size_of::<Entry>() + size_of::<usize>())
        + each * labels.len()
        + labels.iter().map(text).sum::<usize>()
        + source
}
