//! A correct client of ltel's protocol, in place of Locust's plugin.

use std::io::{self, Read, Write};
use std::net::{TcpStream, ToSocketAddrs};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Duration;

use bytes::BytesMut;
use ltel_core::event::{Extra, Request, RequestError, ResponseTime, TestStart, TestStop};
use ltel_core::source::{Source, SourceKind};
use ltel_core::trace::TraceContext;
use ltel_core::wire::{Done, Encoding, Features, Frame, Hello, Message, PROTOCOL, Reply, Rows, Splitter};

use crate::wait::SLOW;

trait Stream: Read + Write + Send + std::fmt::Debug {}
impl Stream for UnixStream {}
impl Stream for TcpStream {}

/// A connection that has said `hello` and been welcomed.
#[derive(Debug)]
pub struct Client {
    stream: Box<dyn Stream>,
    encoding: Encoding,
    splitter: Splitter,
    buffer: BytesMut,
    seq: u64,
    sent: u64,
    /// What ltel wants of it.
    pub features: Features,
}

const ANSWER: Duration = SLOW;
const START: f64 = 1_700_000_000.0;

impl Client {
    /// Over a Unix socket.
    pub fn unix(path: &Path, encoding: Encoding, id: &str) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.set_read_timeout(Some(ANSWER)).expect("a timeout");
        stream.set_write_timeout(Some(ANSWER)).expect("a timeout");
        Self::greet(Box::new(stream), encoding, id)
    }

    /// Over TCP.
    pub fn tcp(address: impl ToSocketAddrs, encoding: Encoding, id: &str) -> Self {
        let stream = TcpStream::connect(address).expect("a connection to ltel");
        stream.set_read_timeout(Some(ANSWER)).expect("a timeout");
        stream.set_write_timeout(Some(ANSWER)).expect("a timeout");
        Self::greet(Box::new(stream), encoding, id)
    }

    /// Over a Unix socket, if ltel lets us.
    pub fn try_unix(path: &Path, encoding: Encoding, id: &str) -> Option<Self> {
        let stream = UnixStream::connect(path).ok()?;
        stream.set_read_timeout(Some(ANSWER)).ok()?;
        Self::try_greet(Box::new(stream), encoding, hello(id)).ok()
    }

    /// Over a Unix socket, with a `hello` of its own. Its frames are numbered from 1, unless it goes [`Client::on_from`].
    pub fn saying(path: &Path, hello: Hello) -> Self {
        let stream = UnixStream::connect(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        stream.set_read_timeout(Some(ANSWER)).expect("a timeout");
        stream.set_write_timeout(Some(ANSWER)).expect("a timeout");
        Self::try_greet(Box::new(stream), Encoding::MessagePack, hello).unwrap_or_else(|e| panic!("no welcome: {e}"))
    }

    fn greet(stream: Box<dyn Stream>, encoding: Encoding, id: &str) -> Self {
        Self::try_greet(stream, encoding, hello(id)).unwrap_or_else(|e| panic!("no welcome: {e}"))
    }

    fn try_greet(stream: Box<dyn Stream>, encoding: Encoding, hello: Hello) -> io::Result<Self> {
        let splitter = Splitter::new(encoding, 1 << 20);
        let (buffer, features) = (BytesMut::new(), Features::default());
        let mut client = Self { stream, encoding, splitter, buffer, seq: 0, sent: 0, features };
        client.write(&Frame { seq: None, message: Message::Hello(hello) })?;
        match client.read()? {
            Reply::Welcome { features, .. } => Ok(Self { features, ..client }),
            other => Err(io::Error::other(format!("{other:?}"))),
        }
    }

    /// Begins a run.
    pub fn start(&mut self, run_id: &str) {
        let (run_id, testplan) = (Some(run_id.to_owned()), Some("client".to_owned()));
        self.send(Message::from(TestStart { time: START, run_id, testplan, ..TestStart::default() }));
    }

    /// Sends requests.
    pub fn requests(&mut self, rows: Vec<Request<'_>>) {
        self.sent += rows.len() as u64;
        self.send(Message::Requests(Rows { rows, time: Some(START + 1.0), ..Rows::default() }));
    }

    /// Sends requests, if the connection still takes them.
    pub fn try_requests(&mut self, rows: Vec<Request<'_>>) -> io::Result<()> {
        self.sent += rows.len() as u64;
        let seq = Some(self.next_seq());
        let message = Message::Requests(Rows { rows, time: Some(START + 1.0), ..Rows::default() });
        self.write(&Frame { seq, message })
    }

    /// Sends a frame with so many requests, as it is encoded already.
    pub fn encoded_requests(&mut self, frame: &[u8], rows: u64) {
        self.sent += rows;
        self.raw(frame).expect("room in the socket");
    }

    /// Ends the run, and waits until all is acknowledged.
    pub fn finish(mut self) {
        self.send(Message::from(TestStop { time: START + 10.0 }));
        self.send(Message::Done(Done { time: START + 10.0, sent: Some(self.sent), ..Done::default() }));
        self.acknowledged();
    }

    /// Waits until ltel closes the connection without a reason.
    pub fn asked_to_come_again(mut self) {
        match self.read() {
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => {}
            other => panic!("the connection is not closed: {other:?}"),
        }
    }

    /// Waits until ltel says why it closes the connection.
    pub fn refusal(&mut self) -> String {
        loop {
            if let Reply::Error { message } = self.read().unwrap_or_else(|e| panic!("closed without a reason: {e}")) {
                return message;
            }
        }
    }

    /// Waits until all that was sent is acknowledged.
    pub fn acknowledged(&mut self) {
        loop {
            match self.read().unwrap_or_else(|e| panic!("no acknowledgement: {e}")) {
                Reply::Ack { seq } if seq >= self.seq => return,
                Reply::Error { message } => panic!("refused: {message}"),
                _ => {}
            }
        }
    }

    /// Waits until ltel says that a test is to be stopped: the run, and the reason.
    pub fn told_to_stop(&mut self) -> (String, String) {
        loop {
            match self.read().unwrap_or_else(|e| panic!("no order to stop: {e}")) {
                Reply::Stop { run_id, reason } => return (run_id, reason),
                Reply::Error { message } => panic!("refused: {message}"),
                _ => {}
            }
        }
    }

    /// How often ltel says that a test is to be stopped, until all that was sent is acknowledged.
    pub fn orders_until_acknowledged(&mut self) -> usize {
        let mut orders = 0;
        loop {
            match self.read().unwrap_or_else(|e| panic!("no acknowledgement: {e}")) {
                Reply::Ack { seq } if seq >= self.seq => return orders,
                Reply::Stop { .. } => orders += 1,
                Reply::Error { message } => panic!("refused: {message}"),
                _ => {}
            }
        }
    }

    /// Sends a frame with the next number.
    pub fn send(&mut self, message: Message<'_>) {
        let seq = Some(self.next_seq());
        self.write(&Frame { seq, message }).expect("room in the socket");
    }

    /// It has sent frames up to this one before.
    #[must_use]
    pub const fn on_from(mut self, seq: u64) -> Self {
        self.seq = seq;
        self
    }

    /// Takes the number of the next frame, for one that is written as it is.
    pub fn next_seq(&mut self) -> u64 {
        self.seq += 1;
        self.seq
    }

    /// Counts rows that were written as they are.
    pub fn count_as_sent(&mut self, rows: u64) {
        self.sent += rows;
    }

    /// Writes bytes as they are.
    pub fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes)
    }

    fn write(&mut self, frame: &Frame<'_>) -> io::Result<()> {
        self.stream.write_all(&self.encoding.encode(frame).expect("a frame"))
    }

    fn read(&mut self) -> io::Result<Reply> {
        loop {
            if let Some(frame) = self.splitter.next_frame(&mut self.buffer).map_err(io::Error::other)? {
                return self.encoding.decode_reply(&frame).map_err(io::Error::other);
            }
            let mut chunk = [0; 4096];
            let size = self.stream.read(&mut chunk)?;
            if size == 0 {
                return Err(io::ErrorKind::UnexpectedEof.into());
            }
            self.buffer.extend_from_slice(&chunk[..size]);
        }
    }
}

/// The `hello` of a local runner with this client id.
pub fn hello(id: &str) -> Hello {
    let source = Source { kind: SourceKind::Local, id: "local".to_owned(), pid: 1, ..Source::default() };
    Hello { protocol: PROTOCOL, client_id: id.to_owned(), source, ..Hello::default() }
}

/// The `hello` of a master or a worker whose client id is Locust's id of it, too.
pub fn hello_of(kind: SourceKind, id: &str) -> Hello {
    let source = Source { kind, id: id.to_owned(), ..Source::default() };
    Hello { source, ..hello(id) }
}

/// A request of so many milliseconds.
pub fn row(name: &str, ms: f64, failed: bool) -> Request<'_> {
    Request {
        start_time: START,
        reported_at: START,
        method: "GET".into(),
        name: name.into(),
        response_time: ResponseTime::from_ms(ms),
        response_length: 10,
        status_code: Some(if failed { 500 } else { 200 }),
        error: failed.then(|| RequestError { class: "Failure".into(), text: "it failed".into() }),
        extra: None,
    }
}

/// A request that belongs to a sampled trace, with ids made of its number.
pub fn traced(number: u64, url: &str) -> Request<'static> {
    let extra = Extra {
        url: Some(url.to_owned().into()),
        trace: Some(TraceContext {
            trace_id: u128::from(number).into(),
            span_id: number.into(),
            parent_span_id: None,
            sampled: true,
        }),
        ..Extra::default()
    };
    Request { extra: Some(extra.into()), ..row("some", 1.0, false) }
}
