//! The rules as data: what a recorder records, and what a scraper reads.

mod exemplars;

use std::sync::Arc;
use std::time::Duration;

use ltel_core::meter::{self, Meter, MeterSettings};
use ltel_core::runs::RunInfo;
use ltel_core::{Clock, Now, Timestamp};
use opentelemetry::{Array, KeyValue, StringValue, Value};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::metrics::Temporality;
use tokio::time::Instant;

use super::scraper::Scraper;
use super::shelf::{Page, Shelf, Unseen};
use super::text::Format::{self, OpenMetrics, Prometheus};

const KEEP: Duration = Duration::from_mins(1);

/// A shelf whose runs are driven by the test.
struct Runs {
    shelf: Shelf,
    now: Instant,
}

impl Runs {
    fn new() -> Self {
        Self::with(Resource::builder_empty().build(), false, false)
    }

    fn with(resource: Resource, scope_labels: bool, created: bool) -> Self {
        Self { shelf: Shelf::new(resource, scope_labels, created), now: Instant::now() }
    }

    fn begin(&self, run_id: &str, record: impl FnOnce(&Meter)) -> Arc<RunInfo> {
        let run = Arc::new(RunInfo {
            run_id: run_id.to_owned(),
            testplan: "plan".to_owned(),
            begun: Now { wall: Timestamp::from_secs(1_700_000_000.0), ..Now::default() },
            ..RunInfo::default()
        });
        let settings = MeterSettings::new(Resource::builder_empty().build(), Temporality::Cumulative);
        let (meter, collector) = meter::meter(&settings, "scope", 100);
        self.shelf.begin(Some(Arc::clone(&run)), collector, self.now);
        record(&meter);
        run
    }

    fn end(&self, run: &Arc<RunInfo>) {
        self.shelf.end(run, self.now + KEEP);
    }

    fn page(&self, format: Format) -> String {
        self.shelf.page(format, None, self.now).text
    }

    /// The samples that this scraper gets now.
    fn scrape(&self, scraper: Scraper) -> Vec<String> {
        let page = self.shelf.page(Prometheus, Some(scraper), self.now);
        self.shelf.arrived(&page.receipt, self.now);
        samples(&page)
    }
}

/// Sorted: the SDK guarantees no order of series.
fn samples(page: &Page) -> Vec<String> {
    let mut lines: Vec<_> = page.text.lines().filter(|line| !line.starts_with('#')).map(ToOwned::to_owned).collect();
    lines.sort();
    lines
}

/// One run in a format, one entry per line.
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
    // A metric without values is not on the page.
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

    // A sum that can decrease is left out; OpenMetrics then leaves out the count too.
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
    // OpenMetrics gives a counter the right to this name, and its reference parser refuses a page that has it twice.
    let created = |meter: &Meter| {
        meter.u64_counter("a").build().add(1, &[]);
        gauge(meter, "a.created", 2.0, &[]);
    };
    check(OpenMetrics, created, &["# TYPE a counter", "a_total 1"]);
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
    let runs = Runs::with(resource, true, false);
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

/// Scenario: two runs with the same source, in parallel and in sequence. Guarantees: each keeps its counters; a gauge is
/// that of the newest active run, and ends with it.
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

/// Scenario: a run is over. Guarantees: its last figures stay until they expire, scraped or not, and no longer; series that
/// were not scraped are counted.
#[test]
fn last_figures_stay_for_a_while() {
    for (scraped_before, scraped) in [(true, true), (true, false), (false, true), (false, false)] {
        let runs = Runs::new();
        let run = runs.begin("a", |meter| meter.u64_counter("n").build().add(1, &[]));
        // A scrape before the end does not count.
        if scraped_before {
            let page = runs.shelf.page(Prometheus, None, runs.now);
            runs.shelf.arrived(&page.receipt, runs.now);
        }
        assert!(runs.shelf.all_seen(runs.now));
        runs.end(&run);
        assert!(!runs.shelf.all_seen(runs.now));
        let end = runs.now + KEEP;
        let just_before = end - Duration::from_nanos(1);
        assert_eq!(runs.shelf.take_away(Some(just_before)), []);
        let page = runs.shelf.page(Prometheus, None, just_before);
        assert_eq!((page.text.as_str(), page.receipt.points), ("# TYPE n_total counter\nn_total 1\n", 1));
        if scraped {
            runs.shelf.arrived(&page.receipt, just_before);
        }
        assert_eq!(runs.shelf.all_seen(runs.now), scraped);
        assert_eq!(runs.shelf.page(Prometheus, None, end).text, "");
        let unseen = runs.shelf.take_away(Some(end));
        let lost = Unseen { run_id: "a".to_owned(), points: 1, never: !scraped_before };
        assert_eq!(unseen, if scraped { vec![] } else { vec![lost] });
        assert_eq!(runs.shelf.take_away(None), []);
    }
}

/// Scenario: more runs end than there is room for. Guarantees: the oldest leave the page and are reported; the newest
/// stays.
#[test]
fn last_figures_are_bounded() {
    let runs = Runs::new();
    for name in ["a", "b", "c"] {
        let run = runs.begin(name, |meter| meter.u64_counter(format!("n_{name}")).build().add(1, &[]));
        runs.end(&run);
    }
    let names = |runs: &Runs| {
        let text = runs.shelf.page(Prometheus, None, runs.now).text;
        ["a", "b", "c"].into_iter().filter(|name| text.contains(&format!("n_{name}_total"))).collect::<String>()
    };
    runs.shelf.make_room(usize::MAX, runs.now);
    assert_eq!(names(&runs), "abc");
    // Each of them takes more than half of that.
    runs.shelf.make_room(500, runs.now);
    assert_eq!(names(&runs), "c");
    let unseen = runs.shelf.take_away(Some(runs.now));
    assert_eq!(unseen.iter().map(|unseen| unseen.run_id.as_str()).collect::<Vec<_>>(), ["a", "b"]);
}

/// Scenario: scrapers that come at an interval, and a browser, while series begin. Guarantees: each scraper sees a counter and
/// a histogram at zero first, then as they are, never back at zero; gauges and the browser's page are as they are; what stands
/// at zero does not count as delivered; once the run is over, all see its figures at once.
#[test]
fn series_begin_at_zero() {
    let mut runs = Runs::new();
    let recorded = std::cell::OnceCell::new();
    let run = runs.begin("a", |meter| {
        let counter = meter.u64_counter("n").build();
        let histogram = meter.f64_histogram("t").with_boundaries(vec![1.0]).build();
        counter.add(20, &[KeyValue::new("x", "1")]);
        histogram.record(0.5, &[]);
        gauge(meter, "g", 7.0, &[]);
        assert!(recorded.set((counter, histogram)).is_ok());
    });
    let (counter, histogram) = recorded.get().unwrap();
    let page = |n: &[(u32, u64)], t: u64, sum: f64| {
        let mut lines: Vec<_> = n.iter().map(|(x, n)| format!("n_total{{x=\"{x}\"}} {n}")).collect();
        lines.extend(["1", "+Inf"].map(|le| format!("t_bucket{{le=\"{le}\"}} {t}")));
        lines.extend([format!("t_sum {sum}"), format!("t_count {t}"), "g 7".to_owned()]);
        lines.sort();
        lines
    };
    // A page that does not arrive does not count.
    let unread = runs.shelf.page(Prometheus, Some(1), runs.now);
    assert_eq!((samples(&unread), unread.receipt.points), (page(&[(1, 0)], 0, 0.0), 1));
    assert_eq!(runs.scrape(1), page(&[(1, 0)], 0, 0.0));
    assert_eq!(samples(&runs.shelf.page(Prometheus, None, runs.now)), page(&[(1, 20)], 1, 0.5));
    counter.add(5, &[KeyValue::new("x", "1")]);
    counter.add(4, &[KeyValue::new("x", "2")]);
    histogram.record(0.5, &[]);
    runs.now += Duration::from_secs(15);
    assert_eq!(runs.scrape(1), page(&[(1, 25), (2, 0)], 2, 1.0));
    assert_eq!(runs.scrape(2), page(&[(1, 0), (2, 0)], 0, 0.0));
    // Hours later: the same scraper, and a series of this moment.
    for _ in 0..100 {
        runs.now += Duration::from_mins(5);
        assert_eq!(runs.scrape(1), page(&[(1, 25), (2, 4)], 2, 1.0));
    }
    counter.add(1, &[KeyValue::new("x", "3")]);
    assert_eq!(runs.scrape(1), page(&[(1, 25), (2, 4), (3, 0)], 2, 1.0));
    runs.end(&run);
    let mut last = page(&[(1, 25), (2, 4), (3, 1)], 2, 1.0);
    last.retain(|line| line != "g 7");
    assert_eq!(runs.scrape(3), last);
    assert!(!runs.shelf.all_seen(runs.now), "scraper 1 has seen the newest series at zero only");
    assert_eq!(runs.scrape(1), last);
    assert!(runs.shelf.all_seen(runs.now), "scraper 2 is not waited for: it has been away for hours");
}

/// Scenario: scrapers that are new to a run. Guarantees: its beginning is shown at zero while it is young; later its sum, which
/// would look as if it had been counted at once; so it is for scrapers beyond the limit, before and after they find room.
#[test]
fn newcomers() {
    let mut runs = Runs::new();
    let one = |meter: &Meter| meter.u64_counter("n").build().add(20, &[]);
    runs.begin("a", one);
    runs.now += Duration::from_mins(5);
    for scraper in 0..8 {
        assert_eq!(runs.scrape(scraper), ["n_total 0"]);
    }
    for _ in 0..2 {
        assert_eq!(runs.scrape(8), ["n_total 20"]);
        assert_eq!(runs.scrape(7), ["n_total 20"]);
    }
    runs.now += Duration::from_secs(1);
    assert_eq!(runs.scrape(9), ["n_total 20"]);
    // All but one are gone, and a run begins.
    let mut runs = Runs::new();
    for scraper in 0..8 {
        runs.scrape(scraper);
    }
    runs.now += Duration::from_mins(4);
    runs.scrape(0);
    runs.begin("a", one);
    runs.now += Duration::from_secs(1);
    assert_eq!(runs.scrape(8), ["n_total 20"]);
    runs.now += Duration::from_mins(1);
    assert_eq!(runs.scrape(8), ["n_total 20"], "room, and no way back to zero");
    assert_eq!(runs.scrape(0), ["n_total 0"]);
}

/// Guarantees: `_created` stands in OpenMetrics alone, after each counter and histogram, with the time when the run began.
#[test]
fn created() {
    let record = |meter: &Meter| {
        meter.u64_counter("n").build().add(1, &[KeyValue::new("x", "1")]);
        meter.f64_histogram("t").with_boundaries(vec![]).build().record(0.5, &[]);
        meter.i64_up_down_counter("open").build().add(1, &[]);
        gauge(meter, "g", 7.0, &[]);
    };
    for created in [true, false] {
        let runs = Runs::with(Resource::builder_empty().build(), false, created);
        let before = Clock::System.now().as_secs();
        runs.begin("a", record);
        let after = Clock::System.now().as_secs();
        let (own, open) = (runs.page(Prometheus), runs.page(OpenMetrics));
        assert!(!own.contains("_created"), "{own}");
        let lines: Vec<_> = open.lines().filter(|line| !line.starts_with('#')).collect();
        let stated: Vec<_> = lines.iter().filter_map(|line| line.split_once(' ')).collect();
        let names: Vec<_> = stated.iter().map(|(name, _)| *name).collect();
        let mut expected = vec!["n_total{x=\"1\"}", "n_created{x=\"1\"}", "t_bucket{le=\"+Inf\"}", "t_sum", "t_count"];
        expected.extend(["t_created", "open", "g"]);
        expected.retain(|name| created || !name.contains("_created"));
        assert_eq!(names, expected);
        for (name, value) in stated.iter().filter(|(name, _)| name.contains("_created")) {
            let value: f64 = value.parse().unwrap();
            assert!(before <= value && value <= after, "{name}: {before} {value} {after}");
        }
    }
}
