//! Histograms in a document: the V2 format of `HdrHistogram`, compressed, in base64. Every implementation of it reads that.

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use hdrhistogram::serialization::{Deserializer as HdrDeserializer, Serializer as _, V2DeflateSerializer};
use ltel_core::figures::Histogram;
use serde::de::Error as _;
use serde::ser::Error as _;
use serde::{Deserialize, Deserializer, Serializer};

pub(super) const SIGNIFICANT_DIGITS: u8 = 3;

#[allow(clippy::ref_option)] // serde calls it
pub(super) fn serialize<S: Serializer>(histogram: &Option<Histogram>, to: S) -> Result<S::Ok, S::Error> {
    match histogram {
        Some(histogram) => to.serialize_str(&encode(histogram).map_err(S::Error::custom)?),
        None => to.serialize_none(),
    }
}

pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Histogram>, D::Error> {
    let text = Option::<String>::deserialize(from)?;
    text.map(|text| decode(&text)).transpose().map_err(|error| D::Error::custom(format!("a histogram: {error}")))
}

fn encode(histogram: &Histogram) -> Result<String, String> {
    let mut hdr = hdrhistogram::Histogram::<u64>::new(SIGNIFICANT_DIGITS).map_err(|error| error.to_string())?;
    for (bucket, count) in histogram.counts() {
        // Its buckets are the same, so each value of a bucket will do.
        hdr.record_n(Histogram::bounds_us(bucket).0, count).map_err(|error| error.to_string())?;
    }
    let mut bytes = Vec::new();
    V2DeflateSerializer::new().serialize(&hdr, &mut bytes).map_err(|error| error.to_string())?;
    Ok(STANDARD.encode(bytes))
}

fn decode(text: &str) -> Result<Histogram, String> {
    let bytes = STANDARD.decode(text).map_err(|error| error.to_string())?;
    let hdr: hdrhistogram::Histogram<u64> =
        HdrDeserializer::new().deserialize(&mut bytes.as_slice()).map_err(|error| error.to_string())?;
    let mut counts: Vec<(u32, u64)> = Vec::new();
    for value in hdr.iter_recorded() {
        let bucket = Histogram::bucket_of(hdr.lowest_equivalent(value.value_iterated_to()));
        let count = value.count_at_value();
        // One of more digits has more buckets than ours.
        match counts.last_mut().filter(|(last, _)| *last == bucket) {
            Some((_, counted)) => *counted = counted.saturating_add(count),
            None => counts.push((bucket, count)),
        }
    }
    Ok(Histogram::from_counts(counts))
}
