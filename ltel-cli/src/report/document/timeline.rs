//! A run's timeline in a document.

use std::collections::BTreeMap;

use ltel_core::figures;
use serde::{Deserialize, Serialize};

use super::Time;
use super::endpoint::{lower_ms, upper_ms};

/// The time of a run, in points of equal length.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub(crate) struct Timeline {
    /// When its first point begins.
    pub(crate) begun: Time,
    /// The length of a point.
    pub(crate) step_seconds: f64,
    /// How many points there are.
    pub(crate) points: usize,
    /// Running users in each point; `null` while nobody has said.
    pub(crate) users: Vec<Option<u64>>,
    /// The response times of all requests in each point.
    pub(crate) heat_map: HeatMap,
}

/// Response times over time, in buckets that get wider with their values.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub(crate) struct HeatMap {
    /// Where each bucket begins. Only those that are not empty in some point.
    pub(crate) lower_ms: Vec<f64>,
    /// Where each bucket ends: its values are less.
    pub(crate) upper_ms: Vec<f64>,
    /// For each point: pairs of a bucket's index in the lists above and its requests, for those that are not empty.
    pub(crate) counts: Vec<Vec<(usize, u64)>>,
}

impl Timeline {
    pub(super) fn of(timeline: &figures::Timeline) -> Self {
        Self {
            begun: timeline.begun.into(),
            step_seconds: timeline.step.as_secs_f64(),
            points: timeline.len(),
            users: timeline.users.clone(),
            heat_map: HeatMap::of(&timeline.times),
        }
    }
}

impl HeatMap {
    fn of(points: &[figures::Sketch]) -> Self {
        let mut used: BTreeMap<u16, usize> =
            points.iter().flat_map(|point| &point.counts).map(|(bucket, _)| (*bucket, 0)).collect();
        for (index, (_, place)) in used.iter_mut().enumerate() {
            *place = index;
        }
        let counts = |point: &figures::Sketch| point.counts.iter().map(|(b, n)| (used[b], u64::from(*n))).collect();
        Self {
            lower_ms: used.keys().map(|&bucket| lower_ms(bucket)).collect(),
            upper_ms: used.keys().map(|&bucket| upper_ms(bucket)).collect(),
            counts: points.iter().map(counts).collect(),
        }
    }
}
