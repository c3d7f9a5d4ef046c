//! Every Locust that is supported: figures and traces are the same with each.

use std::collections::BTreeSet;

use ltel_tests::{
    Exit, NEWEST_LOCUST, SLOW, Scene, Span, Target, Turn, check_account, config, free_port, ids, locust_venv_of,
};

const TRACES: &str = "[recorders.spans]\ntasks = true\n[recorders.http]\n";

/// Scenario: real Locusts of one version, local and with two processes, both HTTP clients, tasks traced.
/// Guarantees: figures are what the processes counted; each request has one span below one of a task, and the target has seen
/// the traces; Locust's exit code and log are its own.
fn check(version: &str) {
    let _turn = Turn::shared();
    for processes in [false, true] {
        let (scene, target) = (Scene::new(), Target::start());
        let port = free_port();
        let program = locust_venv_of(version).join("locust").display().to_string();
        let mut command = vec![program, "--headless".to_owned(), "--only-summary".to_owned()];
        command.extend(["-f", "both_clients.py", "-H", &target.url(), "-u4", "-r4", "-t3s"].map(str::to_owned));
        if processes {
            command.extend(["--processes=2".to_owned(), format!("--master-bind-port={port}")]);
            command.extend(["--master-bind-host=127.0.0.1".to_owned(), format!("--master-port={port}")]);
        }
        let config = config(&scene, "", TRACES).replace("type = \"json\"", "type = \"json\"\nspans = true");
        let mut run = scene.start("run", scene.run_program(&config, command));
        assert_eq!(run.wait(SLOW), Exit::Code(1), "a test with failures");
        let log = run.stderr();
        assert!(!log.contains("Traceback") && !log.contains("ltel: this Locust has no"), "{log}");

        let (lines, witness) = (scene.lines(), scene.witnessed());
        assert!(witness.total().requests > 50, "{version}: a run worth comparing: {witness:?}");
        lines.check_figures(&witness);
        let report = lines.report();
        check_account(report);
        assert_eq!(report.telemetry["complete"], true, "{version}: {report:?}");
        assert_eq!(report.count("recorded"), witness.total().requests);

        let (requests, tasks): (Vec<_>, Vec<_>) =
            Span::of_lines(&lines).into_iter().partition(|span| span.name != "visit");
        assert_eq!(requests.len() as u64, witness.total().requests, "{version}: a span for each request");
        assert_eq!(ids(&requests).len(), requests.len(), "{version}: each span once");
        let tasks: BTreeSet<_> = tasks.iter().map(|task| (&task.trace_id, &task.span_id)).collect();
        for span in &requests {
            let parent = span.parent_span_id.as_ref().map(|parent| (&span.trace_id, parent));
            assert!(parent.is_some_and(|parent| tasks.contains(&parent)), "{version}: {span:?} is below no task");
        }
        // More than that where the end of the test met a request on its way.
        let sent: BTreeSet<_> = target.hits().into_iter().flat_map(|hit| hit.traceparents).collect();
        let told = |span: &Span| format!("00-{}-{}-01", span.trace_id, span.span_id);
        assert!(requests.iter().all(|span| sent.contains(&told(span))), "{version}: what the target saw");
    }
}

macro_rules! versions {
    ($($name:ident: $version:expr;)*) => {$(
        #[apply(e2e)]
        fn $name() {
            check($version);
        }
    )*};
}

versions! {
    locust_2_20_1: "2.20.1";
    locust_2_32_10: "2.32.10";
    locust_2_37_14: "2.37.14";
    locust_2_40_5: "2.40.5";
    locust_2_43_3: "2.43.3";
    newest: NEWEST_LOCUST;
}
