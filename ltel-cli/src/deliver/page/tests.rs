use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::response::Response;
use bytes::Bytes;
use futures_util::{FutureExt, StreamExt};
use http::{HeaderMap, Method, Request, StatusCode};
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;
use ltel_core::figures::{RunFigures, Stage};
use ltel_core::runs::RunInfo;
use secrecy::ExposeSecret;
use serde_json::Value;

use super::Page;
use super::config::PageUrl;
use super::events::events;
use super::guard::{Guard, Verdict};
use super::progress::{Progress, in_pieces};
use super::routes::routes;
use super::runs::PageRuns;
use crate::report::TraceUrl;

const LOCAL: &str = "127.0.0.1:4329";

fn page(listen: &str, token: Option<&str>, hosts: &[&str]) -> Page {
    let address = listen.parse().unwrap();
    let mut page = Page::of_command_line(Some(address), &PageUrl::default());
    page.token = token.map(Into::into);
    page.hosts = hosts.iter().map(|&host| host.to_owned()).collect();
    page
}

fn guard(page: &Page) -> Guard {
    Guard::new(page, page.listen)
}

fn judge(guard: &Guard, url: &str, headers: &[(&str, &str)]) -> Verdict {
    let mut request = Request::get(url);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    guard.judge(&request.body(()).unwrap().into_parts().0)
}

#[test]
fn hosts() {
    let local = [LOCAL, "[::1]:4329", "127.0.0.2:1"];
    for (listen, known, host, welcome) in [
        (local[0], &[][..], "localhost:4329", true),
        (local[0], &[], "LocalHost", true),
        (local[0], &[], "127.0.0.1:4329", true),
        // Through a tunnel, as of `ssh -L`.
        (local[0], &[], "127.0.0.1:8080", true),
        (local[0], &[], "[::1]:4329", true),
        (local[1], &[], "[::1]", true),
        (local[2], &[], "127.0.0.2:1", true),
        (local[0], &[], "evil.example", false),
        (local[0], &[], "evil.example:4329", false),
        (local[0], &[], "127.0.0.1.evil.example", false),
        (local[0], &[], "localhost.evil.example", false),
        (local[0], &[], "10.0.0.1:4329", false),
        (local[0], &[], "localhost:4329@evil.example", false),
        (local[0], &[], "localhost:evil", false),
        (local[0], &[], "[::1", false),
        (local[0], &[], "[]:4329", false),
        (local[0], &[], "", false),
        (local[0], &["ltel.example"], "LTEL.example:443", true),
        (local[0], &["ltel.example"], "evil.example", false),
        ("0.0.0.0:4329", &[], "10.0.0.1:4329", true),
        ("0.0.0.0:4329", &[], "[2001:db8::1]:4329", true),
        ("0.0.0.0:4329", &[], "localhost:4329", true),
        ("0.0.0.0:4329", &[], "evil.example:4329", false),
        ("0.0.0.0:4329", &["ltel"], "ltel:4329", true),
    ] {
        let guard = guard(&page(listen, None, known));
        let expected = if welcome { Verdict::Welcome } else { Verdict::WrongHost };
        assert_eq!(judge(&guard, "/events", &[("host", host)]), expected, "{host:?} at {listen}");
    }
    // The URL that ltel tells.
    for listen in ["0.0.0.0:4329", "[::]:4329", "10.0.0.1:4329", LOCAL] {
        let page = page(listen, None, &[]);
        let url: http::Uri = page.url_at(page.listen).parse().unwrap();
        let host = url.authority().unwrap().as_str();
        assert_eq!(judge(&guard(&page), "/events", &[("host", host)]), Verdict::Welcome, "{url}");
    }
    let guard = guard(&page(LOCAL, None, &[]));
    assert_eq!(judge(&guard, "/", &[]), Verdict::WrongHost, "no host");
    assert_eq!(judge(&guard, "/", &[("host", "localhost"), ("host", "evil.example")]), Verdict::WrongHost, "two hosts");
}

#[test]
fn other_sites() {
    let guard = guard(&page(LOCAL, None, &[]));
    for (site, of_page, of_parts) in [
        ("none", Verdict::Welcome, Verdict::Welcome),
        ("same-origin", Verdict::Welcome, Verdict::Welcome),
        // A port of this machine is another site, too.
        ("same-site", Verdict::Welcome, Verdict::WrongSite),
        ("cross-site", Verdict::Welcome, Verdict::WrongSite),
    ] {
        let headers = [("host", "localhost:4329"), ("sec-fetch-site", site)];
        assert_eq!(judge(&guard, "/", &headers), of_page, "{site}");
        for part in ["/events", "/page.js", "/document.json?run=7"] {
            assert_eq!(judge(&guard, part, &headers), of_parts, "{site}: {part}");
        }
    }
}

#[test]
fn tokens() {
    const TOKEN: &str = "a token; with = everything, ü";
    let guard = guard(&page("0.0.0.0:4329", Some(TOKEN), &[]));
    let host = ("host", "anything.example");
    let kept = match judge(&guard, "/?token=a+token%3B+with+%3D+everything%2C+%C3%BC", &[host]) {
        Verdict::Keep(cookie) => cookie.to_str().unwrap().to_owned(),
        other => panic!("{other:?}"),
    };
    let (cookie, attributes) = kept.split_once("; ").unwrap();
    assert_eq!(attributes, "Path=/; HttpOnly; SameSite=Strict");
    assert!(!kept.contains("everything"), "{kept}");
    assert_eq!(judge(&guard, "/", &[host, ("cookie", &format!("a=b; {cookie}; c=d"))]), Verdict::Welcome);
    assert_eq!(judge(&guard, "/events", &[host, ("cookie", cookie)]), Verdict::Welcome);
    // A browser that has an old cookie, and a program that sends the right token with it.
    let bearer = format!("bearer {TOKEN}");
    let bearer = ("authorization", bearer.as_str());
    assert_eq!(judge(&guard, "/events", &[host, bearer]), Verdict::Welcome);
    assert_eq!(judge(&guard, "/events", &[host, bearer, ("cookie", "ltel_page_4329=AAAA")]), Verdict::Welcome);
    for (url, headers, verdict) in [
        ("/", &[][..], Verdict::NoToken),
        ("/events", &[], Verdict::NoToken),
        ("/unknown", &[], Verdict::NoToken),
        ("/events?token=a+token%3B+with+%3D+everything%2C+%C3%BC", &[], Verdict::NoToken),
        ("/?token=", &[], Verdict::WrongToken),
        ("/?token=a%20token", &[], Verdict::WrongToken),
        ("/", &[("authorization", "Bearer a token")], Verdict::WrongToken),
        ("/", &[("authorization", "Bearer ")], Verdict::WrongToken),
        ("/", &[("authorization", "Basic YTpi")], Verdict::NoToken),
        ("/", &[("cookie", "ltel_page_4329=")], Verdict::WrongToken),
        ("/", &[("cookie", "ltel_page_4329=%%%")], Verdict::NoToken),
        ("/", &[("cookie", "ltel_page_4330=AAAA; other")], Verdict::NoToken),
    ] {
        let headers = [&[host], headers].concat();
        assert_eq!(judge(&guard, url, &headers), verdict, "{url} {headers:?}");
    }
}

#[test]
fn the_command_line_gives_a_token_to_what_others_can_reach() {
    let of = |address: &str| Page::of_command_line(Some(address.parse().unwrap()), &PageUrl::default());
    for (address, is_open) in [(LOCAL, true), ("[::1]:1", true), ("[::ffff:127.0.0.1]:1", true), ("10.0.0.1:1", false)]
    {
        assert_eq!(of(address).token.is_none(), is_open, "{address}");
    }
    let tokens = [of("0.0.0.0:1"), of("0.0.0.0:1")].map(|page| page.token.unwrap().expose_secret().to_owned());
    assert!(tokens[0].len() == 32 && tokens[0] != tokens[1], "{tokens:?}");
}

async fn ask(runs: &Arc<PageRuns>, method: Method, url: &str, headers: &[(&str, &str)]) -> Response {
    let page = page(LOCAL, None, &[]);
    let service = TowerToHyperService::new(routes(Arc::clone(runs), Arc::new(guard(&page))));
    let mut request = Request::builder().method(method).uri(url).header("host", LOCAL);
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    let mut request = request.body(Body::empty()).unwrap();
    request.extensions_mut().insert(Arc::<Progress>::default());
    service.call(request).await.unwrap()
}

async fn body(response: Response) -> Bytes {
    to_bytes(response.into_body(), usize::MAX).await.unwrap()
}

fn has_guards(headers: &HeaderMap) {
    for (name, value) in [
        ("x-content-type-options", "nosniff"),
        ("x-frame-options", "DENY"),
        ("referrer-policy", "no-referrer"),
        ("cross-origin-resource-policy", "same-origin"),
    ] {
        assert_eq!(headers[name], value);
    }
    let policy = headers["content-security-policy"].to_str().unwrap();
    assert!(policy.contains("default-src 'none'") && policy.contains("frame-ancestors 'none'"), "{policy}");
    assert!(!policy.contains("script-src 'unsafe") && headers.contains_key("cache-control"), "{headers:?}");
    assert!(!headers.keys().any(|name| name.as_str().starts_with("access-control")), "{headers:?}");
}

#[tokio::test]
async fn answers() {
    let runs = Arc::new(PageRuns::new(None));
    runs.show(&run("7 \"/.."), Arc::default());
    for (method, url, status) in [
        (Method::GET, "/", StatusCode::OK),
        (Method::HEAD, "/", StatusCode::OK),
        (Method::GET, "/page.css", StatusCode::OK),
        (Method::GET, "/page.js", StatusCode::OK),
        (Method::GET, "/plotly.js", StatusCode::OK),
        (Method::HEAD, "/events", StatusCode::OK),
        (Method::GET, "/document.json", StatusCode::OK),
        (Method::GET, "/document.json?run=7%20%22/..", StatusCode::OK),
        (Method::GET, "/document.json?run=8", StatusCode::NOT_FOUND),
        (Method::GET, "/index.html", StatusCode::NOT_FOUND),
        (Method::GET, "/../../etc/passwd", StatusCode::NOT_FOUND),
        (Method::POST, "/", StatusCode::METHOD_NOT_ALLOWED),
        (Method::DELETE, "/events", StatusCode::METHOD_NOT_ALLOWED),
        (Method::OPTIONS, "/events", StatusCode::METHOD_NOT_ALLOWED),
    ] {
        let response = ask(&runs, method.clone(), url, &[]).await;
        assert_eq!(response.status(), status, "{method} {url}");
        has_guards(response.headers());
        if method == Method::HEAD {
            assert_eq!(body(response).await, "", "{url}");
        }
    }
    let response = ask(&runs, Method::GET, "/document.json", &[]).await;
    assert_eq!(response.headers()["content-disposition"], "attachment; filename=\"ltel-7.json\"");
    let document: Value = serde_json::from_slice(&body(response).await).unwrap();
    assert_eq!(document["run"]["run_id"], "7 \"/..");
    assert!(!document["total"]["histogram"].is_null(), "with its histograms: {document}");
    let packed = ask(&runs, Method::GET, "/document.json", &[("accept-encoding", "gzip")]).await;
    assert_eq!(packed.headers()["content-encoding"], "gzip");
    let packed: Value = serde_json::from_slice(&super::files::unpacked(&body(packed).await)).unwrap();
    assert_eq!(packed, document);
}

#[tokio::test]
async fn files_are_compressed_and_kept() {
    let runs = Arc::new(PageRuns::new(None));
    let plain = ask(&runs, Method::GET, "/plotly.js", &[]).await;
    let tag = plain.headers()["etag"].to_str().unwrap().to_owned();
    let text = body(plain).await;
    assert!(text.len() > 3 << 20 && text[..100].windows(9).any(|part| part == b"plotly.js"), "{} bytes", text.len());
    let packed = ask(&runs, Method::GET, "/plotly.js", &[("accept-encoding", "br, gzip;q=0.5")]).await;
    assert_eq!(
        (&packed.headers()["content-encoding"], &packed.headers()["vary"]),
        (&"gzip".parse().unwrap(), &"accept-encoding".parse().unwrap())
    );
    let packed = body(packed).await;
    assert!(packed.len() < 2 << 20, "{} bytes", packed.len());
    assert_eq!(super::files::unpacked(&packed), text);
    let refused = ask(&runs, Method::GET, "/page.js", &[("accept-encoding", "gzip;q=0, identity")]).await;
    assert!(!refused.headers().contains_key("content-encoding"));
    let known = ask(&runs, Method::GET, "/plotly.js", &[("if-none-match", &tag)]).await;
    assert_eq!((known.status(), body(known).await.len()), (StatusCode::NOT_MODIFIED, 0));
    let other = ask(&runs, Method::GET, "/page.js", &[("if-none-match", &tag)]).await;
    assert_eq!(other.status(), StatusCode::OK);
}

fn run(id: &str) -> Arc<RunInfo> {
    Arc::new(RunInfo { run_id: id.to_owned(), testplan: "plan".to_owned(), ..RunInfo::default() })
}

fn figures(requests: u64) -> RunFigures {
    let mut figures = RunFigures::default();
    figures.total.requests = requests;
    figures
}

fn show(runs: &PageRuns, run: &Arc<RunInfo>, requests: u64) {
    runs.show(run, Arc::new(figures(requests)));
}

fn end(runs: &PageRuns, run: &Arc<RunInfo>, requests: u64) {
    runs.show(run, Arc::new(RunFigures { stage: Stage::Final { complete: true }, ..figures(requests) }));
    runs.end(run);
}

/// A browser that reads events.
struct Browser(std::pin::Pin<Box<dyn futures_util::Stream<Item = Bytes> + Send>>);

impl Browser {
    fn new(runs: &Arc<PageRuns>, run_id: Option<&str>) -> Self {
        Self(Box::pin(events(Arc::clone(runs), run_id.map(ToOwned::to_owned), Arc::default())))
    }

    /// The name of the next event, and its data.
    async fn next(&mut self) -> Option<(String, Value)> {
        let mut text = Vec::new();
        while !text.ends_with(b"\n\n") {
            text.extend(self.0.next().await?);
        }
        let text = String::from_utf8(text).unwrap();
        let Some(rest) = text.strip_prefix("event: ") else { return Some((text, Value::Null)) };
        let (name, data) = rest.split_once("\ndata: ").unwrap();
        Some((name.to_owned(), serde_json::from_str(data).unwrap()))
    }

    /// The requests of the next event, which is a document.
    async fn document(&mut self) -> (String, u64) {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "document", "{data}");
        (data["run"]["run_id"].as_str().unwrap().to_owned(), data["total"]["requests"].as_u64().unwrap())
    }

    /// The ids of the next event, which is a list of runs.
    async fn list(&mut self) -> String {
        let (name, data) = self.next().await.unwrap();
        assert_eq!(name, "runs", "{data}");
        data.as_array().unwrap().iter().map(|run| run["run_id"].as_str().unwrap()).collect::<Vec<_>>().join(" ")
    }

    fn is_waiting(&mut self) -> bool {
        self.0.next().now_or_never().is_none()
    }
}

fn of(run_id: &str, requests: u64) -> (String, u64) {
    (run_id.to_owned(), requests)
}

#[tokio::test]
async fn a_browser_sees_the_latest_state() {
    let runs = Arc::new(PageRuns::new(None));
    let mut browser = Browser::new(&runs, None);
    assert_eq!(browser.list().await, "");
    assert!(browser.is_waiting());
    let a = run("a");
    show(&runs, &a, 1);
    assert_eq!(browser.list().await, "a");
    assert_eq!(browser.document().await, of("a", 1));
    assert!(browser.is_waiting());
    for requests in 2..10 {
        show(&runs, &a, requests);
    }
    assert_eq!(browser.document().await, of("a", 9));
    assert!(browser.is_waiting());
    // Another run: who follows the last one gets it, who has chosen another one does not.
    let mut chosen = Browser::new(&runs, Some("a"));
    assert_eq!((chosen.list().await, chosen.document().await), ("a".to_owned(), of("a", 9)));
    let mut unknown = Browser::new(&runs, Some("c"));
    assert_eq!(unknown.list().await, "a");
    let b = run("b");
    show(&runs, &b, 1);
    assert_eq!((browser.list().await, browser.document().await), ("a b".to_owned(), of("b", 1)));
    assert_eq!(chosen.list().await, "a b");
    assert_eq!(unknown.list().await, "a b");
    assert!(chosen.is_waiting() && unknown.is_waiting());
    show(&runs, &a, 10);
    assert!(browser.is_waiting());
    assert_eq!(chosen.document().await, of("a", 10));
    // The end of a run, and of ltel.
    end(&runs, &b, 2);
    let (name, list) = browser.next().await.unwrap();
    assert_eq!((name.as_str(), &list[1]["final"], &list[1]["complete"]), ("runs", &true.into(), &true.into()));
    assert_eq!(browser.document().await, of("b", 2));
    runs.ending.send_replace(true);
    assert_eq!(browser.next().await.unwrap().0, "end");
    assert_eq!(browser.next().await, None);
    assert_eq!(chosen.list().await, "a b");
    assert_eq!(chosen.next().await.unwrap().0, "end");
}

#[tokio::test]
async fn a_browser_knows_where_traces_are() {
    let url = TraceUrl::parse("https://tracing.example/<b>/{trace_id}").unwrap();
    let runs = Arc::new(PageRuns::new(Some(&url)));
    let mut browser = Browser::new(&runs, None);
    let (name, data) = browser.next().await.unwrap();
    assert_eq!((name.as_str(), &data["trace_url"]), ("options", &url.as_str().into()));
    assert_eq!(browser.list().await, "");
}

#[tokio::test(start_paused = true)]
async fn something_is_sent_from_time_to_time() {
    let runs = Arc::new(PageRuns::new(None));
    let mut browser = Browser::new(&runs, None);
    assert_eq!(browser.list().await, "");
    let before = tokio::time::Instant::now();
    assert_eq!(browser.next().await.unwrap().0, ": \n\n");
    assert_eq!(before.elapsed(), Duration::from_secs(15));
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_does_not_read_is_given_up() {
    let runs = Arc::new(PageRuns::new(None));
    let progress = Arc::<Progress>::default();
    let mut stream = Box::pin(events(Arc::clone(&runs), None, Arc::clone(&progress)));
    let before = tokio::time::Instant::now();
    stream.next().await.unwrap();
    progress.stalled(|| false).await;
    assert!((30..=32).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    // Others need its place.
    progress.given();
    let before = tokio::time::Instant::now();
    progress.stalled(|| true).await;
    assert!((2..=4).contains(&before.elapsed().as_secs()), "{:?}", before.elapsed());
    // When it asks for more, it has read everything before.
    assert_eq!(stream.next().await.unwrap(), ": \n\n");
    assert!(stream.next().now_or_never().is_none());
    let stalled = tokio::time::timeout(Duration::from_hours(1), progress.stalled(|| true));
    assert!(stalled.await.is_err());
}

#[tokio::test(start_paused = true)]
async fn a_browser_that_reads_slowly_is_not_given_up() {
    let progress = Arc::<Progress>::default();
    let mut pieces = Box::pin(in_pieces(vec![0; 1 << 20].into(), Arc::clone(&progress)));
    let read = async {
        while pieces.next().await.is_some() {
            tokio::time::sleep(Duration::from_secs(20)).await;
        }
    };
    tokio::select! {
        () = read => {}
        () = progress.stalled(|| false) => panic!("it reads a piece every 20 s"),
    }
    // It does not keep others from theirs.
    let _pieces = Box::pin(in_pieces(vec![0; 1 << 20].into(), Arc::clone(&progress)));
    let more = async {
        loop {
            progress.given_more();
            tokio::time::sleep(Duration::from_millis(500)).await;
        }
    };
    let stalled = tokio::time::timeout(Duration::from_secs(5), progress.stalled(|| true));
    tokio::select! {
        () = more => {}
        stalled = stalled => stalled.unwrap(),
    }
}

#[tokio::test(start_paused = true)]
async fn the_last_runs_are_kept() {
    let runs = Arc::new(PageRuns::new(None));
    let active = run("active");
    show(&runs, &active, 1);
    let ended: Vec<_> = (0..40).map(|number| run(&number.to_string())).collect();
    for (number, run) in ended.iter().enumerate() {
        end(&runs, run, number as u64);
    }
    let mut browser = Browser::new(&runs, Some("30"));
    let expected = ["active".to_owned()].into_iter().chain((24..40).map(|number| number.to_string()));
    assert_eq!(browser.list().await, expected.collect::<Vec<_>>().join(" "));
    let before = browser.document().await;
    tokio::time::advance(Duration::from_secs(3)).await;
    runs.pack().await;
    assert!(browser.is_waiting(), "packing a state sends nothing");
    let packed = runs.find(Some("30")).unwrap().state.borrow().clone();
    assert!(packed.figures().is_none() && runs.find(Some("active")).unwrap().state.borrow().figures().is_some());
    let mut later = Browser::new(&runs, Some("30"));
    later.list().await;
    assert_eq!((later.document().await, before), (of("30", 30), of("30", 30)));
    let document: Value = serde_json::from_slice(&packed.document(&runs.printer).await.unwrap()).unwrap();
    assert_eq!(document["total"]["requests"], 30);
}

#[tokio::test]
async fn a_run_without_final_figures_ends() {
    let runs = Arc::new(PageRuns::new(None));
    let a = run("a");
    show(&runs, &a, 7);
    runs.end(&a);
    let mut browser = Browser::new(&runs, None);
    let (_, list) = browser.next().await.unwrap();
    assert_eq!((&list[0]["final"], &list[0]["complete"]), (&true.into(), &false.into()));
    assert_eq!(browser.document().await, of("a", 7));
}

#[test]
fn urls() {
    let of = |address: &str| page(address, None, &[]).url_at(address.parse::<SocketAddr>().unwrap());
    assert_eq!((of(LOCAL), of("[::1]:7")), ("http://127.0.0.1:4329/".to_owned(), "http://[::1]:7/".to_owned()));
    assert!(!of("0.0.0.0:7").contains("0.0.0.0"), "{}", of("0.0.0.0:7"));
}
