//! The live page, as programs and browsers ask for it.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;

use ltel_core::wire::Encoding;
use ltel_tests::{
    Authority, Client, Events, Exit, PageEvent, Process, Response, SLOW, SOON, Scene, Target, Turn, config, free_port,
    get, locust_venv, request, row, until,
};
use rustix::process::Signal;

fn page(port: u16, options: &str) -> String {
    format!("[backends.page]\nlisten = \"127.0.0.1:{port}\"\n{options}\n")
}

/// Scenario: a real Locust sends requests under names of every kind. Two browsers follow it; one that never reads, and one that
/// vanishes again and again, are there too.
/// Guarantees: the two see figures that grow, then the final ones, which are Locust's own, name by name, and that ltel ends; the
/// others cost nobody anything: the run is whole, and ltel ends in time.
#[apply(e2e)]
fn browsers_follow_a_test() {
    let _turn = Turn::shared();
    let (scene, target, port) = (Scene::new(), Target::start(), free_port());
    let url = target.url();
    let locust = [
        "--headless",
        "-f",
        "everything.py",
        "-H",
        &url,
        "-u5",
        "-r10",
        "-t8s",
        "--only-summary",
        "--json-file",
        "figures",
    ];
    let mut command = scene.run(&config(&scene, "", &page(port, "")), locust);
    command.env("REFUSING", "http://127.0.0.1:1").env("LONE_SURROGATES", "1");
    let mut ltel = scene.start("ltel", command);
    let first = until("the page", SLOW, || Events::of(port, "", "").ok());
    let browsers = [first, Events::of(port, "", "").unwrap()];
    let browsers = browsers.map(|events| thread::spawn(move || events.collect::<Vec<_>>()));
    let mut never_reads = TcpStream::connect(("127.0.0.1", port)).unwrap();
    write!(never_reads, "GET /events HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    let exit = until("the end of the test", SLOW, || {
        if let Ok(mut vanishes) = Events::of(port, "", "") {
            vanishes.next();
        }
        ltel.exit()
    });
    assert_eq!(exit, Exit::Code(1), "Locust's own");
    let witness = scene.witnessed();
    assert!(witness.0.len() > 25 && witness.total().requests > 300, "a run worth comparing: {witness:?}");
    for browser in browsers {
        let events = browser.join().expect("a browser");
        let documents: Vec<_> = events.iter().filter(|event| event.name == "document").collect();
        let requests: Vec<_> =
            documents.iter().map(|event| event.data["total"]["requests"].as_u64().unwrap()).collect();
        assert!(requests.len() > 3 && requests.is_sorted() && requests[0] < requests[2], "{requests:?}");
        let last = documents.last().unwrap();
        assert_eq!((&last.data["final"], &last.data["complete"]), (&true.into(), &true.into()));
        assert_eq!(Events::figures(last).counts(), witness.counts());
        assert_eq!(documents[0].data["final"], false);
        assert_eq!(events[0].name, "runs");
        assert_eq!(events.last().unwrap().name, "end");
    }
    scene.lines().check_figures(&witness);
    let log = ltel.stderr();
    assert!(log.contains(&format!("backend `page`: page at http://127.0.0.1:{port}/")), "{log}");
    assert!(!log.contains("panicked"), "{log}");
    drop(never_reads);
}

/// Scenario: a serving ltel has run after run, two of them at a time; then it is told to end.
/// Guarantees: a browser that chose a run gets that one; one that did not follows the newest; runs that are over are still there,
/// with their histograms for download; the end is told.
#[apply(e2e)]
fn all_runs_are_there() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &page(port, "")), &[]);
    let mut follower = Events::of(port, "", "").unwrap();
    assert_eq!(follower.next_of("runs").data, serde_json::json!([]));
    let run_id = "a&b=<c> \"d\"";
    let mut first = run(&scene, run_id, 3);
    let document = follower.next_of("document").data;
    assert_eq!((&document["run"]["run_id"], &document["total"]["requests"]), (&run_id.into(), &3.into()));
    let second = run(&scene, "second", 5);
    let is_second = |event: &PageEvent| event.data["run"]["run_id"] == "second";
    let document = follower.find(is_second).expect("the newest run").data;
    assert_eq!(document["total"]["requests"], 5);
    first.requests(vec![row("/more", 10.0, true)]);
    let query = "?run=a%26b%3D%3Cc%3E%20%22d%22";
    let mut chosen = Events::of(port, query, "").unwrap();
    assert_eq!(chosen.next_of("runs").data.as_array().unwrap().len(), 2);
    chosen.find(|event| event.data["total"]["failures"] == 1).expect("the first run's figures");
    first.finish();
    let last = chosen.find(|event| event.data["final"] == true).expect("final figures").data;
    assert_eq!((&last["run"]["run_id"], &last["total"]["requests"]), (&run_id.into(), &4.into()));
    second.finish();

    let runs = follower.find(|event| event.name == "runs" && event.data[1]["final"] == true).unwrap().data;
    assert_eq!(
        (&runs[0]["run_id"], &runs[0]["final"], &runs[1]["complete"]),
        (&run_id.into(), &true.into(), &true.into())
    );
    let again = Events::of(port, query, "").unwrap().next_of("document").data;
    assert_eq!(again, last, "a run that is over stays");
    let download = get(port, &format!("/document.json{query}")).unwrap();
    assert!(
        download.head.contains("content-disposition: attachment; filename=\"ltel-abcd.json\""),
        "{}",
        download.head
    );
    let whole: serde_json::Value = serde_json::from_str(&download.body).unwrap();
    assert_eq!(whole["total"]["requests"], 4);
    assert!(whole["endpoints"][0]["histogram"].is_string(), "{whole}");
    assert_eq!(get(port, "/document.json?run=other").unwrap().status, 404);

    ltel.signal(Signal::TERM);
    chosen.next_of("end");
    follower.next_of("end");
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
}

/// Scenario: a page with a token, reached as by other machines; and the same page over TLS.
/// Guarantees: nothing is shown without the token, in a header, or once in the URL and then in a cookie; ltel never prints it.
#[apply(e2e)]
fn a_token_is_asked_for() {
    const TOKEN: &str = "let me + in";
    let (scene, port, tls_port) = (Scene::new(), free_port(), free_port());
    let authority = Authority::new();
    let ca = scene.write("ca.pem", &authority.pem());
    let server = authority.sign("localhost").write(&scene, "server");
    let tls = format!(
        "[backends.closed]\ntype = \"page\"\nlisten = \"0.0.0.0:{tls_port}\"\ntoken = {{ env = \"PAGE_TOKEN\" }}\n\
         tls = {{ cert_file = '{}', key_file = '{}' }}\n",
        server.certificate.display(),
        server.key.display()
    );
    let open = page(port, "token = { env = \"PAGE_TOKEN\" }\nopen = true").replace("127.0.0.1", "0.0.0.0");
    let mut command = scene.server(&config(&scene, "", &(open + &tls)), &[]);
    command.env("PAGE_TOKEN", TOKEN);
    let mut ltel = scene.start("ltel", command);
    ltel.says("listening on", SOON);
    let ask = |path: &str, headers: &str| request(port, "GET", path, headers).unwrap();
    for path in ["/", "/events", "/page.js", "/document.json", "/unknown"] {
        assert_eq!(ask(path, "").status, 401, "{path}");
        assert_eq!(ask(path, "Authorization: Bearer let me\r\n").status, 401, "{path}");
        assert_eq!(ask(path, "Cookie: ltel_page=let me + in\r\n").status, 401, "{path}");
    }
    assert_eq!(ask("/?token=let%20me%20in", "").status, 401);
    let bearer = format!("Authorization: Bearer {TOKEN}\r\n");
    assert_eq!(ask("/page.js", &bearer).status, 200);
    let kept = ask("/?token=let%20me%20%2B%20in", "");
    let cookie = header(&kept, "set-cookie").expect("a cookie");
    assert!(cookie.ends_with("; Path=/; HttpOnly; SameSite=Strict"), "{cookie}");
    assert!(kept.body.contains("url=./") && !kept.body.contains("let"), "{}", kept.body);
    let cookie = format!("Cookie: {}\r\n", cookie.split(';').next().unwrap());
    assert_eq!(ask("/", &cookie).status, 200);
    assert_eq!(Events::of(port, "", &cookie).unwrap().next().unwrap().name, "runs");

    let mut python = scene.program(&locust_venv().join("python"));
    python.args(["-c", PYTHON_OVER_TLS]).arg(format!("https://localhost:{tls_port}/")).arg(&ca).env("TOKEN", TOKEN);
    let mut python = scene.start("python", python);
    assert_eq!(python.wait(SLOW), Exit::Code(0), "{}", python.stderr());
    assert_eq!(python.stdout().trim(), "401 200");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    let log = ltel.stderr();
    assert!(log.contains(&format!(":{tls_port}/")) && log.contains("page at https://"), "{log}");
    assert!(!log.contains("let me"), "{log}");
}

const PYTHON_OVER_TLS: &str = "\
import os, ssl, sys, urllib.error, urllib.request
context = ssl.create_default_context(cafile=sys.argv[2])
def status(headers):
    try:
        return urllib.request.urlopen(urllib.request.Request(sys.argv[1], headers=headers), context=context).status
    except urllib.error.HTTPError as error:
        return error.code
print(status({}), status({'Authorization': 'Bearer ' + os.environ['TOKEN']}))
";

/// Scenario: requests as other sites make a browser send them.
/// Guarantees: a name that is not this server's gets nothing; neither does a part of the page for another site; only GET and
/// HEAD; no answer allows another site anything.
#[apply(e2e)]
fn other_sites_get_nothing() {
    let (scene, port) = (Scene::new(), free_port());
    let _ltel = scene.serve(&config(&scene, "", &page(port, "hosts = [\"ltel.example\"]")), &[]);
    let exchange = |text: String| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        stream.write_all(text.as_bytes()).unwrap();
        let mut answer = String::new();
        stream.read_to_string(&mut answer).unwrap();
        answer
    };
    for (host, status) in [
        (format!("127.0.0.1:{port}"), "200"),
        (format!("localhost:{port}"), "200"),
        ("ltel.example".to_owned(), "200"),
        (format!("rebound.example:{port}"), "403"),
        (format!("127.0.0.1.rebound.example:{port}"), "403"),
        (String::new(), "403"),
    ] {
        let answer = exchange(format!("GET /page.js HTTP/1.0\r\nHost: {host}\r\nOrigin: http://{host}\r\n\r\n"));
        assert_eq!(answer.split(' ').nth(1), Some(status), "{host}: {answer:.200}");
        assert!(!answer.to_lowercase().contains("access-control"), "{answer:.500}");
    }
    assert!(exchange("GET / HTTP/1.0\r\n\r\n".to_owned()).contains(" 403 "), "no host");
    let site = |path: &str| request(port, "GET", path, "Sec-Fetch-Site: cross-site\r\n").unwrap().status;
    assert_eq!((site("/"), site("/events"), site("/document.json")), (200, 403, 403));
    for method in ["POST", "PUT", "DELETE", "OPTIONS", "TRACE"] {
        assert_eq!(request(port, method, "/", "").unwrap().status, 405, "{method}");
    }
    let page = request(port, "HEAD", "/", "").unwrap();
    assert_eq!((page.status, page.body.as_str()), (200, ""));
}

/// Scenario: hundreds of connections that send nothing, half a request, or headers without end; then as many browsers as the page
/// takes, and more.
/// Guarantees: those who ask are answered; ltel's connections and memory stay bounded; the run goes on.
#[apply(e2e)]
fn connections_are_bounded() {
    let (scene, port) = (Scene::new(), free_port());
    let mut ltel = scene.serve(&config(&scene, "", &page(port, "")), &[]);
    let mut client = run(&scene, "run", 1);
    let connect = |bytes: &[u8]| {
        let mut stream = TcpStream::connect(("127.0.0.1", port)).unwrap();
        let _ = stream.write_all(bytes);
        stream
    };
    let idle: Vec<_> = (0..300)
        .map(|n| connect([&b""[..], b"GET / HTT", b"GET / HTTP/1.1\r\nHost: localhost\r\nX: "][n % 3]))
        .collect();
    assert_eq!(get(port, "/").unwrap().status, 200);
    // Of any length, then of any number.
    for headers in ["X: ".to_owned() + &"x".repeat(200_000), "X: y\r\n".repeat(2_000)] {
        let mut stream = connect(format!("GET / HTTP/1.1\r\nHost: localhost\r\n{headers}\r\n\r\n").as_bytes());
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer);
        let answer = String::from_utf8_lossy(&answer);
        assert!(answer.is_empty() || answer.contains(" 431 "), "{answer:.200}");
    }
    let mut browsers = Vec::new();
    until("the last place", SLOW, || match Events::of(port, "", "") {
        Ok(events) => {
            browsers.push(events);
            None
        }
        Err(_) => Some(()),
    });
    // Requests that are on their way when the last place is taken may take one each.
    assert!((55..=64).contains(&browsers.len()), "{} browsers", browsers.len());
    assert!(Events::of(port, "", "").is_err(), "no more");
    client.requests(vec![row("/a", 10.0, false)]);
    for events in &mut browsers {
        events.find(|event| event.data["total"]["requests"] == 2).expect("figures for each");
    }
    browsers.truncate(10);
    until("room", SOON, || get(port, "/").ok().filter(|answer| answer.status == 200));
    client.finish();
    for events in &mut browsers {
        events.find(|event| event.data["final"] == true).expect("final figures for each");
    }
    let connections = ltel.open_files();
    assert!(connections < 100, "{connections} open files");
    ltel.signal(Signal::TERM);
    assert_eq!(ltel.wait(SOON), Exit::Code(0));
    drop(idle);
}

/// Scenario: `run --page` without an address while the usual port is taken; at an address of every network; at one that is taken.
/// Guarantees: the URL is printed once and leads to the page, with a token where others can reach it; a stated address that is
/// taken is an error, and Locust does not start.
#[apply(e2e)]
fn run_says_where_its_page_is() {
    let _turn = Turn::shared();
    let scene = Scene::new();
    // Whoever has it.
    let _taken = TcpListener::bind("127.0.0.1:4329");
    let locust = ["--headless", "-f", "counting.py", "-t60s"];
    let run = |name: &str, page: &[&str]| {
        let mut command = scene.ltel(["run"]);
        command.args(page).arg("--").arg(locust_venv().join("locust")).args(locust);
        scene.start(name, command)
    };
    let url_of = |process: &mut Process| {
        process.says("the test is shown at ", SLOW);
        let log = process.stderr();
        assert_eq!(log.matches("http://").count(), 1, "said once: {log}");
        let url = log.split("the test is shown at http://").nth(1).unwrap().lines().next().unwrap().to_owned();
        let (address, path) = url.split_once('/').unwrap();
        let port: u16 = address.rsplit(':').next().unwrap().parse().unwrap();
        (port, format!("/{path}"))
    };
    let mut anywhere = run("anywhere", &["--page"]);
    let (port, path) = url_of(&mut anywhere);
    assert!(port != 4329 && path == "/", "{port} {path}");
    assert!(get(port, "/").unwrap().body.contains("page.js"));

    let stated = free_port();
    let mut open = run("open", &["--page", &format!("0.0.0.0:{stated}")]);
    let (port, path) = url_of(&mut open);
    assert_eq!(port, stated);
    assert_eq!(get(port, "/").unwrap().status, 401);
    let kept = get(port, &path).unwrap();
    assert!(path.len() > 32 && header(&kept, "set-cookie").is_some(), "{path} {}", kept.head);

    let mut taken = run("taken", &["--page", &format!("127.0.0.1:{stated}")]);
    assert_eq!(taken.wait(SLOW), Exit::Code(1));
    let log = taken.stderr();
    assert!(log.contains(&format!("backend `page`: cannot listen on `127.0.0.1:{stated}`")), "{log}");
    assert!(!log.contains("Locust"), "{log}");

    let mut wrong = run("wrong", &["--page", "127.0.0.1"]);
    assert_eq!(wrong.wait(SOON), Exit::Code(2));
    assert!(wrong.stderr().contains("write an IP address and a port, such as 0.0.0.0:9000"), "{}", wrong.stderr());

    for mut process in [anywhere, open] {
        process.signal(Signal::TERM);
        process.wait(SLOW);
    }
}

fn run(scene: &Scene, id: &str, requests: usize) -> Client {
    let mut client = Client::unix(&scene.socket(), Encoding::MessagePack, id);
    client.start(id);
    client.requests((0..requests).map(|_| row("/a", 12.5, false)).collect());
    client
}

fn header<'a>(response: &'a Response, name: &str) -> Option<&'a str> {
    response.head.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "))
}
