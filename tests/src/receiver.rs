//! Broken receivers.

use std::io::Write;
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
