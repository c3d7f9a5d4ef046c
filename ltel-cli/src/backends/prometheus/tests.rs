//! The rules, as data: what a recorder records, and what a scraper reads of it.

use std::sync::Arc;
use std::time::Duration;

use ltel_core::Timestamp;
use ltel_core::meter::{self, MeterSettings};
use ltel_core::run::RunInfo;
use opentelemetry::metrics::Meter;
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::time::Instant;

use super::shelf::{Shelf, Unseen, until};
use super::text::Format::{self, OpenMetrics, Prometheus};

const KEEP: Duration = Duration::from_mins(1);

/// A shelf whose runs are recorded to by hand.
struct Runs {
    shelf: Shelf,
    now: Instant,
}

impl Runs {
    fn new() -> Self {
        Self::with(Resource::builder_empty().build(), false)
    }

    fn with(resource: Resource, scope_labels: bool) -> Self {
        Self { shelf: Shelf::new(resource, scope_labels), now: Instant::now() }
    }

    fn begin(&self, run_id: &str, record: impl FnOnce(&Meter)) -> Arc<RunInfo> {
        let run = Arc::new(RunInfo {
            run_id: run_id.to_owned(),
            testplan: "plan".to_owned(),
            begun: Timestamp::from_secs(1_700_000_000.0),
            ..RunInfo::default()
        });
        let settings = MeterSettings {
            resource: Resource::builder_empty().build(),
            temporality: Temporality::Cumulative,
            exponential: false,
        };
        let (meter, collector) = meter::meter(&settings, "scope", 100);
        self.shelf.begin(Some(Arc::clone(&run)), collector);
        record(&meter);
        run
    }

    fn end(&self, run: &Arc<RunInfo>) {
        self.shelf.end(run, until(self.now, KEEP));
    }

    fn page(&self, format: Format) -> String {
        self.shelf.page(format, self.now).text
    }
}

/// What one run looks like in a format, a line an entry.
fn check(format: Format, record: impl FnOnce(&Meter), expected: &[&str]) {
    let runs = Runs::new();
    runs.begin("a", record);
    let text = runs.page(format);
    let mut expected = expected.to_vec();
    if format == OpenMetrics {
        expected.push("# EOF");
    }
    assert_eq!(text.lines().collect::<Vec<_>>(), expected, "{text}");
    assert!(text.is_empty() || text.ends_with('\n'));
}

fn gauge(meter: &Meter, name: &'static str, value: f64, labels: &[KeyValue]) {
    meter.f64_gauge(name).build().record(value, labels);
}

#[test]
fn kinds() {
    let counter = |meter: &Meter| {
        let counter = meter.u64_counter("shop.orders").with_unit("1").with_description("Orders.").build();
        counter.add(1_234_567, &[KeyValue::new("run_id", "a")]);
    };
    let sample = "shop_orders_total{run_id=\"a\"} 1234567";
    check(Prometheus, counter, &["# HELP shop_orders_total Orders.", "# TYPE shop_orders_total counter", sample]);
    check(OpenMetrics, counter, &["# HELP shop_orders Orders.", "# TYPE shop_orders counter", sample]);

    let bytes = |meter: &Meter| meter.f64_counter("sent").with_unit("By").build().add(0.5, &[]);
    check(Prometheus, bytes, &["# TYPE sent_bytes_total counter", "sent_bytes_total 0.5"]);
    check(OpenMetrics, bytes, &["# TYPE sent_bytes counter", "# UNIT sent_bytes bytes", "sent_bytes_total 0.5"]);

    let share = |meter: &Meter| meter.f64_gauge("share").with_unit("1").build().record(0.25, &[]);
    check(Prometheus, share, &["# TYPE share_ratio gauge", "share_ratio 0.25"]);
    check(OpenMetrics, share, &["# TYPE share_ratio gauge", "# UNIT share_ratio ratio", "share_ratio 0.25"]);

    let open = |meter: &Meter| meter.i64_up_down_counter("open").with_unit("1").build().add(-2, &[]);
    check(Prometheus, open, &["# TYPE open gauge", "open -2"]);
    // Nothing is said of what nobody recorded.
    check(OpenMetrics, |meter| drop(meter.u64_counter("silent").build()), &[]);
    check(Prometheus, |meter| drop(meter.u64_counter("silent").build()), &[]);
}

#[test]
fn histograms() {
    let times = |bounds: &[f64], values: &[f64], label: &str| {
        let (bounds, values, label) = (bounds.to_vec(), values.to_vec(), label.to_owned());
        move |meter: &Meter| {
            let histogram = meter.f64_histogram("t").with_unit("ms").with_boundaries(bounds).build();
            for value in values {
                histogram.record(value, &[KeyValue::new(label.clone(), "x")]);
            }
        }
    };
    let bounds = [0.001, 0.00002, 1.0, 2.5, 1_000_000.0];
    let mut ascending = bounds;
    ascending.sort_by(f64::total_cmp);
    let values = [1.0, 2.0, 2.5, 3.0, 2e6];
    let rest = |le: [&str; 5]| {
        let counts = [0, 0, 1, 3, 4];
        let buckets =
            le.iter().zip(counts).map(|(le, n)| format!("t_milliseconds_bucket{{endpoint=\"x\",le=\"{le}\"}} {n}"));
        let after = [
            "t_milliseconds_bucket{endpoint=\"x\",le=\"+Inf\"} 5",
            "t_milliseconds_sum{endpoint=\"x\"} 2000008.5",
            "t_milliseconds_count{endpoint=\"x\"} 5",
        ];
        buckets.chain(after.map(ToOwned::to_owned)).collect::<Vec<_>>()
    };
    for (format, before, le) in [
        (Prometheus, vec!["# TYPE t_milliseconds histogram"], ["2e-05", "0.001", "1", "2.5", "1e+06"]),
        (
            OpenMetrics,
            vec!["# TYPE t_milliseconds histogram", "# UNIT t_milliseconds milliseconds"],
            ["2e-05", "0.001", "1.0", "2.5", "1e+06"],
        ),
    ] {
        let rest = rest(le);
        let expected: Vec<_> = before.into_iter().chain(rest.iter().map(String::as_str)).collect();
        check(format, times(&ascending, &values, "endpoint"), &expected);
    }

    // Sums that can go down are none; OpenMetrics has no count without a sum.
    let below_zero = [
        "# TYPE t_milliseconds histogram",
        "t_milliseconds_bucket{a=\"x\",le=\"-1\"} 1",
        "t_milliseconds_bucket{a=\"x\",le=\"+Inf\"} 1",
        "t_milliseconds_count{a=\"x\"} 1",
    ];
    check(Prometheus, times(&[-1.0], &[-2.0], "a"), &below_zero);
    check(
        OpenMetrics,
        times(&[-1.0], &[-2.0], "a"),
        &[
            "# TYPE t_milliseconds histogram",
            "# UNIT t_milliseconds milliseconds",
            "t_milliseconds_bucket{a=\"x\",le=\"-1.0\"} 1",
            "t_milliseconds_bucket{a=\"x\",le=\"+Inf\"} 1",
        ],
    );

    // Without bounds there is one bucket; a label called `le` is not a bound.
    check(
        Prometheus,
        times(&[], &[3.0], "le"),
        &[
            "# TYPE t_milliseconds histogram",
            "t_milliseconds_bucket{exported_le=\"x\",le=\"+Inf\"} 1",
            "t_milliseconds_sum{exported_le=\"x\"} 3",
            "t_milliseconds_count{exported_le=\"x\"} 1",
        ],
    );
}

#[test]
fn labels() {
    let of = |labels: &[(&'static str, Value)]| -> Vec<KeyValue> {
        labels.iter().map(|(key, value)| KeyValue::new(*key, value.clone())).collect()
    };
    let strings = Value::Array(Array::String(vec![StringValue::from("a"), StringValue::from("b")]));
    for (attributes, expected) in [
        (of(&[]), "g 1"),
        (
            of(&[("http.route", "/x".into()), ("b", 2.into()), ("c", true.into())]),
            r#"g{b="2",c="true",http_route="/x"} 1"#,
        ),
        (of(&[("f", 0.5.into()), ("s", strings)]), r#"g{f="0.5",s="[\"a\",\"b\"]"} 1"#),
        // Names that become the same: all values, in the order of the original names.
        (of(&[("a_b", "3".into()), ("a.b", "2".into()), ("a-b", "1".into())]), r#"g{a_b="1;2;3"} 1"#),
        (of(&[("le", "mine".into())]), r#"g{le="mine"} 1"#),
        (of(&[("t", "quo\"te back\\slash new\nline".into())]), r#"g{t="quo\"te back\\slash new\nline"} 1"#),
        (of(&[("t", "nul\0 tab\t ü 🚀".into())]), "g{t=\"nul\u{fffd} tab\t ü 🚀\"} 1"),
        (of(&[("t", "".into())]), r#"g{t=""} 1"#),
    ] {
        check(Prometheus, |meter| gauge(meter, "g", 1.0, &attributes), &["# TYPE g gauge", expected]);
    }
}

#[test]
fn help() {
    let described = |meter: &Meter| {
        meter.f64_gauge("g").with_description("A \"quote\", a back\\slash,\na second line.").build().record(1.0, &[]);
    };
    check(Prometheus, described, &["# HELP g A \"quote\", a back\\\\slash,\\na second line.", "# TYPE g gauge", "g 1"]);
    check(
        OpenMetrics,
        described,
        &["# HELP g A \\\"quote\\\", a back\\\\slash,\\na second line.", "# TYPE g gauge", "g 1"],
    );
}

#[test]
fn names_that_clash() {
    // A counter's samples end with `_total`, and so does this gauge: the first stays, whole.
    let clashing = |meter: &Meter| {
        meter.u64_counter("a.b").build().add(1, &[]);
        gauge(meter, "a.b.total", 2.0, &[]);
        gauge(meter, "a.b.more", 3.0, &[]);
    };
    check(Prometheus, clashing, &["# TYPE a_b_total counter", "a_b_total 1", "# TYPE a_b_more gauge", "a_b_more 3"]);
    // Two names that become one, of one kind, are one family.
    let merging = |meter: &Meter| {
        gauge(meter, "a.b", 1.0, &[KeyValue::new("x", "1")]);
        gauge(meter, "a_b", 2.0, &[KeyValue::new("x", "2")]);
        gauge(meter, "a-b", 3.0, &[KeyValue::new("x", "2")]);
    };
    check(Prometheus, merging, &["# TYPE a_b gauge", "a_b{x=\"1\"} 1", "a_b{x=\"2\"} 2"]);
}

#[test]
fn target_and_scope() {
    let resource = Resource::builder_empty()
        .with_attributes([KeyValue::new("service.name", "shop"), KeyValue::new("team", "a \"b\"")])
        .build();
    let runs = Runs::with(resource, true);
    runs.begin("a", |meter| {
        gauge(meter, "g", 1.0, &[KeyValue::new("otel.scope.name", "mine"), KeyValue::new("z", "1")]);
    });
    let sample =
        format!("g{{otel_scope_name=\"scope\",otel_scope_version=\"{}\",z=\"1\"}} 1\n", env!("CARGO_PKG_VERSION"));
    let info = "target_info{service_name=\"shop\",team=\"a \\\"b\\\"\"} 1\n";
    assert_eq!(
        runs.page(Prometheus),
        format!("# HELP target_info Target metadata\n# TYPE target_info gauge\n{info}# TYPE g gauge\n{sample}")
    );
    assert_eq!(
        runs.page(OpenMetrics),
        format!("# HELP target Target metadata\n# TYPE target info\n{info}# TYPE g gauge\n{sample}# EOF\n")
    );
}

/// Scenario: two runs with the same source, at once and one after the other. Guarantees: each keeps its counters, a gauge is
/// that of the newest run at work, and vanishes with it.
#[test]
fn runs_that_overlap() {
    let runs = Runs::new();
    let record = |run: &'static str, count: u64, users: f64| {
        move |meter: &Meter| {
            meter.u64_counter("n").build().add(count, &[KeyValue::new("run_id", run)]);
            gauge(meter, "users", users, &[KeyValue::new("source_id", "local")]);
        }
    };
    let (users, older, newer) = ("users{source_id=\"local\"}", "n_total{run_id=\"a\"} 3", "n_total{run_id=\"b\"} 4");
    let says = |lines: &[&str]| {
        let page = runs.page(Prometheus);
        let mut have: Vec<_> = page.lines().filter(|line| !line.starts_with('#')).collect();
        have.sort_unstable();
        assert_eq!(have, lines);
    };
    let first = runs.begin("a", record("a", 3, 10.0));
    says(&[older, &format!("{users} 10")]);
    let second = runs.begin("b", record("b", 4, 20.0));
    says(&[older, newer, &format!("{users} 20")]);
    runs.end(&second);
    says(&[older, newer, &format!("{users} 10")]);
    runs.end(&first);
    says(&[older, newer]);
}

/// Scenario: a run is over. Guarantees: its last figures are there until their time is over, and not any longer, scraped or
/// not; what nobody scraped is counted.
#[test]
fn last_figures_stay_for_a_while() {
    for scraped in [true, false] {
        let runs = Runs::new();
        let run = runs.begin("a", |meter| meter.u64_counter("n").build().add(1, &[]));
        // Seen before the end is not seen.
        runs.shelf.page(Prometheus, runs.now).receipt.arrived();
        assert!(runs.shelf.all_seen() && runs.shelf.next_end().is_none());
        runs.end(&run);
        assert!(!runs.shelf.all_seen());
        let end = runs.shelf.next_end().unwrap();
        assert_eq!(end, runs.now + KEEP);
        let just_before = end - Duration::from_nanos(1);
        assert_eq!(runs.shelf.take_away(Some(just_before)), Unseen::default());
        let page = runs.shelf.page(Prometheus, just_before);
        assert_eq!((page.text.as_str(), page.receipt.points), ("# TYPE n_total counter\nn_total 1\n", 1));
        if scraped {
            page.receipt.arrived();
        }
        assert_eq!(runs.shelf.all_seen(), scraped);
        assert_eq!(runs.shelf.page(Prometheus, end).text, "");
        let unseen = runs.shelf.take_away(Some(end));
        let expected = if scraped { Unseen::default() } else { Unseen { points: 1, runs: ["a".to_owned()].into() } };
        assert_eq!(unseen, expected);
        assert!(runs.shelf.next_end().is_none());
    }
}
