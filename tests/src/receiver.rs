//! Broken receivers.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicU16, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A TCP port that is free and stays free: no other test gets it, and the system does not assign it to other programs
/// meanwhile.
pub fn free_port() -> u16 {
    static NEXT: AtomicU16 = AtomicU16::new(0);
    // Below those that the system gives out by itself, which begin at 32768. Another test process has others.
    const FIRST: u16 = 10_000;
    const EACH: u16 = 100;
    let slot = u16::try_from(std::process::id() % 220).expect("a small number");
    loop {
        let port = FIRST + slot * EACH + NEXT.fetch_add(1, Ordering::Relaxed) % EACH;
        if TcpListener::bind(("127.0.0.1", port)).is_ok() {
            return port;
        }
    }
}

/// Takes whatever is sent over HTTP, and keeps its path and headers.
#[derive(Debug)]
pub struct Recording {
    /// Where it listens.
    pub port: u16,
    heads: Arc<Mutex<Vec<String>>>,
    closing: Arc<AtomicBool>,
}

impl Default for Recording {
    fn default() -> Self {
        Self::start()
    }
}

impl Recording {
    /// Starts it on a free port.
    pub fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let (heads, closing) = (Arc::<Mutex<Vec<String>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, closed) = (Arc::clone(&heads), Arc::clone(&closing));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                let kept = Arc::clone(&kept);
                thread::spawn(move || drop(record(stream, &kept)));
            }
        });
        Self { port, heads, closing }
    }

    /// The first lines and headers of all requests so far, the headers in lower case.
    pub fn heads(&self) -> Vec<String> {
        self.heads.lock().expect("the requests").clone()
    }
}

impl Drop for Recording {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        let _ = TcpStream::connect(("127.0.0.1", self.port));
    }
}

fn record(stream: TcpStream, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut writer = stream.try_clone()?;
    let mut reader = BufReader::new(stream);
    loop {
        let (mut head, mut length) = (String::new(), 0);
        loop {
            let mut line = String::new();
            if reader.read_line(&mut line)? == 0 {
                return Ok(());
            }
            if line.trim_end().is_empty() {
                break;
            }
            let line = match line.split_once(": ") {
                Some((name, value)) => format!("{}: {value}", name.to_ascii_lowercase()),
                None => line,
            };
            if let Some(value) = line.strip_prefix("content-length: ") {
                length = value.trim().parse().unwrap_or(0);
            }
            head += &line;
        }
        reader.read_exact(&mut vec![0; length])?;
        kept.lock().expect("the requests").push(head);
        writer.write_all(b"HTTP/1.1 200 OK\r\nContent-Type: application/x-protobuf\r\nContent-Length: 0\r\n\r\n")?;
    }
}

/// Accepts connections and reads nothing from them.
#[derive(Debug)]
pub struct Deaf {
    /// Where it listens.
    pub port: u16,
    accepted: Arc<AtomicUsize>,
    closing: Arc<AtomicBool>,
}

impl Deaf {
    /// One that says nothing.
    pub fn silent() -> Self {
        Self::greeting(Vec::new())
    }

    /// One that says `greeting` on each new connection, and nothing after that.
    pub fn greeting(greeting: Vec<u8>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("the port").port();
        let (accepted, closing) = (Arc::new(AtomicUsize::new(0)), Arc::new(AtomicBool::new(false)));
        let (count, closed) = (Arc::clone(&accepted), Arc::clone(&closing));
        thread::spawn(move || {
            // Held, so that they stay open.
            let held = Mutex::new(Vec::new());
            for mut stream in listener.incoming().flatten() {
                if closed.load(Ordering::Relaxed) {
                    return;
                }
                let _ = stream.write_all(&greeting);
                held.lock().expect("the connections").push(stream);
                count.fetch_add(1, Ordering::Relaxed);
            }
        });
        Self { port, accepted, closing }
    }

    /// How many connections it has accepted.
    pub fn accepted(&self) -> usize {
        self.accepted.load(Ordering::Relaxed)
    }
}

impl Drop for Deaf {
    fn drop(&mut self) {
        self.closing.store(true, Ordering::Relaxed);
        drop(TcpStream::connect(("127.0.0.1", self.port)));
    }
}
