//! The system under test: a small HTTP server inside the test.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

/// Answers `/ok` with 200, `/missing` with 404, `/broken` with 500, `/slow` with 200 after 30 ms, and
/// `/echo` with the request's body.
#[derive(Debug)]
pub struct Target {
    address: SocketAddr,
    closing: Arc<AtomicBool>,
}

const SLOW: Duration = Duration::from_millis(30);

impl Target {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let address = listener.local_addr().expect("the port");
        let closing = Arc::new(AtomicBool::new(false));
        let closed = Arc::clone(&closing);
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                // A connection that breaks is Locust's end of it.
                thread::spawn(move || drop(serve(stream)));
            }
        });
        Self { address, closing }
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

fn serve(stream: TcpStream) -> std::io::Result<()> {
    stream.set_nodelay(true)?;
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        let path = line.split(' ').nth(1).unwrap_or_default().to_owned();
        let mut length = 0;
        loop {
            let mut header = String::new();
            reader.read_line(&mut header)?;
            if header.trim_end().is_empty() {
                break;
            }
            if let Some((name, value)) = header.split_once(':')
                && name.eq_ignore_ascii_case("content-length")
            {
                length = value.trim().parse().unwrap_or(0);
            }
        }
        let mut body = vec![0; length];
        reader.read_exact(&mut body)?;
        let (status, answer) = match path.as_str() {
            "/ok" => ("200 OK", b"ok".to_vec()),
            "/echo" => ("200 OK", body),
            "/slow" => {
                thread::sleep(SLOW);
                ("200 OK", b"slow".to_vec())
            }
            "/broken" => ("500 Internal Server Error", b"broken".to_vec()),
            _ => ("404 Not Found", b"missing".to_vec()),
        };
        let mut out = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n\r\n", answer.len()).into_bytes();
        out.extend(answer);
        writer.write_all(&out)?;
    }
}
