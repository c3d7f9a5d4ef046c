//! The system under test: a small HTTP server inside the test.

use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;
use std::time::Duration;

/// Answers `/ok` with 200, `/v1/traces` as a receiver of OTLP that has taken all, `/missing` with 404, `/broken` with 500, `/slow`
/// with 200 after 30 ms, `/wait?100` after 75 to 125 ms, `/moved` with 302 to `/ok` under the same query, and `/echo` with the
/// request's body. A path that begins with `/traced` is answered as the rest of it, with the `traceparent` that came with the
/// request as the body.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
    hits: Arc<Mutex<Vec<Hit>>>,
}

/// A request to a path that begins with `/traced`.
#[derive(Clone, Debug)]
pub struct Hit {
    /// The path, with its query.
    pub path: String,
    /// The `traceparent` headers that came with it.
    pub traceparents: Vec<String>,
}

const SLOW: Duration = Duration::from_millis(30);

impl Target {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port");
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        let hits = Arc::default();
        let recorded = Arc::clone(&hits);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that breaks is Locust's end of it.
                let hits = Arc::clone(&recorded);
                thread::spawn(move || drop(serve(stream, &hits)));
            }
        });
        Self { address, closing, hits }
    }

    /// The requests so far to paths that begin with `/traced`.
    pub fn hits(&self) -> Vec<Hit> {
        self.hits.lock().expect("the hits").clone()
    }

    /// Its base URL.
    pub fn url(&self) -> String {
        format!("http://{}", self.address)
    }
}

impl Drop for Target {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(self.address));
    }
}

// From 0 to 1: another one each time.
fn chance() -> f64 {
    let bits = RandomState::new().hash_one(()) >> 11;
    bits as f64 / (1_u64 << 53) as f64
}

fn serve(stream: TcpStream, hits: &Mutex<Vec<Hit>>) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let full = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        let mut traceparents = Vec::new();
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim_end().is_empty() {
                break;
            }
            let Some((name, value)) = header.split_once(':') else { continue };
            match name.to_ascii_lowercase().as_str() {
                "content-length" => length = value.trim().parse().unwrap_or(0),
                "traceparent" => traceparents.push(value.trim().to_owned()),
                _ => {}
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (path, query) = full.split_once('?').unwrap_or((&full, ""));
        let (prefix, plain) = path.strip_prefix("/traced").map_or(("", path), |plain| ("/traced", plain));
        let mut more = String::new();
        let (status, mut answer) = match plain {
            "/ok" => ("200 OK", b"ok".to_vec()),
            "/v1/traces" => {
                "Content-Type: application/x-protobuf\r\n".clone_into(&mut more);
                ("200 OK", Vec::new())
            }
            "/echo" => ("200 OK", body),
            "/slow" => {
                thread::sleep(SLOW);
                ("200 OK", b"slow".to_vec())
            }
            "/wait" => {
                let about: f64 = query.parse().unwrap_or(0.0);
                thread::sleep(Duration::from_secs_f64(about * (0.75 + 0.5 * chance()) / 1e3));
                ("200 OK", b"waited".to_vec())
            }
            "/moved" => {
                more = format!("Location: {prefix}/ok?{query}\r\n");
                ("302 Found", b"moved".to_vec())
            }
            "/broken" => ("500 Internal Server Error", b"broken".to_vec()),
            _ => ("404 Not Found", b"missing".to_vec()),
        };
        if !prefix.is_empty() {
            answer = traceparents.join(",").into_bytes();
            hits.lock().expect("the hits").push(Hit { path: full.clone(), traceparents });
        }
        let mut out = format!("HTTP/1.1 {status}\r\n{more}Content-Length: {}\r\n\r\n", answer.len()).into_bytes();
        out.extend(answer);
        writer.write_all(&out)?;
    }
}
