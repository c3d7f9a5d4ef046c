//! TLS between Locust and ltel: which clients are accepted, and the messages of those that are not.

use ltel_tests::{
    Authority, Exit, NEWEST_LOCUST, SLOW, SOON, Scene, Turn, check_account, config, free_port, locust_venv_of,
    plugin_path,
};
use rustix::process::Signal;

/// A Locust: its name, where it sends, its environment, and what it says.
type Case<'a> = (&'a str, String, &'a [(&'a str, &'a str)], &'a str);

/// `[listen]` with TLS, and with whatever more.
fn listening(scene: &Scene, port: u16, tls: &str) -> String {
    let listen = format!("[listen]\ntcp = \"127.0.0.1:{port}\"\ntls = {{ {tls} }}");
    config(scene, "", "").replace("[listen]", &listen)
}

/// Scenario: real Locusts, the newest and the oldest, send over TLS from a master and two workers; once each shows a
/// certificate of its own.
/// Guarantees: the figures are Locust's own; the token and the certificates are asked for.
#[apply(e2e)]
fn locust_over_tls() {
    let _turn = Turn::shared();
    let authority = Authority::new();
    for (run, version) in [("open", NEWEST_LOCUST), ("closed", "2.20.1")] {
        let scene = Scene::new();
        let ca = scene.write("ca.pem", &authority.pem());
        let server = authority.sign("localhost").write(&scene, "server");
        let client = authority.sign("a client").write(&scene, "client");
        let client_ca = if run == "closed" { format!(", client_ca_file = '{}'", ca.display()) } else { String::new() };
        let port = free_port();
        let tls =
            format!("cert_file = '{}', key_file = '{}'{client_ca}", server.certificate.display(), server.key.display());
        let config = listening(&scene, port, &tls).replace("[backends.file]", "token = \"let me in\"\n[backends.file]");
        let mut ltel = scene.serve(&config, &["--once"]);
        assert!(ltel.stderr().contains(&format!("listening on tls://127.0.0.1:{port}")), "{}", ltel.stderr());
        let workers = free_port();
        let mut locust = scene.program(&locust_venv_of(version).join("locust"));
        locust.args(["--headless", "-f", "counting.py", "-u4", "-r4", "-t3s", "--only-summary", "--processes=2"]);
        locust.args([format!("--master-bind-port={workers}"), format!("--master-port={workers}")]);
        locust.args(["--master-bind-host=127.0.0.1"]);
        let path = [plugin_path().join("ltel_locust/autoload"), plugin_path().to_owned()];
        locust.env("PYTHONPATH", std::env::join_paths(path).unwrap());
        locust.env("LTEL_ADDRESS", format!("tls://localhost:{port}"));
        locust.env("LTEL_CA_FILE", &ca).env("LTEL_TOKEN", "let me in").env("LTEL_RUN_ID", run);
        if !client_ca.is_empty() {
            locust.env("LTEL_CERT_FILE", &client.certificate).env("LTEL_KEY_FILE", &client.key);
        }
        let mut locust = scene.start("locust", locust);
        assert_eq!(locust.wait(SLOW), Exit::Code(0));
        assert_eq!(ltel.wait(SLOW), Exit::Code(0));
        let lines = scene.lines().of_run(run);
        lines.check_figures(&scene.witnessed());
        check_account(lines.report());
        assert_eq!(lines.report().telemetry["complete"], true, "{run}");
        assert!(locust.stderr().contains("sending telemetry to tls://localhost"), "{}", locust.stderr());
    }
}

/// Scenario: Locusts that do not know ltel's authority, that call it by another name, that have no certificate where one is
/// asked for or one of another authority, that meet an expired certificate, or whose files do not exist.
/// Guarantees: each logs in one line what is wrong and what to do, and its test is not disturbed.
#[apply(e2e)]
fn who_is_not_let_in_over_tls() {
    let _turn = Turn::shared();
    let (scene, authority, other) = (Scene::new(), Authority::new(), Authority::new());
    let ca = scene.write("ca.pem", &authority.pem()).display().to_string();
    let server = authority.sign("localhost").write(&scene, "server");
    let old = authority.sign_expired("localhost").write(&scene, "old");
    let stranger = other.sign("a stranger").write(&scene, "stranger");
    let (cert, key) = (stranger.certificate.display().to_string(), stranger.key.display().to_string());
    let (port, expired) = (free_port(), free_port());
    let files = |files: &ltel_tests::CertificateFiles| {
        format!("cert_file = '{}', key_file = '{}'", files.certificate.display(), files.key.display())
    };
    let mut ltel = scene.serve(&listening(&scene, port, &format!("{}, client_ca_file = '{ca}'", files(&server))), &[]);
    let out_of_date =
        listening(&scene, expired, &files(&old)).replace("ltel.sock", "old.sock").replace("telemetry.", "old.");
    let config = scene.write("old.toml", &out_of_date);
    let mut out_of_date = scene.start("old", scene.ltel(["--config".as_ref(), config.as_os_str()]));
    out_of_date.says("listening on", SOON);

    let address = format!("tls://localhost:{port}");
    let ca = ("LTEL_CA_FILE", ca.as_str());
    let cases: [Case<'_>; 7] = [
        ("ca", address.clone(), &[], "the receiver's certificate is not accepted"),
        ("name", format!("tls://127.0.0.1:{port}"), &[ca], "not valid for '127.0.0.1'"),
        ("certificate", address.clone(), &[ca], "the receiver does not accept the client's certificate"),
        (
            "stranger",
            address.clone(),
            &[ca, ("LTEL_CERT_FILE", &cert), ("LTEL_KEY_FILE", &key)],
            "the receiver does not accept the client's certificate",
        ),
        ("expired", format!("tls://localhost:{expired}"), &[ca], "certificate has expired"),
        ("file", address.clone(), &[("LTEL_CA_FILE", "/no/such/ca.pem")], "LTEL_CA_FILE: cannot read certificates"),
        ("plain", format!("tcp://localhost:{port}"), &[], "does not speak ltel's protocol"),
    ];
    let locusts: Vec<_> = cases
        .into_iter()
        .map(|(name, address, environment, says)| {
            let args = ["--headless", "-f", "counting.py", "-u1", "-t3s", "--only-summary"];
            let mut locust = scene.locust_to(&address, args);
            locust.envs(environment.iter().copied()).env("LTEL_DRAIN_TIMEOUT", "1");
            (scene.start(name, locust), says, name)
        })
        .collect();
    for (mut locust, says, name) in locusts {
        assert_eq!(locust.wait(SLOW), Exit::Code(0), "{name}");
        let log = locust.stderr();
        assert_eq!(log.matches(says).count(), 1, "{name}: {log}");
        assert!(log.lines().filter(|line| line.contains("ltel:")).count() <= 4, "{name}: {log}");
        assert!(!log.contains("Traceback"), "{name}: {log}");
    }
    let log = ltel.stderr();
    assert_eq!(log.matches("TLS handshake failed").count(), 1, "once per kind: {log}");
    for ltel in [&mut ltel, &mut out_of_date] {
        ltel.signal(Signal::TERM);
        assert_eq!(ltel.wait(SOON), Exit::Code(0));
    }
}
