//! Meters: OpenTelemetry providers of one run and recorder, collected on demand. Backends that want the same points share one; each
//! has its own resource, temporality, interval and exemplars all the same. Requests stay small, and nothing outlives its run.

use std::ops::Deref;
use std::sync::{Arc, Weak};
use std::time::Duration;

use opentelemetry::InstrumentationScope;
use opentelemetry::metrics::{self as otel, MeterProvider};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::{OTelSdkError, OTelSdkResult};
use opentelemetry_sdk::metrics::data::ResourceMetrics;
use opentelemetry_sdk::metrics::reader::MetricReader;
use opentelemetry_sdk::metrics::{
    Aggregation, Instrument, InstrumentKind, ManualReader, Pipeline, SdkMeterProvider, Stream, Temporality,
};

use crate::exemplar::{Exemplar, ExemplarStore, KeepExemplars, PointExemplars};

/// A backend's settings for metrics.
#[derive(Clone, Debug)]
pub struct MeterSettings {
    /// The OTLP resource. A backend that sends none has an empty one; it may be given another's.
    pub resource: Resource,
    /// Whether points add up from the run's beginning or from the last collection.
    pub temporality: Temporality,
    /// Whether histograms have base-2 exponential buckets in place of explicit ones.
    pub exponential: bool,
    /// Which exemplars its histograms have.
    pub exemplars: KeepExemplars,
}

impl MeterSettings {
    /// For histograms with explicit buckets, without exemplars.
    #[must_use]
    pub const fn new(resource: Resource, temporality: Temporality) -> Self {
        Self { resource, temporality, exponential: false, exemplars: KeepExemplars::No }
    }

    /// Whether backends with these settings see the same points. A collection of deltas takes them from all others.
    fn can_be_shared(&self, other: &Self) -> bool {
        let same_resource = self.resource == other.resource || self.resource.is_empty() || other.resource.is_empty();
        let both_add_up = [self, other].iter().all(|of| of.temporality == Temporality::Cumulative);
        both_add_up && self.exponential == other.exponential && same_resource
    }
}

/// Creates a meter for a recorder's instruments, and a collector that reads them.
#[must_use]
pub fn meter(settings: &MeterSettings, scope: &'static str, series_limit: usize) -> (Meter, Collector) {
    let (mut meters, mut collectors) = meters(std::slice::from_ref(settings), scope, series_limit);
    (meters.swap_remove(0), collectors.swap_remove(0))
}

/// Creates the meters for a recorder's instruments, and a collector for each backend with these settings, in their order. There are
/// no more meters than needed: to each one an event is recorded once more.
#[must_use]
pub fn meters(backends: &[MeterSettings], scope: &'static str, series_limit: usize) -> (Vec<Meter>, Vec<Collector>) {
    let mut shared: Vec<MeterSettings> = Vec::new();
    let mut meter_of = Vec::new();
    for settings in backends {
        let number = shared.iter().position(|with| with.can_be_shared(settings)).unwrap_or(shared.len());
        match shared.get_mut(number) {
            Some(with) if with.resource.is_empty() => with.resource = settings.resource.clone(),
            Some(_) => {}
            None => shared.push(settings.clone()),
        }
        meter_of.push(number);
    }
    let providers = shared.iter().map(|settings| provider(settings, series_limit));
    let providers: Vec<_> = providers.collect();
    let scope = InstrumentationScope::builder(scope).with_version(env!("CARGO_PKG_VERSION")).build();
    let mut meters: Vec<_> = providers
        .iter()
        .map(|(_, provider)| Meter { meter: provider.meter_with_scope(scope.clone()), exemplars: Vec::new() })
        .collect();
    let collectors = backends.iter().zip(meter_of).map(|(settings, number)| {
        let exemplars = ExemplarStore::new(settings.exemplars, settings.exponential);
        meters[number].exemplars.extend(exemplars.clone());
        let (reader, provider) = providers[number].clone();
        Collector { reader, _provider: provider, exemplars }
    });
    let collectors = collectors.collect();
    (meters, collectors)
}

fn provider(settings: &MeterSettings, series_limit: usize) -> (Arc<ManualReader>, SdkMeterProvider) {
    let reader = Arc::new(ManualReader::builder().with_temporality(settings.temporality).build());
    let exponential = settings.exponential;
    let view = move |instrument: &Instrument| {
        // The table of series holds the limit itself; one more is the overflow series.
        let stream = Stream::builder().with_cardinality_limit(series_limit.saturating_add(1));
        let stream = if exponential && instrument.kind() == InstrumentKind::Histogram {
            stream.with_aggregation(Aggregation::Base2ExponentialHistogram {
                max_size: 160,
                max_scale: 20,
                record_min_max: true,
            })
        } else {
            stream
        };
        stream.build().ok()
    };
    let provider = SdkMeterProvider::builder()
        .with_resource(settings.resource.clone())
        .with_reader(SharedReader(Arc::clone(&reader)))
        .with_view(view)
        .build();
    (reader, provider)
}

/// OpenTelemetry's meter, and where the exemplars of its histograms go: to each backend that wants them.
#[derive(Clone, Debug)]
pub struct Meter {
    meter: otel::Meter,
    pub(crate) exemplars: Vec<Arc<ExemplarStore>>,
}

impl Deref for Meter {
    type Target = otel::Meter;

    fn deref(&self) -> &Self::Target {
        &self.meter
    }
}

/// Reads the metrics of one recorder for one backend.
#[derive(Clone, Debug)]
pub struct Collector {
    reader: Arc<ManualReader>,
    // Readers hold their provider weakly.
    _provider: SdkMeterProvider,
    exemplars: Option<Arc<ExemplarStore>>,
}

impl Collector {
    /// All points at this moment.
    pub fn collect(&self) -> Result<Collected, OTelSdkError> {
        let mut metrics = ResourceMetrics::default();
        self.reader.collect(&mut metrics)?;
        let exemplars = self.exemplars.as_ref().map_or_else(Default::default, |store| store.collect(&metrics));
        Ok(Collected { metrics, exemplars })
    }
}

/// What a collection has yielded. [`crate::points`] reads it.
#[derive(Debug, Default)]
pub struct Collected {
    /// All points, as the SDK has them.
    pub metrics: ResourceMetrics,
    pub(crate) exemplars: PointExemplars,
}

impl Collected {
    /// The exemplars of the points that have any, in the order of the collection: with the numbers of the metric, over all scopes,
    /// and of the point within it.
    pub fn exemplars(&self) -> impl Iterator<Item = ((usize, usize), &[Exemplar])> {
        self.exemplars.iter()
    }
}

/// A shared reader: the SDK takes ownership of its reader, but we have to call it.
#[derive(Debug)]
struct SharedReader(Arc<ManualReader>);

impl MetricReader for SharedReader {
    fn register_pipeline(&self, pipeline: Weak<Pipeline>) {
        self.0.register_pipeline(pipeline);
    }

    fn collect(&self, metrics: &mut ResourceMetrics) -> OTelSdkResult {
        self.0.collect(metrics)
    }

    fn force_flush(&self) -> OTelSdkResult {
        self.0.force_flush()
    }

    fn shutdown_with_timeout(&self, timeout: Duration) -> OTelSdkResult {
        self.0.shutdown_with_timeout(timeout)
    }

    fn temporality(&self, kind: InstrumentKind) -> Temporality {
        self.0.temporality(kind)
    }
}
