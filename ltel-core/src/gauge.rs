//! Gauges: the last value of something, as each backend's collection reads it.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use opentelemetry::KeyValue;

use crate::instrument::Number;
use crate::series::Series;

/// The last value of something. Its series end when their source is gone: a value without its source would
/// stay flat for ever.
pub struct Gauge<T: Number = f64> {
    pub(crate) constant: Vec<KeyValue>,
    pub(crate) values: Arc<GaugeValues<T>>,
}

impl<T: Number> fmt::Debug for Gauge<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Gauge")
    }
}

impl<T: Number> Gauge<T> {
    /// Sets the series' value.
    pub fn set(&mut self, series: Series<'_>, value: T) {
        self.values.set(series, &self.constant, value);
    }

    /// Ends the series, until it is set again: there is no value of it.
    pub fn end(&mut self, series: Series<'_>) {
        self.values.end(series);
    }
}

/// The live series of a gauge, read by each backend's collection.
pub struct GaugeValues<T>(Mutex<Vec<Option<GaugeValue<T>>>>);

struct GaugeValue<T> {
    source: u32,
    attributes: Arc<[KeyValue]>,
    value: T,
}

impl<T> Default for GaugeValues<T> {
    fn default() -> Self {
        Self(Mutex::default())
    }
}

impl<T> fmt::Debug for GaugeValues<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GaugeValues")
    }
}

impl<T: Copy> GaugeValues<T> {
    fn set(&self, series: Series<'_>, constant: &[KeyValue], value: T) {
        self.set_at(series.id, series, constant, value);
    }

    /// At a place of its own, for a gauge that has few of the series.
    pub(crate) fn set_at(&self, place: usize, series: Series<'_>, constant: &[KeyValue], value: T) {
        let mut values = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if values.len() <= place {
            values.resize_with(place + 1, || None);
        }
        match &mut values[place] {
            Some(have) => have.value = value,
            // A gauge carries no run: added up over two runs it would be wrong while the older is still fresh in a store.
            none => {
                let attributes = series.attributes(constant.iter().cloned(), false).into();
                *none = Some(GaugeValue { source: series.source(), attributes, value });
            }
        }
    }

    fn end(&self, series: Series<'_>) {
        if let Some(value) = self.0.lock().unwrap_or_else(PoisonError::into_inner).get_mut(series.id) {
            *value = None;
        }
    }

    pub(crate) fn observe(&self, mut observe: impl FnMut(T, &[KeyValue])) {
        for live in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter().flatten() {
            observe(live.value, &live.attributes);
        }
    }
}

pub(crate) trait ForgetSource: Send + Sync + fmt::Debug {
    fn forget_source(&self, source: u32);
}

impl<T: Send> ForgetSource for GaugeValues<T> {
    fn forget_source(&self, source: u32) {
        for value in self.0.lock().unwrap_or_else(PoisonError::into_inner).iter_mut() {
            if value.as_ref().is_some_and(|v| v.source == source) {
                *value = None;
            }
        }
    }
}
