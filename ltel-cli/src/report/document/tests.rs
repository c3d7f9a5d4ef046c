//! Documents are written and read again.

use ltel_core::figures::{Histogram, RunFigures};
use serde_json::{Value, json};

use super::*;
use crate::report::sample;

fn read_again(figures: &RunFigures) -> Document {
    let written = Document::of(&sample::run(), figures);
    let read = Document::read(&written.to_json()).expect("a document");
    assert_eq!(read, written);
    read
}

/// Scenario: documents of runs of every kind are written and read. Guarantees: nothing changes, and each endpoint's histogram is the
/// one of the figures, to the last request.
#[test]
fn what_is_read_is_what_was_written() {
    for figures in [sample::small(), sample::large(), sample::empty(), sample::incomplete(), RunFigures::default()] {
        let document = read_again(&figures);
        assert_eq!(document.total.histogram.as_ref(), Some(&figures.total.histogram));
        for (of, endpoint) in figures.endpoints.iter().zip(&document.endpoints) {
            assert_eq!(endpoint.histogram.as_ref(), Some(&of.histogram));
            assert_eq!(endpoint.distribution.counts.iter().sum::<u64>(), endpoint.timed_requests);
            assert!(endpoint.distribution.counts.len() <= 128);
        }
    }
}

/// Guarantees: `null`, and not 0, stands for what is not known.
#[test]
fn what_is_absent_is_null() {
    let document = serde_json::to_value(Document::of(&sample::run(), &sample::empty())).expect("JSON");
    for field in ["failure_ratio", "min_ms", "mean_ms", "p50_ms", "p95_ms", "p99_9_ms", "max_ms", "mean_length_bytes"] {
        assert_eq!(document["total"][field], Value::Null, "{field}");
    }
    assert_eq!((&document["passed"], &document["test"]["users"]), (&Value::Null, &Value::Null));
    let running = serde_json::to_value(Document::of(&sample::run(), &RunFigures::default())).expect("JSON");
    assert_eq!((&running["final"], &running["complete"]), (&json!(false), &Value::Null));
}

/// Guarantees: every number of a histogram is where it should be, as an independent reader of `HdrHistogram` finds it.
#[test]
fn a_histogram_is_one_of_hdrhistogram() {
    let histogram = Histogram::from_counts(
        [(0, 3), (2_047_u64, 5), (2_048, 1), (1_000_003, 70_000), (86_400_000_000, 2)]
            .map(|(us, count)| (Histogram::bucket_of(us), count)),
    );
    let mut figures = sample::empty();
    figures.total.histogram = histogram.clone();
    let document: Value = serde_json::from_str(&Document::of(&sample::run(), &figures).to_json()).expect("JSON");
    let bytes = base64::Engine::decode(
        &base64::engine::general_purpose::STANDARD,
        document["total"]["histogram"].as_str().expect("a text"),
    );
    let hdr: hdrhistogram::Histogram<u64> = hdrhistogram::serialization::Deserializer::new()
        .deserialize(&mut bytes.expect("base64").as_slice())
        .expect("a histogram");
    assert_eq!((hdr.len(), hdr.sigfig()), (70_011, 3));
    for percent in [0.001, 0.01, 50.0, 99.9, 100.0] {
        let theirs = hdr.value_at_percentile(percent) as f64 / 1e3;
        assert_eq!(histogram.percentile(percent), Some(theirs), "{percent}");
    }
    assert_eq!(hdr.count_at(1_000_003), 70_000);
}

/// Guarantees: a text that is not such a document is refused, with what is wrong.
#[test]
fn what_is_not_a_document_is_refused() {
    let mut document = serde_json::to_value(Document::of(&sample::run(), &sample::small())).expect("JSON");
    let refused = |document: &Value| Document::read(&document.to_string()).expect_err("refused").to_string();

    document["new_in_a_later_version"] = json!([1, 2]);
    document["total"]["new_in_a_later_version"] = json!({});
    assert!(Document::read(&document.to_string()).is_ok(), "unknown fields are ignored");
    assert!(Document::read(&format!("\u{feff}{document}\n")).is_ok());

    document["schema"] = json!("ltel.report/1.2");
    assert!(Document::read(&document.to_string()).is_ok(), "a minor version only adds");
    document["schema"] = json!("ltel.report/2");
    document["total"] = json!("something else");
    assert_eq!(refused(&document), "its schema is `ltel.report/2`, but this version of ltel reads `ltel.report/1`");
    document["schema"] = json!("ltel.report/1");
    assert!(refused(&document).starts_with("a damaged report: invalid type: string"), "{}", refused(&document));
    for other in [json!({}), json!({ "schema": 1 }), json!({ "schema": "grafana" }), json!([]), json!(null)] {
        assert_eq!(refused(&other), "not a report of ltel: it has no `schema` that begins with `ltel.report/`");
    }
    assert_eq!(
        Document::read("{\n\"schema\": ").expect_err("refused").to_string(),
        "not JSON: EOF while parsing a value at line 2 column 10"
    );

    let mut document = serde_json::to_value(Document::of(&sample::run(), &sample::small())).expect("JSON");
    for wrong in ["", "!", "AAAA", "HISTFAAAAAA="] {
        document["total"]["histogram"] = json!(wrong);
        assert!(refused(&document).starts_with("a damaged report: a histogram: "), "{wrong}: {}", refused(&document));
    }
}
