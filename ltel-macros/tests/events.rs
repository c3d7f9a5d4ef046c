//! The macro knows the events by name. Here it is held against `ltel_core`: a field that one of them has and the other has
//! not does not compile.
#![allow(missing_docs, unused_variables)]

use ltel_core::event::{
    CpuWarning, Custom, Extra, Log, Measurement, MeasurementKind, ReportToMaster, ResetStats, SpawningComplete, Task,
    TestStart, TestStop, Usage, UserError, Users, Workers,
};
use ltel_core::prelude::*;
use ltel_core::replay::{
    Replay, cpu_warning, custom, log, measurement, report_to_master, request, reset_stats, spawning_complete, task,
    test_start, test_stop, usage, user_error, users, workers,
};

/// All fields of each.
#[derive(Recorder)]
struct Everything {
    /// `test_start`.
    #[record(on = TestStart, fields(at = time, run = run_id, plan = testplan, host, users, spawn_rate, run_time, user_classes, locustfile, locust_version))]
    test_start: Records,
    /// `test_stop`.
    #[record(on = TestStop, fields(at = time))]
    test_stop: Records,
    /// `spawning_complete`.
    #[record(on = SpawningComplete, fields(at = time, user_count))]
    spawning_complete: Records,
    /// `cpu_warning`.
    #[record(on = CpuWarning, fields(at = time, cpu_usage))]
    cpu_warning: Records,
    /// `usage`.
    #[record(on = Usage, fields(at = time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes))]
    usage: Records,
    /// `users`.
    #[record(on = Users, fields(at = time, counts, total))]
    users: Records,
    /// `request`.
    #[record(on = Request, fields(
        start_time, end_time, reported_at, method, name, response_time, response_length, status_code, error, url, user_class, context,
        request_length
    ))]
    request: Records,
    /// `task`.
    #[record(on = Task, fields(start_time, end_time, duration, user_class, name, error))]
    task: Records,
    /// `user_error`.
    #[record(on = UserError, fields(at = time, user, error, traceback))]
    user_error: Records,
    /// `reset_stats`.
    #[record(on = ResetStats, fields(at = time))]
    reset_stats: Records,
    /// `report_to_master`.
    #[record(on = ReportToMaster, fields(at = time, number))]
    report_to_master: Records,
    /// `custom`.
    #[record(on = Custom, fields(at = time, name, attributes, value))]
    custom: Records,
    /// `measurements`.
    #[record(on = Measurement, fields(at = time, name, unit, description, value))]
    measurement: Records,
    /// `workers`.
    #[record(on = Workers, fields(at = time, connected, missing, expected))]
    workers: Records,
    /// `log`.
    #[record(on = Log, fields(at = time, level, level_number, logger, message, traceback, file, line, function, user_class, dropped))]
    log: Records,
}

#[test]
fn every_field_of_every_event() {
    let out = Replay::of::<Everything>()
        .event(
            test_start()
                .host("http://shop")
                .users(5, 1.0)
                .run_time(60.0)
                .user_classes(&["A"])
                .locustfile("shop")
                .locust_version("2.47.0"),
        )
        .event(test_stop())
        .event(spawning_complete(5))
        .event(cpu_warning(91.0))
        .event(usage().cpu(1.0).memory(2).network(3, 4))
        .event(users(&[("A", 2), ("B", 3)]))
        .event(
            request("GET", "/")
                .took_ms(250.0)
                .status(404)
                .bytes(7)
                .failed("HTTPError", "404")
                .url("http://shop/")
                .user_class("A")
                .context("tenant", "x")
                .sent_bytes(9),
        )
        .event(task("A", "buy").took_ms(300.0).failed("ValueError", "no"))
        .event(user_error("A", "ValueError: x").traceback("..."))
        .event(reset_stats())
        .event(report_to_master(1))
        .event(custom("sold").value(1.5).attribute("article", "book"))
        .event(measurement(MeasurementKind::Counter, "cart.items", 3.0).unit("{item}"))
        .event(workers(2, 1).expected(3))
        .event(log("WARNING", "shop", "slow"))
        .finish();
    insta::assert_snapshot!(out);
}

/// Never called: a field that is new in an event is an error here, and then belongs into the table of the macro.
fn no_field_is_forgotten(event: Event<'_>) {
    match event {
        Event::TestStart(e) => {
            let TestStart {
                time,
                run_id,
                testplan,
                host,
                users,
                spawn_rate,
                run_time,
                user_classes,
                locustfile,
                locust_version,
                coordinator,
            } = e;
        }
        Event::TestStop(TestStop { time }) => {}
        // Of workers, for `stats`: no recorder tells of them.
        Event::ResetStats(ResetStats { time, reports }) => {}
        Event::ReportToMaster(ReportToMaster { time, number }) => {}
        Event::SpawningComplete(SpawningComplete { time, user_count }) => {}
        Event::CpuWarning(CpuWarning { time, cpu_usage }) => {}
        Event::Usage(Usage { time, cpu_percent, memory_bytes, net_sent_bytes, net_recv_bytes }) => {}
        Event::Users(Users { time, counts, sources }) => {}
        Event::Request(e) => {
            let Request {
                start_time,
                reported_at,
                method,
                name,
                response_time,
                response_length,
                status_code,
                error,
                extra,
            } = e;
            if let Some(extra) = extra {
                // Ids tell nothing apart: a record carries them by itself.
                let Extra { url, user_class, context, request_length, trace } = &**extra;
            }
        }
        Event::Task(Task { start_time, duration, user_class, name, trace, error }) => {}
        Event::UserError(UserError { time, user, error, traceback, trace_id, span_id, sampled }) => {}
        Event::Custom(Custom { time, name, attributes, value }) => {}
        Event::Measurement(Measurement { time, name, kind, unit, description, value, labels }) => {}
        Event::Workers(Workers { time, connected, missing, expected }) => {}
        Event::Log(Log {
            time,
            level,
            level_number,
            logger,
            message,
            traceback,
            file,
            line,
            function,
            user_class,
            trace_id,
            span_id,
            sampled,
            dropped,
        }) => {}
        _ => {}
    }
}

#[test]
fn the_table_of_events_is_whole() {
    let _: fn(Event<'_>) = no_field_is_forgotten;
}
