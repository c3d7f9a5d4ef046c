//! One client's connection: reads frames, passes them to the runs, sends acknowledgements and orders to stop.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ltel_core::text::printable;
use ltel_core::wire::{Decoded, Encoding, Frame, Hello, Message, PROTOCOLS, Reply, Token};
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;
use tokio::io::{AsyncRead, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::{Instant, timeout, timeout_at};
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::delivery::{Answers, Delivery, Stop, Welcome};
use super::end::End;
use super::faults::Faults;
use super::input::Input;
use super::newcomers::Newcomer;
use crate::clock;

/// How long a connection may take to send `hello`, including a TLS handshake.
const HELLO_WITHIN: Duration = Duration::from_secs(10);

/// The most bytes of a `hello`.
const HELLO_BYTES: usize = 64 << 10;

/// How long a client may take to read a refusal, and its last acknowledgement.
const REFUSAL_WITHIN: Duration = Duration::from_secs(2);
const LAST_ANSWER_WITHIN: Duration = Duration::from_secs(10);

/// The settings and state that all connections share.
#[derive(Debug)]
pub(super) struct Settings {
    pub(super) max_frame_bytes: usize,
    pub(super) buffers: Buffers,
    pub(super) token: Option<SecretString>,
    pub(super) deliveries: Sender<Delivery>,
    pub(super) faults: Arc<Faults>,
    /// A permit for each client that may be connected at a time.
    pub(super) places: Arc<Semaphore>,
    /// The tasks that still write to clients. ltel waits for them when it ends.
    pub(super) answers: TaskTracker,
}

/// A client that was accepted.
struct Client {
    connection: u64,
    answers: watch::Receiver<Answers>,
    _place: OwnedSemaphorePermit,
}

/// Serves one connection to its end. `open` may do a handshake first.
pub(super) async fn serve<R, W>(
    open: impl Future<Output = io::Result<(R, W)>>,
    pid: Option<u32>,
    mut newcomer: Newcomer,
    settings: Arc<Settings>,
) where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let deadline = Instant::now() + HELLO_WITHIN;
    let opened = tokio::select! {
        opened = timeout_at(deadline, open) => opened,
        () = newcomer.must_leave() => return settings.faults.count("no hello", &CROWDED_OUT),
    };
    let (read, mut write) = match opened {
        Ok(Ok(opened)) => opened,
        Ok(Err(error)) => return settings.faults.count("TLS handshake failed", &error),
        Err(_) => {
            let details = format!("it took more than {} s", HELLO_WITHIN.as_secs());
            return settings.faults.count("TLS handshake failed", &details);
        }
    };
    let mut input = Input::new(read, HELLO_BYTES.min(settings.max_frame_bytes), settings.buffers.clone());
    let greeted = tokio::select! {
        greeted = timeout_at(deadline, greet(&mut input, &settings)) => greeted.unwrap_or_else(|_| {
            Err(End::Fault("no hello", format!("nothing within {} s", HELLO_WITHIN.as_secs())))
        }),
        () = newcomer.must_leave() => Err(End::Fault("no hello", CROWDED_OUT.to_owned())),
    };
    let encoding = input.encoding();
    let welcomed = match greeted {
        Ok((hello, place)) => welcome(encoding, &mut write, hello, pid, place, &settings).await,
        Err(end) => Err(end),
    };
    drop(newcomer);
    let client = match welcomed {
        Ok(client) => client,
        Err(end) => return refuse(end, &mut write, encoding, &settings).await,
    };
    input.limit(settings.max_frame_bytes);
    let Client { connection, answers, _place: place } = client;
    tracing::debug!("client {connection} is connected, and sends {encoding:?}");
    let leaving = answers.clone();
    let mut answering = settings.answers.spawn(answer(write, encoding, answers));
    let end = tokio::select! {
        end = frames(&mut input, connection, &settings) => end,
        // What is not acknowledged comes again on the next connection.
        () = told_to_leave(leaving) => End::Quiet,
    };
    let _answer = settings.answers.token();
    tracing::debug!("client {connection} has left");
    let _ = settings.deliveries.send(Delivery::Closed { connection }).await;
    // The last acknowledgement is sent when the runs release this connection.
    if let Ok(Ok(Some(mut write))) = timeout(LAST_ANSWER_WITHIN, &mut answering).await {
        refuse(end, &mut write, encoding, &settings).await;
        let _ = write.shutdown().await;
    } else {
        // It does not read: its socket is closed, or clients could hold more of them than `max_connections`.
        answering.abort();
        refuse(end, &mut tokio::io::sink(), encoding, &settings).await;
    }
    drop(place);
}

const CROWDED_OUT: &str = "no hello yet, and other connections wait for its place";

/// Counts a client's fault, and tells the client.
async fn refuse<W: AsyncWrite + Unpin>(end: End, write: &mut W, encoding: Encoding, settings: &Settings) {
    if let End::Fault(kind, details) = end {
        settings.faults.count(kind, &details);
        let reply = Reply::Error { message: format!("{kind}: {}", printable(&details)) };
        let _ = timeout(REFUSAL_WITHIN, send(write, encoding, &reply)).await;
    }
}

/// Takes the first frame, which must be a hello, checks it, and takes a permit for the client.
async fn greet<R: AsyncRead + Unpin>(
    input: &mut Input<R>,
    settings: &Settings,
) -> Result<(Hello, OwnedSemaphorePermit), End> {
    let first = input.next().await;
    if first.is_err() && input.is_tls() {
        return Err(End::Fault(
            "no hello",
            "the client uses TLS, but this address does not: see `[listen] tls`".to_owned(),
        ));
    }
    let Some((payload, _share)) = first? else { return Err(End::Quiet) };
    let (hello, wrong) = match input.encoding().decode(&payload, clock::now()) {
        Ok(Decoded { frame: Frame { message: Message::Hello(hello), .. }, wrong }) => (hello, wrong),
        Ok(Decoded { frame, .. }) => {
            return Err(End::Fault("no hello", format!("the first frame is `{}`, not `hello`", frame.message.kind())));
        }
        Err(error) => return Err(End::Fault("no hello", error.to_string())),
    };
    if !PROTOCOLS.contains(&hello.protocol) {
        let (first, last) = PROTOCOLS.into_inner();
        let details =
            format!("the client has protocol {}, but this ltel has protocols {first} to {last}", hello.protocol);
        return Err(End::Fault("protocol not supported", details));
    }
    if !knows(settings.token.as_ref(), hello.token.as_ref()) {
        return Err(End::Fault("token refused", "the token is missing or wrong; see LTEL_TOKEN".to_owned()));
    }
    let Ok(place) = Arc::clone(&settings.places).try_acquire_owned() else {
        return Err(End::Fault("connection refused", "the limit of `max_connections` is reached".to_owned()));
    };
    settings.faults.count_fields(&wrong, &hello.source.label());
    Ok((hello, place))
}

/// Whether the client's token is right. The time this takes reveals only the token's length.
fn knows(wanted: Option<&SecretString>, token: Option<&Token>) -> bool {
    match (wanted, token) {
        (None, _) => true,
        (Some(wanted), Some(Token(token))) => wanted.expose_secret().as_bytes().ct_eq(token.as_bytes()).into(),
        (Some(_), None) => false,
    }
}

async fn welcome<W: AsyncWrite + Unpin>(
    encoding: Encoding,
    write: &mut W,
    mut hello: Hello,
    pid: Option<u32>,
    place: OwnedSemaphorePermit,
    settings: &Settings,
) -> Result<Client, End> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let connection = NEXT.fetch_add(1, Ordering::Relaxed);
    hello.token = None;
    let (answers, answered) = watch::channel(Answers::default());
    let (welcome, welcomed) = oneshot::channel();
    let delivery = Delivery::Hello { connection, encoding, hello: Box::new(hello), pid, answers, welcome };
    if settings.deliveries.send(delivery).await.is_err() {
        return Err(End::Quiet);
    }
    let Ok(Welcome { last_seq, features }) = welcomed.await else { return Err(End::Quiet) };
    match send(write, encoding, &Reply::Welcome { last_seq, features }).await {
        Ok(()) => Ok(Client { connection, answers: answered, _place: place }),
        Err(_) => {
            tracing::debug!("client {connection} has left");
            let _ = settings.deliveries.send(Delivery::Closed { connection }).await;
            Err(End::Quiet)
        }
    }
}

/// Waits until the client has to come again.
async fn told_to_leave(mut answers: watch::Receiver<Answers>) {
    if answers.wait_for(|answers| answers.leave).await.is_err() {
        // The runs have released the connection, which ends in its own time.
        std::future::pending::<()>().await;
    }
}

/// Passes on frames until the connection ends.
async fn frames<R: AsyncRead + Unpin>(input: &mut Input<R>, connection: u64, settings: &Settings) -> End {
    loop {
        let (payload, share) = match input.next().await {
            Ok(Some(received)) => received,
            Ok(None) => return End::Quiet,
            Err(end) => return end,
        };
        tracing::trace!("client {connection} has sent a frame of {} bytes", payload.len());
        // Waits while the runs are busy: then the socket's buffers fill, then the client's.
        if settings.deliveries.send(Delivery::Frame { connection, payload, share }).await.is_err() {
            return End::Quiet;
        }
    }
}

/// Sends the client the latest answers only: a client that does not read must not block us. Returns the writer if it still
/// works.
async fn answer<W: AsyncWrite + Unpin>(
    mut write: W,
    encoding: Encoding,
    mut answers: watch::Receiver<Answers>,
) -> Option<W> {
    let mut told: Option<Arc<Stop>> = None;
    loop {
        let closed = answers.changed().await.is_err();
        let Answers { acknowledged: seq, stop, .. } = answers.borrow_and_update().clone();
        if let Some(stop) = stop.filter(|stop| told.as_ref() != Some(stop)) {
            let reply = Reply::Stop { run_id: stop.run_id.clone(), reason: stop.reason.clone() };
            send(&mut write, encoding, &reply).await.ok()?;
            told = Some(stop);
        }
        if seq > 0 && send(&mut write, encoding, &Reply::Ack { seq }).await.is_err() {
            return None;
        }
        if closed {
            return Some(write);
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(write: &mut W, encoding: Encoding, reply: &Reply) -> io::Result<()> {
    let frame = encoding.encode_reply(reply).map_err(io::Error::other)?;
    write.write_all(&frame).await?;
    write.flush().await
}
