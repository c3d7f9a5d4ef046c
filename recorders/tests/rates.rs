//! Rates are computed from when Locust reported a request, whatever its event says of its start.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::sync::Arc;
use std::time::Duration;

use ltel_core::event::{Event, Request, TestStart};
use ltel_core::figures::Stage;
use ltel_core::record::Record;
use ltel_core::recorder::{AnyRecorder, Emitted, Factory, Origin, RecorderFactory, SeriesLimits};
use ltel_core::runs::{RunInfo, SourceInfo};
use ltel_core::source::Source;
use ltel_core::wire::{Encoding, Message};
use ltel_core::{Now, Timestamp};
use ltel_recorders::{Failures, Stats, failures, stats};
use serde_json::Value;

const BEGUN: f64 = 1_700_000_000.0;

/// The records of a test of 20 seconds, in which a failed request of 500 ms is reported each 100 ms, and packed each second.
/// Its start is what `start` makes of the right one.
fn records(mut recorder: Box<dyn AnyRecorder>, start: impl Fn(f64) -> String, packed: bool) -> Vec<Value> {
    let source = Arc::new(SourceInfo::new(0, Source::default()));
    let mut out = Emitted::default();
    let at = |time| {
        let now = Now { wall: Timestamp::from_secs(time), steady: Duration::from_secs_f64(time - BEGUN) };
        Origin { source: Some(&source), now }
    };
    recorder.record(&Event::TestStart(&TestStart { time: BEGUN, ..TestStart::default() }), at(BEGUN), &mut out);
    for second in 0..20 {
        let since = BEGUN + f64::from(second);
        let row = |n| {
            let start = start(since + f64::from(n) / 10.0 - 0.5);
            format!(r#"[{start},"GET","/",500,10,500,["E","no"]]"#)
        };
        let rows: Vec<_> = (0..10).map(row).collect();
        let times = if packed { format!(r#""time":{},"since":{since},"#, since + 1.0) } else { String::new() };
        let line = format!(r#"{{"type":"requests",{times}"rows":[{}]}}"#, rows.join(","));
        let now = at(since + 1.0);
        let Message::Requests(batch) = Encoding::JsonLines.decode(line.as_bytes(), now.now.wall).unwrap().frame.message
        else {
            panic!("requests")
        };
        recorder.record_requests(&batch.rows, now, &mut out);
    }
    recorder.finish(true, at(BEGUN + 20.0), &mut out);
    let fields = |record: Record| record.fields.into_iter().map(|(name, value)| (name.into_owned(), value)).collect();
    out.records.into_iter().map(fields).collect()
}

fn recorder<F: RecorderFactory>(factory: &F) -> Box<dyn AnyRecorder> {
    factory.build("test", Arc::new(RunInfo::default()), &[], SeriesLimits::of_count(100))
}

type Start = fn(f64) -> String;

const STARTS: [(&str, Start); 7] = [
    ("seconds", |start| start.to_string()),
    ("milliseconds", |start| (start * 1e3).to_string()),
    ("nanoseconds", |start| format!("{:.0}", start * 1e9)),
    ("a monotonic clock", |start| (start - BEGUN + 77.0).to_string()),
    ("another time zone", |start| (start + 3_600.0).to_string()),
    ("nothing", |_| "null".to_owned()),
    ("text", |_| "\"now\"".to_owned()),
];

#[test]
fn odd_start_times_change_no_rate() {
    for (name, start) in STARTS {
        for packed in [true, false] {
            let records = records(recorder(&Factory::<Stats>::new(stats::Options::default())), start, packed);
            let total = records.iter().find(|record| record["stats_type"] == "final").unwrap();
            assert_eq!((&total["num_requests"], &total["num_failures"]), (&200.into(), &200.into()), "{name}");
            for rate in ["current_rps", "total_rps", "total_fail_per_sec"] {
                let got = total[rate].as_f64().unwrap();
                assert!((got - 10.0).abs() <= 0.5, "{rate} with {name}: {got}");
            }
        }
    }
}

#[test]
fn failures_are_seen_when_they_are_reported() {
    for (name, start) in STARTS {
        let records = records(recorder(&Factory::<Failures>::new(failures::Options::default())), start, true);
        let last = records.iter().find(|record| record["report"] == "final").unwrap();
        let seen = |field: &str| {
            let time = last[field].as_str().unwrap();
            time.strip_prefix("2023-11-14T22:13:")
                .and_then(|time| time.trim_end_matches('Z').parse::<f64>().ok())
                .unwrap()
        };
        // 22:13:20 and twenty seconds later.
        let (first, last) = (seen("first_seen"), seen("last_seen"));
        assert!((20.0..=21.0).contains(&first) && (39.5..=40.0).contains(&last), "{name}: {first}, {last}");
    }
}

/// Scenario: ten requests a second for twenty seconds; in the middle of them the wall clock of the source, of ltel or of both jumps
/// by an hour, or those of the first quarter of a minute come all at once,
/// because ltel was away.
/// Guarantees: rates are those of the test, by the time that really passed.
#[test]
fn a_clock_that_jumps_changes_no_rate() {
    for (source_jump, ltel_jump, late) in [
        (3_600.0, 0.0, 0.0),
        (-3_600.0, 0.0, 0.0),
        (3_600.0, 3_600.0, 0.0),
        (-3_600.0, -3_600.0, 0.0),
        (0.0, 3_600.0, 0.0),
        (0.0, -3_600.0, 0.0),
        (0.0, 0.0, 15.0),
    ] {
        let mut recorder = recorder(&Factory::<Stats>::new(stats::Options::default()));
        let source = Arc::new(SourceInfo::new(0, Source::default()));
        let mut out = Emitted::default();
        let at = |second: f64| {
            let jump = if second > 10.0 { ltel_jump } else { 0.0 };
            let now = Now { wall: Timestamp::from_secs(second + jump), steady: Duration::from_secs_f64(second) };
            Origin { source: Some(&source), now }
        };
        recorder.record(&Event::TestStart(&TestStart::default()), at(0.0), &mut out);
        for second in 0..20 {
            let second = f64::from(second);
            let jump = if second > 10.0 { source_jump } else { 0.0 };
            let reported = |n: u32| second + f64::from(n) / 10.0;
            let rows: Vec<_> =
                (0..10).map(|n| Request { reported_at: reported(n) + jump, ..Request::default() }).collect();
            recorder.record_requests(&rows, at((second + 1.0).max(late)), &mut out);
        }
        recorder.finish(true, at(60.0), &mut out);
        let figures = recorder.figures(Stage::Final { complete: true }, at(60.0)).unwrap();
        let (rate, current) = (figures.total.rate, figures.total.current_rate);
        let case = format!("the source by {source_jump}, ltel by {ltel_jump}, {late} s late");
        assert!((rate - 10.0).abs() < 0.6 && (current - 10.0).abs() < 1.0, "{case}: {rate}, {current}");
    }
}
