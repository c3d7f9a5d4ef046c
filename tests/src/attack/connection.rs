//! A client's end of a connection, over either socket and in either encoding, that can send anything.

use std::io;
use std::path::PathBuf;

use ltel_core::wire::{Encoding, Frame, Hello, Message};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};

/// Where ltel listens.
#[derive(Clone, Debug)]
pub(super) struct Place {
    pub(super) unix: PathBuf,
    pub(super) tcp: u16,
}

trait Stream: AsyncRead + AsyncWrite + Send + Unpin {}
impl<T: AsyncRead + AsyncWrite + Send + Unpin> Stream for T {}

/// An open connection.
pub(super) struct Connection {
    stream: Box<dyn Stream>,
    pub(super) encoding: Encoding,
    pub(super) seq: u64,
}

impl Connection {
    /// Opens one and says nothing.
    pub(super) async fn open(place: &Place, over_tcp: bool, encoding: Encoding) -> io::Result<Self> {
        let stream: Box<dyn Stream> = if over_tcp {
            Box::new(TcpStream::connect(("127.0.0.1", place.tcp)).await?)
        } else {
            Box::new(UnixStream::connect(&place.unix).await?)
        };
        Ok(Self { stream, encoding, seq: 0 })
    }

    /// Says `hello` and waits for an answer.
    pub(super) async fn greet(&mut self, hello: Hello) -> io::Result<()> {
        let frame = Frame { seq: None, message: Message::Hello(hello) };
        self.raw(&self.encoding.encode(&frame).expect("a frame")).await?;
        self.hear().await
    }

    /// Waits until ltel says something; an error if it says nothing any more.
    pub(super) async fn hear(&mut self) -> io::Result<()> {
        let size = self.stream.read(&mut [0; 4096]).await?;
        if size == 0 { Err(io::ErrorKind::UnexpectedEof.into()) } else { Ok(()) }
    }

    /// The bytes of a frame with the next number.
    pub(super) fn frame(&mut self, message: impl Into<Message<'static>>) -> Vec<u8> {
        self.seq += 1;
        self.encoding.encode(&Frame { seq: Some(self.seq), message: message.into() }).expect("a frame")
    }

    /// Sends a frame with the next number.
    pub(super) async fn send(&mut self, message: impl Into<Message<'static>>) -> io::Result<()> {
        let frame = self.frame(message);
        self.raw(&frame).await
    }

    /// Sends bytes as they are.
    pub(super) async fn raw(&mut self, bytes: &[u8]) -> io::Result<()> {
        self.stream.write_all(bytes).await
    }
}
