//! Connections in memory, with a paused clock.

use std::future::ready;
use std::sync::Arc;
use std::time::Duration;

use bytes::BytesMut;
use ltel_core::wire::{Encoding, Features, Frame, Hello, Message, PROTOCOL, Reply, Splitter, Token};
use tokio::io::{AsyncReadExt, AsyncWriteExt, DuplexStream, duplex, split};
use tokio::sync::Semaphore;
use tokio::sync::mpsc::{Receiver, channel};
use tokio::time::Instant;
use tokio_util::task::TaskTracker;

use super::buffers::Buffers;
use super::connection::{self, Settings};
use super::delivery::{Delivery, Welcome};
use super::faults::Faults;
use super::newcomers::Newcomers;

const FRAME: usize = 1 << 20;

/// The connections' part of ltel alone.
struct House {
    settings: Arc<Settings>,
    newcomers: Newcomers,
    deliveries: Receiver<Delivery>,
}

impl House {
    fn new(max_connections: usize, buffered: usize, token: Option<&str>) -> Self {
        let (deliver, deliveries) = channel(64);
        let settings = Settings {
            max_frame_bytes: FRAME,
            buffers: Buffers::new(buffered, FRAME),
            token: token.map(Into::into),
            deliveries: deliver,
            faults: Arc::new(Faults::default()),
            places: Arc::new(Semaphore::new(max_connections)),
            answers: TaskTracker::new(),
        };
        Self { settings: Arc::new(settings), newcomers: Newcomers::default(), deliveries }
    }

    async fn connect(&self) -> DuplexStream {
        let (client, server) = duplex(64 << 20);
        let newcomer = self.newcomers.admit().await;
        tokio::spawn(connection::serve(ready(Ok(split(server))), None, newcomer, Arc::clone(&self.settings)));
        client
    }

    /// A client that was accepted.
    async fn client(&mut self) -> DuplexStream {
        let mut client = self.connect().await;
        client.write_all(&hello(None)).await.expect("room");
        let welcome = loop {
            match self.deliveries.recv().await {
                Some(Delivery::Hello { welcome, .. }) => break welcome,
                Some(Delivery::Closed { .. }) => {}
                other => panic!("a hello, not {other:?}"),
            }
        };
        welcome.send(Welcome { last_seq: 0, features: Features::default() }).expect("a connection");
        assert!(matches!(reply(&mut client).await, Some(Reply::Welcome { .. })));
        client
    }

    /// The size of the next frame. It is recorded at once.
    async fn frame(&mut self) -> usize {
        match self.deliveries.recv().await {
            Some(Delivery::Frame { payload, .. }) => payload.len(),
            other => panic!("a frame, not {other:?}"),
        }
    }

    fn faults(&self, kind: &str) -> u64 {
        self.settings.faults.counts().get(kind).copied().unwrap_or(0)
    }
}

fn hello(token: Option<&str>) -> Vec<u8> {
    let token = token.map(|token| Token(token.to_owned()));
    let hello = Hello { protocol: PROTOCOL, client_id: "c".to_owned(), token, ..Hello::default() };
    Encoding::MessagePack.encode(&Frame { seq: None, message: Message::Hello(hello) }).expect("a frame")
}

/// The next reply of ltel; `None` if it has closed the connection.
async fn reply(client: &mut DuplexStream) -> Option<Reply> {
    let (mut splitter, mut buffer) = (Splitter::new(Encoding::MessagePack, FRAME), BytesMut::new());
    loop {
        if let Some(frame) = splitter.next_frame(&mut buffer).expect("a frame") {
            return Some(Encoding::MessagePack.decode_reply(&frame).expect("a reply"));
        }
        if client.read_buf(&mut buffer).await.ok()? == 0 {
            return None;
        }
    }
}

async fn refusal(client: &mut DuplexStream) -> String {
    match reply(client).await {
        Some(Reply::Error { message }) => message,
        other => panic!("a refusal, not {other:?}"),
    }
}

/// A frame of this many bytes, without its length prefix.
fn frame(size: usize) -> Vec<u8> {
    let length = u32::try_from(size).expect("a length");
    length.to_be_bytes().into_iter().chain(std::iter::repeat_n(0, size)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_hello_has_64_kib_and_ten_seconds() {
    let house = House::new(10, 4 * FRAME, None);
    let mut large = house.connect().await;
    large.write_all(&frame(1 << 20)).await.expect("room");
    assert!(refusal(&mut large).await.contains("the limit is 65536"));

    let begun = Instant::now();
    let mut dripping = house.connect().await;
    let drip = async {
        for byte in &frame(100) {
            let _ = dripping.write_all(&[*byte]).await;
            tokio::time::sleep(Duration::from_secs(1)).await;
        }
    };
    tokio::select! { () = drip => {}, () = tokio::time::sleep(Duration::from_secs(11)) => {} }
    assert!(refusal(&mut dripping).await.contains("no hello: nothing within 10 s"));
    assert!(begun.elapsed() < Duration::from_secs(12));
    let mut tls = house.connect().await;
    tls.write_all(&[0x16, 3, 1, 2, 0, 1]).await.expect("room");
    assert!(refusal(&mut tls).await.contains("uses TLS"));
}

/// Guarantees: plugins of each protocol that this ltel understands are let in, and no others.
#[tokio::test(start_paused = true)]
async fn versions_of_the_protocol() {
    let mut house = House::new(10, 4 * FRAME, None);
    for (protocol, is_understood) in [(0, false), (1, true), (2, true), (3, false)] {
        let mut client = house.connect().await;
        let hello = Hello { protocol, client_id: "c".to_owned(), ..Hello::default() };
        let frame = Frame { seq: None, message: Message::Hello(hello) };
        client.write_all(&Encoding::MessagePack.encode(&frame).expect("a frame")).await.expect("room");
        if is_understood {
            let Some(Delivery::Hello { hello, .. }) = house.deliveries.recv().await else { panic!("a hello") };
            assert_eq!(hello.protocol, protocol);
        } else {
            assert!(refusal(&mut client).await.contains("this ltel has protocols 1 to 2"), "{protocol}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn the_token_is_compared_whole() {
    let house = House::new(10, 4 * FRAME, Some("secret"));
    for wrong in [None, Some(""), Some("secre"), Some("secret2"), Some("Secret")] {
        let mut client = house.connect().await;
        client.write_all(&hello(wrong)).await.expect("room");
        assert!(refusal(&mut client).await.contains("token refused"), "{wrong:?}");
    }
    assert!(!format!("{:?}", house.settings).contains("secret"));
    let mut house = house;
    let mut client = house.connect().await;
    client.write_all(&hello(Some("secret"))).await.expect("room");
    let Some(Delivery::Hello { hello, .. }) = house.deliveries.recv().await else { panic!("a hello") };
    assert_eq!(hello.token, None);
}

#[tokio::test(start_paused = true)]
async fn who_has_not_been_welcomed_takes_no_clients_place() {
    let mut house = House::new(2, 4 * FRAME, None);
    let mut idle = Vec::new();
    for _ in 0..100 {
        idle.push(house.connect().await);
    }
    let (first, _second) = (house.client().await, house.client().await);
    let mut third = house.connect().await;
    third.write_all(&hello(None)).await.expect("room");
    assert!(refusal(&mut third).await.contains("`max_connections`"));
    drop(first);
    assert!(matches!(house.deliveries.recv().await, Some(Delivery::Closed { .. })));
    house.client().await;
}

/// Scenario: a client sends a byte of its frame each 20 seconds.
#[tokio::test(start_paused = true)]
async fn a_frame_has_a_deadline_as_a_whole() {
    let mut house = House::new(2, 4 * FRAME, None);
    let mut client = house.client().await;
    let begun = Instant::now();
    client.write_all(&frame(100)[..10]).await.expect("room");
    tokio::time::sleep(Duration::from_secs(20)).await;
    client.write_all(&[0]).await.expect("room");
    assert!(refusal(&mut client).await.contains("slow frame"));
    assert_eq!(begun.elapsed().as_secs(), 30);
    // Silence is not a fault.
    let mut client = house.client().await;
    tokio::time::sleep(Duration::from_secs(1_000)).await;
    client.write_all(&frame(100)).await.expect("room");
    assert_eq!(house.faults("slow frame"), 1);
}

/// Scenario: the buffers have room for four large frames; eight clients send nearly all of one each, and a ninth a whole one.
#[tokio::test(start_paused = true)]
async fn what_all_connections_buffer_is_bounded_and_one_can_always_go_on() {
    let mut house = House::new(20, 4 * FRAME, None);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut client = house.client().await;
        client.write_all(&frame(FRAME)[..FRAME - 10]).await.expect("room");
        slow.push(client);
    }
    let mut good = house.client().await;
    tokio::time::sleep(Duration::from_millis(100)).await;
    let begun = Instant::now();
    good.write_all(&frame(FRAME)).await.expect("room");
    good.write_all(&frame(1_000)).await.expect("room");
    loop {
        match house.deliveries.recv().await {
            Some(Delivery::Closed { .. }) => {}
            Some(Delivery::Frame { payload, share, .. }) => {
                assert_eq!(payload.len(), FRAME);
                drop(share);
                break;
            }
            other => panic!("{other:?}"),
        }
    }
    assert!(begun.elapsed() <= Duration::from_secs(30), "{:?}", begun.elapsed());
    assert_eq!(house.frame().await, 1_000);
    assert!(house.faults("slow frame") > 0);
    // All room is free again.
    drop(slow);
    drop(good);
    while let Some(Delivery::Closed { .. }) = house.deliveries.recv().await {
        if house.settings.places.available_permits() == 20 {
            break;
        }
    }
    tokio::time::sleep(Duration::from_mins(1)).await;
    assert_eq!(house.settings.buffers.free(), 3 * FRAME);
}

/// Scenario: the runs are busy, and a client keeps sending.
#[tokio::test(start_paused = true)]
async fn frames_that_are_not_recorded_keep_their_room() {
    let mut house = House::new(20, 4 * FRAME, None);
    let mut client = house.client().await;
    for _ in 0..20 {
        client.write_all(&frame(FRAME / 2)).await.expect("room");
    }
    tokio::time::sleep(Duration::from_secs(10)).await;
    // Half a megabyte each: three megabytes, and one frame more.
    assert_eq!(house.deliveries.len(), 7);
    for _ in 0..20 {
        assert_eq!(house.frame().await, FRAME / 2);
    }
    assert_eq!(house.faults("no room for a frame"), 0);
}
