//! Receivers that are not running, or not yet.

use ltel_core::wire::Encoding;
use ltel_tests::{
    Client, Exit, FaultReceiver, SLOW, SOON, Scene, Target, TestAgent, Turn, config, free_port, otlp_backend, row,
    traced, until,
};
use rustix::process::Signal;

const LOCUST: [&str; 8] = ["--headless", "-f", "counting.py", "-u3", "-r3", "--only-summary", "--json-file", "figures"];

/// Scenario: the OTLP receiver is dead when the run begins and comes up in its middle, over gRPC and over HTTP.
/// Guarantees: what it has at the end is what Locust says.
#[apply(e2e)]
fn an_otlp_receiver_that_comes_up_in_mid_run() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let (grpc, http) = (free_port(), free_port());
    let backends = otlp_backend("grpc", "grpc", grpc) + &otlp_backend("http", "http/protobuf", http);
    let mut run = scene.start("run", scene.run(&config(&scene, "", &backends), LOCUST));
    until("two intervals without a receiver", SLOW, || {
        (scene.lines_so_far().stats("current").count() >= 2).then_some(())
    });
    let agent = TestAgent::start_at(&scene, grpc, http);
    until("exports over both", SLOW, || {
        ["grpc", "http"].iter().all(|token| !agent.points(token).is_empty()).then_some(())
    });
    run.signal(Signal::TERM);
    assert_eq!(run.wait(SLOW), Exit::Code(0));
    scene.lines().check_figures(&scene.figures());
    for token in ["grpc", "http"] {
        agent.check_figures(token, &scene.witnessed());
    }
}

/// Scenario: OpenTelemetry's variables name a host and a port alone, as for other programs; or turn signals off.
/// Guarantees: the receiver gets what they say, over gRPC without TLS; `check` and the start say what is off.
#[apply(e2e)]
fn an_endpoint_of_the_environment() {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let endpoint = format!("localhost:{}", agent.grpc);
    let off = "OTEL_SDK_DISABLED is `true`: backends of type `otlp` send nothing";
    for (session, more, sent) in [
        ("all", None, [true, true, true]),
        ("no-traces", Some(("OTEL_TRACES_EXPORTER", "none")), [true, false, true]),
        ("nothing", Some(("OTEL_SDK_DISABLED", "true")), [false; 3]),
    ] {
        let headers = format!("x-datadog-test-session-token={session}");
        let variables = [
            ("OTEL_EXPORTER_OTLP_ENDPOINT", endpoint.as_str()),
            ("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc"),
            ("OTEL_EXPORTER_OTLP_INSECURE", "true"),
            ("OTEL_EXPORTER_OTLP_HEADERS", &headers),
        ];
        let scene = Scene::new();
        let file = config(&scene, "", "[backends.otlp]\n[recorders.spans]\n");
        let mut server = scene.server(&file, &["--once"]);
        server.envs(variables).envs(more);
        let mut check = scene.ltel(["check", "--config", "telemetry.toml"]);
        let output = check.envs(variables).envs(more).output().unwrap();
        let (shown, said) = [output.stdout, output.stderr].map(|text| String::from_utf8(text).unwrap()).into();
        assert!(output.status.success(), "{said}");
        assert_eq!(shown.contains(&format!("http://{endpoint}/ (grpc)")), sent[0], "{shown}");
        assert_eq!(said.contains(&format!("warning: {off}\n")), session == "nothing", "{said}");
        let mut ltel = scene.start("ltel", server);
        ltel.says("listening on", SOON);
        let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
        client.start("run");
        client.requests((1..=10).map(|number| traced(number, "http://127.0.0.1/some")).collect());
        client.finish();
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
        let said = ltel.stderr();
        assert_eq!(said.contains(off), session == "nothing", "{said}");
        assert!(!said.contains("failed"), "{said}");
        let spans = agent.spans(session).len();
        assert_eq!(spans, if sent[1] { 10 } else { 0 }, "{session}");
        let arrived = [!agent.points(session).is_empty(), spans > 0, !agent.log_records(session).is_empty()];
        assert_eq!(arrived, sent, "{session}: {said}");
        assert_eq!(scene.lines().report().count("recorded"), 10, "the file goes on");
    }
}

/// Scenario: OpenTelemetry's variables name a host and a port of this machine alone, and do not say that it is insecure.
/// Guarantees: ltel uses TLS, as the specification demands; if that fails, it says how to turn TLS off.
#[apply(e2e)]
fn an_endpoint_of_the_environment_that_speaks_no_tls() {
    let scene = Scene::new();
    let receiver = FaultReceiver::start(&scene);
    let mut server = scene.server(&config(&scene, "", "[backends.otlp]\n"), &["--once"]);
    server.env("OTEL_EXPORTER_OTLP_PROTOCOL", "grpc");
    server.env("OTEL_EXPORTER_OTLP_ENDPOINT", format!("127.0.0.1:{}", receiver.port("grpc")));
    let mut ltel = scene.start("ltel", server);
    ltel.says("listening on", SOON);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "telemetry was lost");
    let said = ltel.stderr();
    assert!(
        said.contains("for a receiver without TLS write http://, or set `OTEL_EXPORTER_OTLP_INSECURE=true`"),
        "{said}"
    );
    assert!(receiver.requests().is_empty(), "nothing goes there unencrypted");
}

/// Scenario: an endpoint that redirects to another, as one does that wants people to log in.
/// Guarantees: neither the telemetry nor its headers go there; ltel says that nothing was delivered.
#[apply(e2e)]
fn a_redirect_is_not_followed() {
    let scene = Scene::new();
    let target = Target::start();
    let backend = format!(
        "[backends.moved]\ntype = \"otlp\"\nheaders = {{ api-key = \"secret\" }}\nsignals = [\"metrics\", \"logs\"]\n\
         metrics = {{ endpoint = \"{0}/traced/moved\" }}\nlogs = {{ endpoint = \"{0}/traced/moved\" }}\n",
        target.url()
    );
    let mut ltel = scene.serve(&config(&scene, "", &backend), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(1), "telemetry was lost");
    let paths: Vec<_> = target.hits().into_iter().map(|hit| hit.path).collect();
    assert!(!paths.is_empty() && paths.iter().all(|path| path == "/traced/moved"), "{paths:?}");
    let said = ltel.stderr();
    assert!(said.contains("backend `moved`: final figures NOT delivered") && said.contains("302"), "{said}");
}

/// Scenario: Locust starts while nothing listens at its telemetry address; ltel starts during the run.
/// Guarantees: what was reported before that is not lost; the figures are Locust's.
#[apply(e2e)]
fn an_ltel_that_comes_up_in_mid_run() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), LOCUST));
    locust.says("ltel: cannot send telemetry to", SLOW);
    locust.says("All users spawned", SLOW);
    let mut ltel = scene.serve(&config(&scene, "", ""), &["--once"]);
    until("requests", SLOW, || {
        scene.lines_so_far().stats("current").any(|l| l.count("num_requests") > 0).then_some(())
    });
    locust.signal(Signal::TERM);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    assert_eq!(ltel.wait(SLOW), Exit::Code(0));
    let (lines, figures) = (scene.lines(), scene.figures());
    lines.check_figures(&figures);
    let report = lines.report();
    assert_eq!((report.count("sent"), report.count("dropped")), (figures.total().requests, 0));
    assert_eq!(report.telemetry["complete"], true);
    assert_eq!(report.text("testplan"), "counting");
    assert!(!locust.stderr().contains("not delivered"));
}

/// Scenario: ltel is killed in mid-run, and another one takes its place.
/// Guarantees: the second counts what it did not get as dropped; sent is recorded and dropped, and is Locust's figure.
#[apply(e2e)]
fn an_ltel_that_is_replaced_in_mid_run() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut first = scene.serve(&config(&scene, "", ""), &[]);
    let mut locust = scene.start("locust", scene.locust_to(&scene.address(), LOCUST));
    until("requests", SLOW, || {
        scene.lines_so_far().stats("current").any(|l| l.count("num_requests") > 50).then_some(())
    });
    first.signal(Signal::KILL);
    assert_eq!(first.wait(SOON), Exit::Signal(9));
    let before = scene.lines_so_far().0.len();
    let mut second = scene.serve(&config(&scene, "", ""), &["--once"]);
    until("requests after that", SLOW, || (scene.lines_so_far().0.len() > before + 5).then_some(()));
    locust.signal(Signal::TERM);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    assert_eq!(second.wait(SLOW), Exit::Code(1), "telemetry was lost");
    let lines = scene.lines();
    let report = lines.report();
    assert_eq!(report.count("sent"), scene.figures().total().requests, "{report:?}");
    assert!(report.count("recorded") > 0 && report.count("dropped") > 0, "{report:?}");
    assert_eq!(lines.final_record().count("num_requests"), report.count("recorded"));
    assert_eq!(report.text("testplan"), "counting");
}

/// Scenario: nothing ever listens at the telemetry address.
/// Guarantees: Locust runs and ends as without the plugin; its log says once that telemetry cannot be sent, and at
/// the end how many requests were not delivered: all.
#[apply(e2e)]
fn no_ltel_at_all() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut command = scene.locust_to("tcp://127.0.0.1:1", LOCUST);
    command.arg("-t3s");
    let mut locust = scene.start("locust", command);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    let (log, all) = (locust.stderr(), scene.figures().total().requests);
    assert_eq!(log.matches("ltel: cannot send telemetry to tcp://127.0.0.1:1:").count(), 1, "{log}");
    assert!(log.contains(&format!("ltel_locust: ltel: not delivered: {all} of {all} requests")), "{log}");
    assert_eq!(log.matches("ltel_locust:").count(), 2, "{log}");
    assert!(!log.contains("Traceback"), "{log}");
}

/// Scenario: an invalid address.
/// Guarantees: Locust runs as without the plugin, and its log shows the form of an address.
#[apply(e2e)]
fn an_address_that_is_none() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    let mut command = scene.locust_to("localhost", LOCUST);
    command.arg("-t1s");
    let mut locust = scene.start("locust", command);
    assert_eq!(locust.wait(SLOW), Exit::Code(0));
    let log = locust.stderr();
    assert!(
        log.contains("ltel_locust: ltel: no telemetry: `localhost` is not a valid address: write unix:/path"),
        "{log}"
    );
}
