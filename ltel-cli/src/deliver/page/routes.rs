//! What the server answers.

use std::io::Write as _;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{Extension, Request, State};
use axum::middleware::{Next, from_fn_with_state};
use axum::response::{IntoResponse, Response};
use axum::routing::get;
use bytes::Bytes;
use flate2::Compression;
use flate2::write::GzEncoder;
use futures_util::stream::{Stream, StreamExt, unfold};
use http::header::{
    ACCEPT_ENCODING, CACHE_CONTROL, CONTENT_DISPOSITION, CONTENT_ENCODING, CONTENT_LENGTH, CONTENT_SECURITY_POLICY,
    CONTENT_TYPE, ETAG, HeaderName, IF_NONE_MATCH, REFERRER_POLICY, SET_COOKIE, VARY, WWW_AUTHENTICATE,
    X_CONTENT_TYPE_OPTIONS, X_FRAME_OPTIONS,
};
use http::{HeaderMap, HeaderValue, StatusCode, Uri};

use super::events;
use super::files::{self, File};
use super::guard::{Guard, Verdict};
use super::progress::{Progress, in_pieces};
use super::runs::PageRuns;
use crate::report::html::LIVE_POLICY;

const EMBEDDERS: HeaderName = HeaderName::from_static("cross-origin-resource-policy");

/// All of the page.
pub(super) fn routes(runs: Arc<PageRuns>, guard: Arc<Guard>) -> Router {
    Router::new()
        .route("/", get(|headers, progress| file(&files::PAGE, headers, progress)))
        .route("/page.css", get(|headers, progress| file(&files::STYLE, headers, progress)))
        .route("/page.js", get(|headers, progress| file(&files::SCRIPT, headers, progress)))
        .route("/plotly.js", get(|headers, progress| file(&files::CHARTS, headers, progress)))
        .route("/events", get(send_events))
        .route("/document.json", get(send_document))
        .fallback(|| async { plain(StatusCode::NOT_FOUND, "the page is at /\n") })
        .with_state(runs)
        .layer(from_fn_with_state(guard, guarded))
}

/// Lets a request in, and adds the headers that all answers have.
async fn guarded(State(guard): State<Arc<Guard>>, request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let mut response = match guard.judge(&parts) {
        Verdict::Welcome => next.run(Request::from_parts(parts, body)).await,
        Verdict::Keep(cookie) => {
            // Not a redirect: a browser that comes from another site would not send the cookie with it.
            let page = "<!doctype html><meta http-equiv=\"refresh\" content=\"0; url=./\"><title>ltel</title>\n";
            let mut response = Response::new(Body::from(page));
            response.headers_mut().insert(SET_COOKIE, cookie);
            response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/html; charset=utf-8"));
            response
        }
        Verdict::WrongHost => plain(
            StatusCode::FORBIDDEN,
            "The Host header is not an address or a known name of this server.\n\
             Use http://localhost and the port, or add the name to `hosts` of the page's table.\n",
        ),
        Verdict::WrongSite => plain(StatusCode::FORBIDDEN, "This is for the page itself, not for other sites.\n"),
        refused @ (Verdict::NoToken | Verdict::WrongToken) => {
            let what = if refused == Verdict::NoToken { "This page needs a token" } else { "The token is wrong" };
            let text = format!(
                "{what}.\nIn a browser, open this address once with /?token=TOKEN at its end.\n\
                 In a program, send the header `Authorization: Bearer TOKEN`.\n"
            );
            let mut response = plain(StatusCode::UNAUTHORIZED, text);
            response.headers_mut().insert(WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            response
        }
    };
    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, LIVE_POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (X_FRAME_OPTIONS, "DENY"),
        (REFERRER_POLICY, "no-referrer"),
        (EMBEDDERS, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    response
}

async fn file(
    file: &'static std::sync::LazyLock<File>,
    headers: HeaderMap,
    Extension(progress): Extension<Arc<Progress>>,
) -> Response {
    // The first time, it is compressed or unpacked.
    let Ok(file) = tokio::task::spawn_blocking(|| &**file).await else { return not_made() };
    let is_known = headers.get(IF_NONE_MATCH).is_some_and(|tag| tag.as_bytes() == file.tag.as_bytes());
    let compress = takes_gzip(&headers);
    let mut response = if is_known {
        StatusCode::NOT_MODIFIED.into_response()
    } else {
        let bytes = file.bytes(compress);
        let length = HeaderValue::from(bytes.len());
        let mut response = streamed(file.kind, in_pieces(bytes, progress));
        response.headers_mut().insert(CONTENT_LENGTH, length);
        if compress {
            response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        }
        response
    };
    // Kept, but asked for each time: another version of ltel may serve here next.
    response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    if let Ok(tag) = HeaderValue::from_str(&file.tag) {
        response.headers_mut().insert(ETAG, tag);
    }
    response
}

async fn send_events(
    State(runs): State<Arc<PageRuns>>,
    Extension(progress): Extension<Arc<Progress>>,
    uri: Uri,
) -> Response {
    let events = events::events(runs, run_id(&uri), progress);
    streamed("text/event-stream", events)
}

async fn send_document(
    State(runs): State<Arc<PageRuns>>,
    Extension(progress): Extension<Arc<Progress>>,
    headers: HeaderMap,
    uri: Uri,
) -> Response {
    let Some(run) = runs.find(run_id(&uri).as_deref()) else {
        return plain(StatusCode::NOT_FOUND, "This run is not known, or not any more.\n");
    };
    let state = Arc::clone(&run.state.borrow());
    let Some(document) = state.document(&runs.printer).await else { return not_made() };
    let pieces = in_pieces(document, progress);
    let mut response = if takes_gzip(&headers) {
        let mut response = streamed("application/json", packed(pieces));
        response.headers_mut().insert(CONTENT_ENCODING, HeaderValue::from_static("gzip"));
        response
    } else {
        streamed("application/json", pieces)
    };
    response.headers_mut().insert(VARY, HeaderValue::from_static("accept-encoding"));
    let name: String =
        run.info.run_id.chars().filter(|c| c.is_ascii_alphanumeric() || "-_".contains(*c)).take(64).collect();
    if let Ok(name) = HeaderValue::try_from(format!("attachment; filename=\"ltel-{name}.json\"")) {
        response.headers_mut().insert(CONTENT_DISPOSITION, name);
    }
    response
}

/// The run that a URL asks for; by default the one that began last.
fn run_id(uri: &Uri) -> Option<String> {
    let query = uri.query().unwrap_or_default();
    form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "run").map(|(_, run)| run.into_owned())
}

fn streamed(kind: &'static str, pieces: impl Stream<Item = Bytes> + Send + 'static) -> Response {
    let body = Body::from_stream(pieces.map(Ok::<_, std::convert::Infallible>));
    let mut response = Response::new(body);
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}

/// Compresses a text piece by piece.
fn packed(pieces: impl Stream<Item = Bytes> + Send + 'static) -> impl Stream<Item = Bytes> + Send {
    let encoder = Some(GzEncoder::new(Vec::new(), Compression::fast()));
    unfold((Box::pin(pieces), encoder), |(mut pieces, mut encoder)| async move {
        let mut packer = encoder.take()?;
        loop {
            let Some(piece) = pieces.next().await else {
                return Some((packer.finish().ok()?.into(), (pieces, None)));
            };
            packer.write_all(&piece).ok()?;
            let ready = std::mem::take(packer.get_mut());
            if !ready.is_empty() {
                return Some((ready.into(), (pieces, Some(packer))));
            }
        }
    })
}

fn takes_gzip(headers: &HeaderMap) -> bool {
    let accepted = headers.get_all(ACCEPT_ENCODING).iter().filter_map(|value| value.to_str().ok());
    accepted.flat_map(|value| value.split(',')).any(|coding| {
        let mut parts = coding.split(';').map(str::trim);
        let is_gzip = parts.next().is_some_and(|name| name.eq_ignore_ascii_case("gzip"));
        let quality = parts.find_map(|part| part.strip_prefix("q="));
        is_gzip && quality.is_none_or(|q| q.parse::<f32>().is_ok_and(|q| q > 0.0))
    })
}

fn not_made() -> Response {
    plain(StatusCode::INTERNAL_SERVER_ERROR, "this cannot be made; see ltel's log\n")
}

fn plain(status: StatusCode, text: impl Into<Body>) -> Response {
    let mut response = Response::new(text.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("text/plain; charset=utf-8"));
    response
}
