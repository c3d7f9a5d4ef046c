//! Receivers that are not well.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread;

/// A TCP port that nobody listens on.
pub fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").and_then(|listener| listener.local_addr()).expect("a free port").port()
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
