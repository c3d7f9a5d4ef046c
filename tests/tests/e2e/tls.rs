//! OTLP over TLS.

use ltel_core::wire::Encoding;
use ltel_tests::{Client, Exit, SOON, Scene, TestAgent, TlsProxy, config, row};

/// One run of a few requests, to both kinds of backends, with these TLS settings. What ltel said.
fn run(agent: &TestAgent, timeout: &str, exit: u8, tls: impl Fn(&TlsProxy, &Scene) -> String) -> (Scene, String) {
    let scene = Scene::new();
    let (proxies, backends): (Vec<_>, Vec<_>) = [("grpc", agent.grpc, "h2"), ("http/protobuf", agent.http, "http/1.1")]
        .into_iter()
        .map(|(protocol, port, version)| {
            let proxy = TlsProxy::start(port, version);
            let name = &protocol[..4];
            let backend = format!(
                "[backends.{name}]\ntype = \"otlp\"\nprotocol = \"{protocol}\"\nendpoint = \"https://localhost:{}\"\n\
                 headers = {{ x-datadog-test-session-token = \"{name}\" }}\ncompression = \"gzip\"\ntimeout = \"{timeout}\"\n{}\n",
                proxy.port,
                tls(&proxy, &scene)
            );
            (proxy, backend)
        })
        .unzip();
    let mut ltel = scene.serve(&config(&scene, "", &backends.concat()), &["--once"]);
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, "client");
    client.start("run");
    client.requests(vec![row("some", 1.0, false); 10]);
    client.finish();
    assert_eq!(ltel.wait(SOON), Exit::Code(exit.into()));
    drop(proxies);
    (scene, ltel.stderr())
}

/// Scenario: a collector behind TLS, its certificate signed by an authority of its own; gzip. Guarantees: with that
/// authority's `ca_file`, metrics arrive over gRPC and over HTTP.
#[apply(e2e)]
fn an_authority_of_ones_own() {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let (_scene, said) = run(&agent, "20s", 0, |proxy, scene| {
        let file = scene.write(&format!("ca-{}.pem", proxy.port), &proxy.authority);
        format!("tls = {{ ca_file = '{}' }}", file.display())
    });
    for token in ["grpc", "http"] {
        assert_eq!(agent.histogram(token, "locust.tl.request.metric.success", false).count, 10, "{token}: {said}");
    }
}

/// Scenario: the same, without the authority. Guarantees: nothing is sent to a receiver that is not trusted, and ltel says
/// what was not delivered.
#[apply(e2e)]
fn a_stranger_is_not_trusted() {
    let scene = Scene::new();
    let agent = TestAgent::start(&scene);
    let (_scene, said) = run(&agent, "5s", 1, |_, _| String::new());
    for token in ["grpc", "http"] {
        assert!(agent.points(token).is_empty(), "{token}: {said}");
        assert!(said.contains("UnknownIssuer"), "{token}: why it is not trusted: {said}");
        assert!(said.contains(&format!("backend `{token}`: final figures NOT delivered")), "{token}: {said}");
    }
}
