//! What the built-in recorders emit: names, units and labels are an interface that dashboards query, so they are pinned.

use ltel_core::event::{Measurement, MeasurementKind};
use ltel_core::recorder::Needs;
use ltel_core::recorder::Recorder;
use ltel_core::replay::{
    Replay, ReplayEvent, cpu_warning, custom, log, master, measurement, report_to_master, request, reset_stats,
    spawning_complete, spec, task, test_start, test_stop, usage, user_error, users, worker, workers,
};
use ltel_core::trace::TraceContext;
use ltel_core::wire::TraceFeatures;
use ltel_recorders::{
    Custom, Events, Failures, Http, Lifecycle, Logs, Requests, Spans, Stats, System, Tasks, UsersRecorder,
    WorkersRecorder, http,
};

#[test]
fn specs() {
    insta::assert_snapshot!("lifecycle_spec", spec::<Lifecycle>());
    insta::assert_snapshot!("stats_spec", spec::<Stats>());
    insta::assert_snapshot!("requests_spec", spec::<Requests>());
    insta::assert_snapshot!("users_spec", spec::<UsersRecorder>());
    insta::assert_snapshot!("system_spec", spec::<System>());
    insta::assert_snapshot!("http_spec", spec::<Http>());
    insta::assert_snapshot!("spans_spec", spec::<Spans>());
    insta::assert_snapshot!("failures_spec", spec::<Failures>());
    insta::assert_snapshot!("tasks_spec", spec::<Tasks>());
    insta::assert_snapshot!("workers_spec", spec::<WorkersRecorder>());
    insta::assert_snapshot!("custom_spec", spec::<Custom>());
    insta::assert_snapshot!("events_spec", spec::<Events>());
    insta::assert_snapshot!("logs_spec", spec::<Logs>());
    for scope in [
        Lifecycle::SPEC.scope,
        Requests::SPEC.scope,
        UsersRecorder::SPEC.scope,
        System::SPEC.scope,
        Http::SPEC.scope,
        Spans::SPEC.scope,
    ] {
        assert_eq!(scope, ltel_recorders::SCOPE, "the meter that dashboards know");
    }
}

#[test]
fn lifecycle() {
    let out = Replay::of::<Lifecycle>()
        .source(master())
        .event(
            test_start()
                .host("http://shop")
                .users(20, 2.5)
                .run_time(60.0)
                .user_classes(&["Buyer", "Visitor"])
                .locustfile("shop")
                .locust_version("2.47.0"),
        )
        .event(test_start().from(worker(0)))
        .advance("2s")
        .event(spawning_complete(20))
        .event(spawning_complete(20).from(worker(0)))
        .event(cpu_warning(97.5).from(worker(0)))
        .advance("1m")
        .event(test_stop())
        .event(test_stop().from(worker(0)))
        .finish();
    insta::assert_snapshot!(out);
}

#[test]
fn requests() {
    let out = Replay::of::<Requests>()
        .options("buckets = [10, 100]")
        .source(worker(0))
        .event(request("GET", "/").took_ms(5.0).status(200))
        .event(request("POST", "/").took_ms(50.0).status(200))
        .event(request("GET", "/").took_ms(500.0).status(404).failed("HTTPError", "404"))
        .event(request("GET", "/").took_ms(0.5).status(0).failed("ConnectionError", "refused"))
        .event(request("SQL", "select").took_ms(7.0))
        .event(request("GET", "/").took_ms(7.0).status(200))
        // No time: counted, and in no histogram.
        .event(request("MQTT", "publish"))
        .event(request("MQTT", "publish").failed("Timeout", "no answer"))
        .finish();
    insta::assert_snapshot!(out);
}

fn ids(trace: u128, span: u64, parent: Option<u64>, sampled: bool) -> TraceContext {
    TraceContext { trace_id: trace.into(), span_id: span.into(), parent_span_id: parent.map(Into::into), sampled }
}

#[test]
fn spans() {
    let out = Replay::of::<Spans>()
        .options("tasks = true")
        .source(worker(0))
        .event(
            request("GET", "/item/[id]")
                .took_ms(250.0)
                .status(200)
                .bytes(512)
                .url("http://me:secret@shop:8080/item/7?sig=abc")
                .user_class("Shopper")
                .trace(ids(0xabc, 1, Some(9), true)),
        )
        .event(
            request("PROPFIND", "/files")
                .took_ms(5.0)
                .status(503)
                .failed("HTTPError", "503 Service Unavailable")
                .url("https://shop/files")
                .trace(ids(0xdef, 2, None, true)),
        )
        .event(request("SQL", "select").failed("Timeout", "too late").trace(ids(0xfed, 3, None, true)))
        .event(task("Shopper", "browse").took_ms(300.0).trace(ids(0xabc, 9, None, true)))
        .event(task("Shopper", "pay").failed("KeyError", "'id'").trace(ids(0xabd, 10, None, true)))
        // Before Locust knew of traces.
        .event(request("GET", "/early").took_ms(1.0).status(200))
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: an unsampled trace has the spans that a rule keeps, and no others.
#[test]
fn spans_that_are_kept() {
    let out = Replay::of::<Spans>()
        .options("ratio = 0.1\nkeep = { slower_than = \"1s\" }")
        .event(request("GET", "/sampled").took_ms(5.0).trace(ids(1, 1, None, true)))
        .event(request("GET", "/passed").took_ms(1000.0).trace(ids(2, 2, None, false)))
        .event(request("GET", "/slow").took_ms(1000.1).trace(ids(3, 3, None, false)))
        .event(request("GET", "/failed").took_ms(5.0).raised("Timeout").trace(ids(4, 4, None, false)))
        .event(request("GET", "/without").took_ms(5.0))
        .event(request("GET", "/failed without").took_ms(5.0).raised("Timeout"))
        .finish();
    let kept: Vec<_> = out.spans.iter().map(|span| (span.name.as_str(), span.sampled)).collect();
    let expected =
        [("GET /sampled", true), ("GET /slow", false), ("GET /failed", false), ("GET /failed without", true)];
    assert_eq!(kept, expected);
    let none = Replay::of::<Spans>()
        .options("ratio = 0\nkeep = { failures = false }")
        .event(request("GET", "/failed").raised("Timeout").trace(ids(4, 4, None, false)))
        .finish();
    assert!(none.spans.is_empty(), "{none}");
}

#[test]
fn users_and_system() {
    let out = Replay::of::<UsersRecorder>()
        .event(users(&[("Buyer", 3), ("Browser", 40)]).from(master()))
        .event(users(&[("Buyer", 3)]).from(worker(0)))
        .finish();
    insta::assert_snapshot!("users", out);
    // The end of a test: counts of zero are a point, not the end of the series.
    let out = Replay::of::<UsersRecorder>()
        .event(users(&[("Buyer", 3), ("Browser", 40)]))
        .event(users(&[("Buyer", 0), ("Browser", 0)]))
        .finish();
    insta::assert_snapshot!("users_at_the_end", out);
    let out = Replay::of::<System>()
        .event(usage().cpu(12.5).memory(64 << 20).network(100, 200).from(worker(0)))
        .event(usage().cpu(50.0).memory(32 << 20).network(1, 2).from(worker(1)))
        .gone(worker(1))
        .finish();
    insta::assert_snapshot!("system", out);
}

#[test]
fn stats() {
    let out = Replay::of::<Stats>()
        .options("percentiles = [50, 99.9]\nerror_limit = 2")
        .interval("3s")
        .source(master())
        .event(test_start())
        .event(users(&[("Buyer", 7)]))
        .source(worker(0))
        .event(request("GET", "/").took_ms(10.0).status(200).bytes(100))
        .event(request("GET", "/").took_ms(30.0).status(200).bytes(300))
        .advance("4s")
        .event(request("MQTT", "publish").bytes(10))
        .event(request("POST", "/pay").took_ms(1_000.0).failed("Timeout", "after 1 s"))
        .event(request("POST", "/pay").took_ms(2_000.0).failed("Timeout", "after 2 s"))
        // More kinds of errors than the limit: counted as one.
        .event(request("POST", "/pay").took_ms(3_000.0).failed("Timeout", "after 3 s"))
        .event(users(&[]).from(master()))
        .finish();
    insta::assert_snapshot!(out);
}

/// Frames of different processes reach ltel in any order; what counts is the order within each.
#[test]
fn resets() {
    let of = |n: u32, name: &'static str| request("GET", name).took_ms(1.0).from(worker(n));
    let start =
        || Replay::of::<Stats>().event(test_start().from(master())).event(of(0, "before")).event(of(1, "before"));
    // The workers follow the master.
    let replay = start()
        .event(reset_stats().from(master()))
        .event(of(0, "not yet reset"))
        .event(reset_stats().from(worker(0)))
        .event(of(0, "after"))
        .event(reset_stats().from(worker(1)));
    assert_eq!(counted(replay), ["after"]);
    // A worker's frames are there before the master's.
    let replay = start()
        .event(reset_stats().from(worker(0)))
        .event(of(0, "after"))
        .event(reset_stats().from(master()))
        .event(reset_stats().from(worker(1)));
    assert_eq!(counted(replay), ["after"]);
    // A worker that was not told to reset counts from the master's reset on.
    let replay = start().event(reset_stats().from(master())).event(of(0, "after"));
    assert_eq!(counted(replay), ["after"]);
    // A process alone.
    let replay = Replay::of::<Stats>()
        .event(test_start())
        .event(request("GET", "before").took_ms(1.0))
        .event(reset_stats())
        .event(request("GET", "after").took_ms(1.0));
    assert_eq!(counted(replay), ["after"]);
}

/// What the final table counts, by name: `after` or `after 2`.
fn counted(replay: Replay) -> Vec<String> {
    let out = replay.finish();
    let endpoints = out.records("locust.tl.request.metric.stats").filter(|r| r.fields["stats_type"] == "endpoint");
    let count = |name: &str, n: u64| if n == 1 { name.to_owned() } else { format!("{name} {n}") };
    let success = endpoints.filter(|r| r.fields["status"] == "success");
    success
        .map(|r| count(r.fields["name"].as_str().unwrap_or(""), r.fields["num_requests"].as_u64().unwrap_or(0)))
        .collect()
}

/// Scenario: a master says which reports of its workers it had when its statistics were reset (the web UI's button, or
/// `--reset-stats`). Guarantees: what counts are the requests of later reports, whatever the order of frames of different
/// processes; and what the workers' own resets take away before it is reported does not count.
#[test]
fn resets_and_reports() {
    let of = |n: u32, name: &'static str| request("GET", name).took_ms(1.0).from(worker(n)).erased();
    let report = |n: u32, number| report_to_master(number).from(worker(n)).erased();
    // A reset of the master, who had these reports.
    let reset = |reports: &[(&str, u64)]| {
        let reset = reports.iter().fold(reset_stats(), |reset, (id, number)| reset.after_report(id, *number));
        // Without a report it says so, too.
        reset.after_report("another", 9).from(master()).erased()
    };
    let own = |n: u32| reset_stats().from(worker(n)).erased();
    let check = |what: &str, events: Vec<_>, expected: &[&str]| {
        let replay = Replay::of::<Stats>().event(test_start().from(master()));
        assert_eq!(counted(replay.events(events)), expected, "{what}");
    };
    let one = || ("host_0", 1);
    check(
        "before the first report",
        vec![of(0, "a"), reset(&[]), of(0, "b"), report(0, 1), of(0, "c")],
        &["a", "b", "c"],
    );
    check(
        "since the last report",
        vec![of(0, "a"), report(0, 1), of(0, "b"), reset(&[one()]), of(0, "c")],
        &["b", "c"],
    );
    check("a report on its way", vec![of(0, "a"), report(0, 1), of(0, "b"), reset(&[])], &["a", "b"]);
    check(
        "the master's frames are there first",
        vec![of(0, "a"), reset(&[one()]), of(0, "b"), report(0, 1), of(0, "c"), report(0, 2), of(0, "d")],
        &["c", "d"],
    );
    check("all of the worker's frames come later", vec![reset(&[one()]), of(0, "a"), report(0, 1), of(0, "b")], &["b"]);
    check(
        "twice",
        vec![of(0, "a"), report(0, 1), of(0, "b"), reset(&[one()]), reset(&[one()]), of(0, "c")],
        &["b", "c"],
    );
    check(
        "twice, with a report in between",
        vec![of(0, "a"), reset(&[]), of(0, "b"), report(0, 1), of(0, "c"), reset(&[one()]), of(0, "d")],
        &["c", "d"],
    );
    check(
        "each worker by itself",
        vec![of(0, "a"), of(1, "a"), report(0, 1), of(0, "b"), of(1, "b"), reset(&[one()]), of(0, "c"), of(1, "c")],
        &["a", "b 2", "c 2"],
    );
    // With `--reset-stats` each worker resets, then the master.
    check(
        "a report between both",
        vec![of(0, "a"), own(0), of(0, "b"), report(0, 1), of(0, "c"), reset(&[one()]), of(0, "d")],
        &["c", "d"],
    );
    check(
        "a report on its way when both reset",
        vec![of(0, "a"), report(0, 1), of(0, "b"), own(0), of(0, "c"), reset(&[]), of(0, "d")],
        &["a", "c", "d"],
    );
    check(
        "the master's frames are there before a worker's reset",
        vec![
            of(0, "a"),
            reset(&[one()]),
            of(0, "b"),
            report(0, 1),
            of(0, "c"),
            own(0),
            of(0, "d"),
            report(0, 2),
            of(0, "e"),
        ],
        &["d", "e"],
    );
    check(
        "again, when users are added",
        vec![own(0), reset(&[]), of(0, "a"), report(0, 1), of(0, "b"), reset(&[one()]), of(0, "c"), own(0), of(0, "d")],
        &["d"],
    );
    // Plugins that do not tell of reports.
    check(
        "an older master",
        vec![of(0, "a"), report(0, 1), of(0, "b"), reset_stats().from(master()).erased(), of(0, "c")],
        &["c"],
    );
}

/// Scenario: a worker whose plugin does not tell of its reports, or that makes more requests than are kept, and a reset.
/// Guarantees: none of those before the reset count; all after it do.
#[test]
fn resets_of_workers_that_keep_nothing() {
    let of = |name: &'static str| request("GET", name).took_ms(1.0).from(worker(0));
    let reset = || reset_stats().after_report("another", 1).from(master());
    let start = || Replay::of::<Stats>().event(test_start().from(master()));
    let silent = start().event(of("a")).advance("20s").events([of("a"), of("a")]).event(reset()).event(of("b"));
    assert_eq!(counted(silent), ["b"]);
    // An error's text takes room as well.
    let large = || of("a").failed("Error", "x".repeat(1 << 20));
    let busy = start().events((0..9).map(|_| large())).event(reset()).event(of("b"));
    assert_eq!(counted(busy), ["b"]);
    let told = start().events((0..9).map(|_| large())).event(report_to_master(1).from(worker(0)));
    assert_eq!(counted(told.event(of("b")).event(reset().after_report("host_0", 1)).event(of("c"))), ["b", "c"]);
}

/// Scenario: workers whose master runs without the plugin. Guarantees: what the master would tell once, they tell, each its
/// part; the table adds their users up.
#[test]
fn a_run_without_a_master() {
    fn run<R: Recorder>() -> String {
        Replay::of::<R>()
            .without_master()
            .event(test_start().from(worker(0)))
            .event(users(&[("Buyer", 3)]).from(worker(0)))
            .event(users(&[("Buyer", 2), ("Browser", 2)]).from(worker(1)))
            .event(request("GET", "before").took_ms(1.0).from(worker(0)))
            .event(request("GET", "before").took_ms(1.0).from(worker(1)))
            .event(reset_stats().from(worker(1)))
            .event(request("GET", "after").took_ms(1.0).from(worker(1)))
            .event(request("GET", "not yet reset").took_ms(1.0).from(worker(0)))
            .event(reset_stats().from(worker(0)))
            .event(request("GET", "after").took_ms(1.0).from(worker(0)))
            .event(users(&[("Buyer", 0)]).from(worker(0)))
            .finish()
            .to_string()
    }
    insta::assert_snapshot!("users_without_a_master", run::<UsersRecorder>());
    insta::assert_snapshot!("lifecycle_without_a_master", run::<Lifecycle>());
    insta::assert_snapshot!("stats_without_a_master", run::<Stats>());
    let http = run::<Http>();
    let users: Vec<_> = http.lines().filter(|line| line.contains("locust.user_class")).map(str::trim).collect();
    assert_eq!(
        users,
        [
            "locust.user_class=Browser source_id=worker-1  2",
            "locust.user_class=Buyer source_id=worker-0  0",
            "locust.user_class=Buyer source_id=worker-1  2",
        ]
    );
}

#[test]
fn http() {
    let out = Replay::of::<Http>()
        .options("buckets = [0.01, 0.1]\nsize_buckets = [1024]\nrequest_url = true\nrequest_body_size = true")
        .event(test_start().host("https://shop.example"))
        .event(request("GET", "/").took_ms(5.0).status(200).bytes(100))
        .event(request("GET", "/").took_ms(50.0).status(200).bytes(5_000))
        .event(request("GET", "/").took_ms(500.0).status(404).failed("HTTPError", "404"))
        // A 404 that the test accepts, and a 200 that it does not.
        .event(request("GET", "/gone").took_ms(5.0).status(404))
        .event(request("GET", "/").took_ms(5.0).status(200).failed("CatchResponseError", "no price"))
        // No response: no status and no size.
        .event(request("POST", "/pay").took_ms(5.0).status(0).failed("ConnectionError", "refused").sent_bytes(99))
        // Another server, told by the URL or by the name.
        .event(request("GET", "/logo").took_ms(5.0).status(200).url("http://[::1]:8080/logo?v=1"))
        .event(request("GET", "http://cdn.example/a.css").took_ms(5.0).status(200))
        .event(request("PROPFIND", "/dav").took_ms(5.0).status(207).url("https://shop.example/dav"))
        // No HTTP.
        .event(request("SQL", "select").took_ms(7.0))
        // No time.
        .event(request("GET", "/stream").status(200).bytes(7))
        .finish();
    insta::assert_snapshot!(out);
}

/// Scenario: only some requests carry a URL, for the sake of another recorder. Guarantees: they count as all others do.
#[test]
fn http_looks_at_urls_only_if_it_asked_for_them() {
    let out = Replay::of::<Http>()
        .event(test_start().host("http://shop.example"))
        .event(request("GET", "/").took_ms(5.0).status(200))
        .event(request("GET", "/").took_ms(5.0).status(200).url("http://cdn.example/"))
        .event(request("PROPFIND", "/").took_ms(5.0).status(200).url("http://shop.example/"))
        .finish();
    assert_eq!(out.count("http.client.request.duration", &[("server.address", "shop.example")]), 2);
}

#[test]
fn http_users_and_processes() {
    let out = Replay::of::<Http>()
        .event(users(&[("Buyer", 3), ("Browser", 40)]).from(master()))
        .event(users(&[("Buyer", 3)]).from(worker(0)))
        .event(users(&[("Browser", 40)]).from(worker(1)))
        .event(usage().cpu(12.5).memory(64 << 20).from(worker(0)))
        .event(usage().cpu(50.0).memory(32 << 20).from(worker(1)))
        // With its worker, a class is gone from the master's counts.
        .gone(worker(1))
        .event(users(&[("Buyer", 4)]).from(master()))
        .finish();
    insta::assert_snapshot!(out);
}

#[test]
fn http_asks_only_for_what_it_is_told_to() {
    let asked = |options: http::Options| {
        let needs = Http::needs(&options);
        (needs.url, needs.request_length)
    };
    let default = http::Options::default;
    assert_eq!(asked(default()), (false, false));
    assert_eq!(asked(http::Options { request_url: true, ..default() }), (true, false));
    assert_eq!(asked(http::Options { request_body_size: true, ..default() }), (false, true));
}

#[test]
fn http_options_are_checked() {
    for (options, expected) in [
        ("buckets = [1, 0.5]", "upper bounds in s"),
        ("size_buckets = [nan]", "upper bounds in bytes"),
        ("bucket = [1]", "unknown field"),
    ] {
        let error = Replay::of::<Http>().options(options).try_finish().unwrap_err().to_string();
        assert!(error.contains(expected), "{options}: {error}");
    }
}

#[test]
fn failures() {
    let trace = TraceContext::from_hex("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331", None, true).unwrap();
    let full = || request("POST", "/pay").took_ms(5.0).status(503).failed("HTTPError", "503 Server Error");
    let boom = || user_error("Buyer", "KeyError: 'price'").traceback("  File \"locustfile.py\", line 7, in buy\n");
    // Its records are in the trace of what they are about, where another recorder has traces.
    let traces = Needs { trace: Some(TraceFeatures { tasks: true, ..TraceFeatures::default() }), ..Needs::NONE };
    let out = Replay::of::<Failures>()
        .also_needed(traces)
        .interval("10s")
        .source(worker(0))
        .event(test_start().from(master()))
        .event(request("POST", "/pay").took_ms(5.0).status(200))
        .event(full().trace(trace))
        .event(full().from(worker(1)))
        .event(boom().trace(trace))
        .advance("4s")
        .event(request("GET", "/").took_ms(5.0).status(0).failed("ConnectionError", "refused"))
        .event(full())
        // After ten seconds, nothing new of what was seen once. After twenty, only what has occurred again.
        .advance("11s")
        .event(reset_stats())
        .event(boom().from(worker(1)))
        .advance("10s")
        .event(full())
        .finish();
    insta::assert_snapshot!(out);
}

/// Scenario: errors that are all distinct, more than the limit. Guarantees: those beyond it are one, and none is lost; nor
/// does a text that is too long tear a character.
#[test]
fn failures_beyond_the_limit_are_one() {
    let of = |text: String| request("GET", "/").failed("HTTPError", text);
    let out = Replay::of::<Failures>()
        .options("limit = 2")
        .interval("10s")
        .events((0..5).map(|n| of(format!("no item {n}"))))
        .event(of("no item 0".to_owned()))
        .event(of("\u{e9}".repeat(5_000)))
        .events((0..3).map(|n| user_error("Buyer", "KeyError").traceback(&format!("{n}{}", "\u{e9}".repeat(5_000)))))
        .advance("10s")
        .event(of("no item 7".to_owned()))
        .finish();
    let records: Vec<_> = out
        .records("locust.tl.event.failure")
        .map(|record| ["report", "error", "occurrences", "new"].map(|field| record.fields[field].to_string()).join(" "))
        .collect();
    insta::assert_snapshot!(records.join("\n"));
    // They differ in what is cut off.
    let lengths: Vec<_> = out
        .records("locust.tl.event.user.error")
        .map(|record| record.fields.get("traceback").map(|text| text.as_str().unwrap().len()))
        .collect();
    assert_eq!(lengths, [Some(8_192), None, Some(8_192)], "first, interval, final");
}

/// Scenario: many failures, of several processes, with ticks in between. Guarantees: both sums that the records allow are
/// the number of failures.
#[test]
fn failures_add_up() {
    let replay = (0..5_000_u32).fold(Replay::of::<Failures>().options("limit = 90").interval("1s"), |replay, n| {
        let request = request("GET", "/").took_ms(1.0).from(worker(n % 3));
        let request = if n % 5 == 0 { request } else { request.failed("HTTPError", format!("no item {}", n % 97)) };
        let replay = replay.event(request);
        if n % 100 == 0 { replay.advance("700ms") } else { replay }
    });
    let out = replay.finish();
    let sum = |field: &str, report: Option<&str>| {
        let records = out.records("locust.tl.event.failure");
        let records = records.filter(|record| report.is_none_or(|report| record.fields["report"] == report));
        records.map(|record| record.fields[field].as_u64().unwrap()).sum::<u64>()
    };
    assert_eq!((sum("occurrences", Some("final")), sum("new", None)), (4_000, 4_000));
    assert_eq!(sum("new", Some("first")), 91);
}

#[test]
fn tasks() {
    let out = Replay::of::<Tasks>()
        .options("buckets = [0.1, 1]")
        .source(worker(0))
        .event(task("Shopper", "browse").took_ms(80.0))
        .event(task("Shopper", "browse").took_ms(3000.0))
        .event(task("Shopper", "pay").took_ms(200.0).failed("KeyError", "'id'"))
        .event(task("Visitor", "browse").took_ms(10.0).from(worker(1)))
        .finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: a record per change and no more, a warning only where a worker goes missing; what a worker says does not count.
#[test]
fn workers_of_a_master() {
    let out = Replay::of::<WorkersRecorder>()
        .source(master())
        .event(workers(2, 0).expected(3))
        .advance("1s")
        .event(workers(3, 0).expected(3))
        .advance("1s")
        .event(workers(3, 0).expected(3))
        .event(workers(9, 9).from(worker(0)))
        .advance("1s")
        .event(workers(2, 1).expected(3))
        .advance("1s")
        .event(workers(3, 0).expected(3))
        .finish();
    insta::assert_snapshot!(out);
}

#[test]
fn events_of_the_locustfile() {
    let out = Replay::of::<Events>()
        .source(worker(1))
        .event(custom("sold").value(19.9).attribute("article", "book").attribute("tags", vec!["new", "red"]))
        .advance("1s")
        .event(custom("ltel.run.report"))
        .finish();
    insta::assert_snapshot!(out);
}

#[test]
fn logs() {
    let traceback =
        "Traceback (most recent call last):\n  File \"shop.py\", line 3, in pay\n    order['id']\nKeyError: 'id'";
    let out = Replay::of::<Logs>()
        .options("level = \"info\"")
        .source(worker(1))
        .event(log("INFO", "locust.runners", "Ramping to 10 users"))
        .event(log("DEBUG", "urllib3", "below the level"))
        .event(log("ERROR", "shop", "no order").traceback(traceback).trace(ids(0xabc, 9, None, true)))
        .event(log("CRITICAL", "shop", "it burns"))
        .finish();
    insta::assert_snapshot!(out);
    assert_eq!(Logs::needs(&ltel_recorders::logs::Options::default()).logs, Some(30));
}

fn value(kind: MeasurementKind, name: &'static str, value: f64) -> ReplayEvent<Measurement<'static>> {
    measurement(kind, name, value)
}

/// Guarantees: counters and histograms of all processes add up, a gauge is each process's own; labels in any order are one series.
#[test]
fn metrics_of_the_locustfile() {
    use MeasurementKind::{Counter, Gauge, Histogram, UpDownCounter};
    let out = Replay::of::<Custom>()
        .options("buckets = { \"cart.value\" = [10, 50] }")
        .event(
            value(Counter, "cart.items", 3.0).unit("{item}").label("tenant", "blue").label("page", 2).from(worker(0)),
        )
        .event(
            value(Counter, "cart.items", 4.0).unit("{item}").label("page", 2).label("tenant", "blue").from(worker(1)),
        )
        .event(value(Counter, "cart.items", 0.5).label("tenant", "red").label("vip", true).from(worker(1)))
        .event(value(Histogram, "cart.value", 42.5).unit("EUR").from(worker(0)))
        .event(value(Histogram, "cart.value", -1.0).unit("EUR").from(worker(1)))
        .event(value(Histogram, "think.time", 0.3).unit("s").from(worker(1)))
        .event(value(UpDownCounter, "sessions", 5.0).from(worker(0)))
        .event(value(UpDownCounter, "sessions", -2.0).from(worker(1)))
        .event(value(Gauge, "queue.depth", 7.0).label("shard", 0.5).from(worker(0)))
        .event(value(Gauge, "queue.depth", 6.0).label("shard", 0.5).from(worker(0)))
        .event(value(Gauge, "queue.depth", 9.0).label("shard", 0.5).from(worker(1)))
        .finish();
    insta::assert_snapshot!(out);
    let of = |labels: &[(&str, &str)]| out.value("cart.items", labels);
    assert!((of(&[("tenant", "blue"), ("page", "2")]) - 7.0).abs() < 1e-9);
}

#[test]
fn metrics_of_the_locustfile_by_process() {
    let counter = |count, from| value(MeasurementKind::Counter, "cart.items", count).from(worker(from));
    let out = Replay::of::<Custom>().options("per = \"source\"").event(counter(3.0, 0)).event(counter(4.0, 1)).finish();
    insta::assert_snapshot!(out);
}

/// Guarantees: what cannot be a metric is left out, counted and said once, whatever a client calls it; the others stay.
#[test]
fn what_cannot_be_a_metric_is_left_out() {
    use MeasurementKind::{Counter, Gauge, Histogram};
    let mut replay = Replay::of::<Custom>();
    for _ in 0..2 {
        replay = replay
            .event(value(Counter, "good", 1.0))
            .event(value(Gauge, "good", 7.0))
            .event(value(Histogram, "good", 7.0))
            .event(value(Counter, "good", -5.0))
            .event(value(Counter, "good", 7.0).unit("EUR"))
            .event(value(Gauge, "GOOD", 7.0))
            .event(value(Gauge, "cart items\u{1b}[2J", 7.0))
            .event(value(Gauge, "\u{e9}", 7.0))
            .event(value(Gauge, "locust.workers", 7.0))
            .event(value(Counter, "locust.tl.anything", 7.0))
            .event(value(Gauge, "ltel.clients", 7.0))
            .event(value(Gauge, "http/client.request_duration", 7.0))
            .event(value(Gauge, "units", 7.0).unit("\u{20ac}").label("source", "mine"))
            .event(
                value(Counter, "long", 7.0)
                    .unit("a unit that is much longer than any unit of UCUM that a person would use"),
            )
            .event(value(Counter, "long", 7.0).unit("s"))
            .event(value(Gauge, "nothing", f64::NAN));
    }
    insta::assert_snapshot!(replay.finish());
}

/// Guarantees: beyond the limit of series, the rest of each metric is one series; no number of names takes more memory than some
/// hundred.
#[test]
fn metrics_of_the_locustfile_are_bounded() {
    let mut replay = Replay::of::<Custom>().series_limit(3);
    for user in 0..10_i64 {
        replay = replay
            .event(value(MeasurementKind::Counter, "cart.items", 1.0).label("user", user))
            .event(value(MeasurementKind::Histogram, "cart.value", 1.0).label("user", user));
    }
    let out = replay.finish();
    insta::assert_snapshot!(out);
    let mut replay = Replay::of::<Custom>();
    for name in 0..3_000 {
        let name: &'static str = Box::leak(format!("metric.n{name}").into_boxed_str());
        replay = replay.event(value(MeasurementKind::Counter, name, 1.0));
    }
    let out = replay.finish().to_string();
    assert_eq!(out.matches("(counter").count(), 1_000);
    assert!(out.contains("there are too many metrics") && out.len() < 200_000, "{out}");
}
