//! One client's connection: bytes in, frames on to the runs, acknowledgements back.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use bytes::{Bytes, BytesMut};
use ltel_core::wire::{Decoded, Encoding, Frame, Hello, Message, PROTOCOL, Reply, Splitter};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::sync::mpsc::Sender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::time::timeout;
use tokio_util::task::TaskTracker;

use super::delivery::{Delivery, Welcome};
use crate::clock;
use crate::runs::faults::Faults;

// Bounded: who connects and says nothing, or half a frame, must not hold a place for ever.
const HELLO_WITHIN: Duration = Duration::from_secs(10);
const FRAME_WITHIN: Duration = Duration::from_secs(30);

/// What all connections share.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) max_frame_bytes: usize,
    pub(crate) token: Option<String>,
    pub(crate) deliveries: Sender<Delivery>,
    pub(crate) faults: Arc<Faults>,
    /// A place for each connection that may be open at a time.
    pub(crate) places: Arc<Semaphore>,
    /// What is still to be said to clients, for whoever ends ltel.
    pub(crate) answers: TaskTracker,
}

/// Why a connection ends before the client ends it.
enum End {
    /// The client closed it, or ltel is stopping.
    Quiet,
    /// A fault of the client's: what kind, and what to tell it.
    Fault(&'static str, String),
}

/// Serves a connection in a task of its own, if there is a place for it.
pub(crate) fn start<R, W>(read: R, write: W, pid: Option<u32>, settings: &Arc<Settings>)
where
    R: AsyncRead + Unpin + Send + 'static,
    W: AsyncWrite + Unpin + Send + 'static,
{
    match Arc::clone(&settings.places).try_acquire_owned() {
        Ok(place) => drop(tokio::spawn(serve(read, write, pid, place, Arc::clone(settings)))),
        Err(_) => settings.faults.count("connection refused", &"as many as `max_connections` are open"),
    }
}

/// Serves one connection to its end.
async fn serve<R, W>(read: R, mut write: W, pid: Option<u32>, place: OwnedSemaphorePermit, settings: Arc<Settings>)
where
    R: AsyncRead + Unpin + Send,
    W: AsyncWrite + Unpin + Send + 'static,
{
    let mut input = Input { read, buffer: BytesMut::new(), splitter: None, limit: settings.max_frame_bytes };
    let greeted = match timeout(HELLO_WITHIN, greet(&mut input, &settings)).await {
        Ok(greeted) => greeted,
        Err(_) => Err(End::Fault("no hello", format!("nothing within {} s", HELLO_WITHIN.as_secs()))),
    };
    let encoding = input.encoding();
    let end = match greeted {
        Ok(hello) => match client(&mut input, &mut write, hello, pid, &settings).await {
            Ok((connection, acks)) => {
                let acknowledge = settings.answers.spawn(acknowledge(write, encoding, acks));
                let end = frames(&mut input, connection, &settings).await;
                let _answer = settings.answers.token();
                let _ = settings.deliveries.send(Delivery::Closed { connection }).await;
                // The last acknowledgement goes out when the runs let go of this connection.
                if let Ok(Ok(Some(mut write))) = timeout(HELLO_WITHIN, acknowledge).await {
                    refuse(end, &mut write, encoding, &settings).await;
                    let _ = write.shutdown().await;
                } else {
                    refuse(end, &mut tokio::io::sink(), encoding, &settings).await;
                }
                drop(place);
                return;
            }
            Err(end) => end,
        },
        Err(end) => end,
    };
    refuse(end, &mut write, encoding, &settings).await;
}

/// Counts what a client did wrong, and tells it.
async fn refuse<W: AsyncWrite + Unpin>(end: End, write: &mut W, encoding: Encoding, settings: &Settings) {
    if let End::Fault(kind, details) = end {
        settings.faults.count(kind, &details);
        let reply = Reply::Error { message: format!("{kind}: {details}") };
        let _ = timeout(HELLO_WITHIN, send(write, encoding, &reply)).await;
    }
}

/// Takes the first frame, which must be a hello that we can accept.
async fn greet<R: AsyncRead + Unpin>(input: &mut Input<R>, settings: &Settings) -> Result<Hello, End> {
    let Some(payload) = input.next().await? else { return Err(End::Quiet) };
    let (hello, wrong) = match input.encoding().decode(&payload, clock::now()) {
        Ok(Decoded { frame: Frame { message: Message::Hello(hello), .. }, wrong }) => (hello, wrong),
        Ok(Decoded { frame, .. }) => {
            return Err(End::Fault("no hello", format!("the first frame is `{}`, not `hello`", frame.message.kind())));
        }
        Err(error) => return Err(End::Fault("no hello", error.to_string())),
    };
    if hello.protocol != PROTOCOL {
        let details = format!("the client speaks protocol {}, this ltel speaks {PROTOCOL}", hello.protocol);
        return Err(End::Fault("protocol not supported", details));
    }
    if settings.token.is_some() && settings.token != hello.token {
        return Err(End::Fault("token refused", "the token is missing or wrong; see LTEL_TOKEN".to_owned()));
    }
    settings.faults.count_fields(&wrong, &hello.source.label());
    Ok(hello)
}

async fn client<R, W: AsyncWrite + Unpin>(
    input: &mut Input<R>,
    write: &mut W,
    hello: Hello,
    pid: Option<u32>,
    settings: &Settings,
) -> Result<(u64, watch::Receiver<u64>), End> {
    static NEXT: AtomicU64 = AtomicU64::new(1);
    let connection = NEXT.fetch_add(1, Ordering::Relaxed);
    let encoding = input.encoding();
    let (acks, acked) = watch::channel(0);
    let (welcome, welcomed) = oneshot::channel();
    let delivery = Delivery::Hello { connection, encoding, hello: Box::new(hello), pid, acks, welcome };
    if settings.deliveries.send(delivery).await.is_err() {
        return Err(End::Quiet);
    }
    let Ok(Welcome { last_seq, features }) = welcomed.await else { return Err(End::Quiet) };
    match send(write, encoding, &Reply::Welcome { last_seq, features }).await {
        Ok(()) => Ok((connection, acked)),
        Err(_) => {
            let _ = settings.deliveries.send(Delivery::Closed { connection }).await;
            Err(End::Quiet)
        }
    }
}

/// Hands on frames until the connection ends.
async fn frames<R: AsyncRead + Unpin>(input: &mut Input<R>, connection: u64, settings: &Settings) -> End {
    loop {
        let payload = match input.next().await {
            Ok(Some(payload)) => payload,
            Ok(None) => return End::Quiet,
            Err(end) => return end,
        };
        // Waits while the runs are busy: then the socket's buffers fill, and the client's own.
        if settings.deliveries.send(Delivery::Frame { connection, payload }).await.is_err() {
            return End::Quiet;
        }
    }
}

/// Tells the client what has been processed, the latest only: a client that does not read must not make us wait. Gives back
/// where it wrote to, if that still takes something.
async fn acknowledge<W: AsyncWrite + Unpin>(
    mut write: W,
    encoding: Encoding,
    mut acks: watch::Receiver<u64>,
) -> Option<W> {
    loop {
        let closed = acks.changed().await.is_err();
        let seq = *acks.borrow_and_update();
        if seq > 0 && send(&mut write, encoding, &Reply::Ack { seq }).await.is_err() {
            return None;
        }
        if closed {
            return Some(write);
        }
    }
}

async fn send<W: AsyncWrite + Unpin>(write: &mut W, encoding: Encoding, reply: &Reply) -> std::io::Result<()> {
    let frame = encoding.encode_reply(reply).map_err(std::io::Error::other)?;
    write.write_all(&frame).await?;
    write.flush().await
}

/// A connection's bytes, as frames.
struct Input<R> {
    read: R,
    buffer: BytesMut,
    splitter: Option<(Encoding, Splitter)>,
    limit: usize,
}

impl<R> Input<R> {
    fn encoding(&self) -> Encoding {
        self.splitter.as_ref().map_or(Encoding::JsonLines, |(encoding, _)| *encoding)
    }
}

impl<R: AsyncRead + Unpin> Input<R> {
    /// The next frame; nothing at the end.
    async fn next(&mut self) -> Result<Option<Bytes>, End> {
        loop {
            if let (None, Some(first)) = (&self.splitter, self.buffer.first()) {
                let encoding = Encoding::detect(*first);
                self.splitter = Some((encoding, Splitter::new(encoding, self.limit)));
            }
            if let Some((_, splitter)) = &mut self.splitter {
                match splitter.next_frame(&mut self.buffer) {
                    Ok(Some(frame)) => return Ok(Some(frame)),
                    Ok(None) => {}
                    Err(error) => return Err(End::Fault("frame refused", error.to_string())),
                }
            }
            self.buffer.reserve(64 << 10);
            let within_frame = !self.buffer.is_empty();
            let read = self.read.read_buf(&mut self.buffer);
            let read = if within_frame {
                match timeout(FRAME_WITHIN, read).await {
                    Ok(read) => read,
                    Err(_) => {
                        let details = format!("half a frame, and nothing for {} s", FRAME_WITHIN.as_secs());
                        return Err(End::Fault("slow frame", details));
                    }
                }
            } else {
                read.await
            };
            match read {
                Ok(0) if self.buffer.is_empty() => return Ok(None),
                Ok(0) => return Err(End::Fault("truncated frame", "the connection ended within a frame".to_owned())),
                Ok(_) => {}
                // However it broke: the client will come back if it wants to.
                Err(_) => return Ok(None),
            }
        }
    }
}
