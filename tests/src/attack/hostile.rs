//! Hostile clients. Each kind repeats one thing that takes room or time.

use std::future::Future;
use std::io;
use std::pin::Pin;
use std::sync::OnceLock;
use std::time::Duration;

use ltel_core::event::{Custom, Request, TestStart, UserError, Users};
use ltel_core::source::SourceKind;
use ltel_core::wire::{Done, Encoding, Frame, Hello, Message, Rows};
use serde_json::json;
use tokio::time::{sleep, timeout};

use super::connection::{Connection, Place};
use super::fuzz;
use super::random::Random;
use crate::client::{hello, hello_of, row, traced};

/// A kind of hostile client.
pub(super) struct Kind {
    /// What it does.
    pub(super) name: &'static str,
    /// How many of a thousand clients are of this kind, where there are all kinds.
    pub(super) share: usize,
    /// Does it once, on a connection of its own.
    pub(super) once: fn(Hostile) -> Doing,
}

type Doing = Pin<Box<dyn Future<Output = io::Result<()>> + Send>>;

/// One hostile client, about to do it once more.
pub(super) struct Hostile {
    pub(super) place: Place,
    pub(super) random: Random,
    /// Its number among all clients.
    pub(super) number: usize,
}

macro_rules! kinds {
    ($($share:literal $once:ident $name:literal,)*) => {
        /// All kinds.
        pub(super) const KINDS: &[Kind] =
            &[$(Kind { name: $name, share: $share, once: |hostile| Box::pin($once(hostile)) }),*];
    };
}
kinds!(
    200 says_nothing "connections that never say hello",
    120 one_byte_a_second "a byte a second of a hello",
    120 slow_frame "a byte a second of a frame, after all but the last kilobyte at once",
    100 half_frames "half a frame",
    60 unwelcome "a large frame in place of hello",
    50 huge_frames "frames of up to 8 MiB, and more",
    40 tiny_frames "tiny frames of no run",
    40 long_ids "ids of 7 MiB",
    20 long_names "names and errors of a megabyte, all different",
    60 fuzzed "frames changed at random",
    20 many_endpoints "runs of 2,000 endpoints with long names",
    60 comes_again "reconnecting with the same client_id",
    40 runs "runs that begin and do not end",
    30 ends_runs "runs that begin and end",
    20 custom_events "custom events",
    10 spans "traced requests",
    10 many_rows "frames of a hundred thousand rows",
);

// A client that waits does so for this long at most; then it begins anew.
const PATIENCE: Duration = Duration::from_secs(20);

impl Hostile {
    fn encoding(&mut self) -> Encoding {
        self.random.one_of(&[Encoding::MessagePack, Encoding::JsonLines])
    }

    async fn open(&mut self) -> io::Result<Connection> {
        let encoding = self.encoding();
        let over_tcp = self.random.below(2) == 0;
        Connection::open(&self.place, over_tcp, encoding).await
    }

    fn id(&mut self) -> String {
        format!("hostile-{}-{}", self.number, self.random.next())
    }

    async fn welcomed(&mut self, hello: Hello) -> io::Result<Connection> {
        let mut connection = self.open().await?;
        within(connection.greet(hello)).await?;
        Ok(connection)
    }
}

async fn within(what: impl Future<Output = io::Result<()>>) -> io::Result<()> {
    timeout(PATIENCE, what).await.unwrap_or(Ok(()))
}

fn long_text(begins: &str, length: usize) -> String {
    begins.to_owned() + &"x".repeat(length)
}

fn named(name: u64, failed: bool) -> Request<'static> {
    Request { name: name.to_string().into(), ..row("", 1.0, failed) }
}

fn begins(run_id: &str) -> TestStart {
    TestStart { time: 1.7e9, run_id: Some(run_id.to_owned()), ..TestStart::default() }
}

/// A frame of so many rows, without a number: large ones are made once.
fn rows_frame(encoding: Encoding, rows: usize) -> Vec<u8> {
    let rows = Rows { rows: vec![row("one of many", 1.0, false); rows], ..Rows::default() };
    encoding.encode(&Frame { seq: None, message: Message::Requests(rows) }).expect("a frame")
}

/// The same in each encoding, made once.
#[derive(Debug)]
struct Made(OnceLock<[Vec<u8>; 2]>, usize);

static MANY_ROWS: Made = Made::of_rows(40_000);
static MOST_ROWS: Made = Made::of_rows(100_000);

impl Made {
    const fn of_rows(rows: usize) -> Self {
        Self(OnceLock::new(), rows)
    }

    fn get(&self, encoding: Encoding) -> &[u8] {
        let make = || [Encoding::MessagePack, Encoding::JsonLines].map(|encoding| rows_frame(encoding, self.1));
        &self.0.get_or_init(make)[usize::from(encoding == Encoding::JsonLines)]
    }
}

async fn says_nothing(mut hostile: Hostile) -> io::Result<()> {
    let mut connection = hostile.open().await?;
    within(connection.hear()).await
}

async fn slowly(connection: &mut Connection, bytes: &[u8]) -> io::Result<()> {
    for byte in bytes.iter().take(20) {
        connection.raw(&[*byte]).await?;
        sleep(Duration::from_secs(1)).await;
    }
    Ok(())
}

async fn one_byte_a_second(mut hostile: Hostile) -> io::Result<()> {
    let mut connection = hostile.open().await?;
    let id = hostile.id();
    let bytes = connection.frame(Message::Hello(hello(&id)));
    slowly(&mut connection, &bytes).await
}

async fn slow_frame(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    let bytes = MANY_ROWS.get(connection.encoding);
    let (most, last) = bytes.split_at(bytes.len() - 1_000);
    connection.raw(most).await?;
    slowly(&mut connection, last).await
}

async fn half_frames(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    let rows = (0..10).map(|n| row("half", f64::from(n), true)).collect();
    let bytes = connection.frame(Message::Requests(Rows { rows, ..Rows::default() }));
    connection.raw(&bytes[..bytes.len() / 2]).await?;
    sleep(Duration::from_millis(200)).await;
    Ok(())
}

async fn unwelcome(mut hostile: Hostile) -> io::Result<()> {
    let mut connection = hostile.open().await?;
    let bytes = match connection.encoding {
        Encoding::MessagePack => [&(8_u32 << 20).to_be_bytes()[..], &vec![0xc0; 7 << 20]].concat(),
        Encoding::JsonLines => [&b"{\"type\":\"hello\",\"client_id\":\""[..], &vec![b'x'; 7 << 20]].concat(),
    };
    connection.raw(&bytes).await?;
    within(connection.hear()).await
}

async fn huge_frames(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    let length = hostile.random.one_of(&[(8 << 20) - 100, 8 << 20, (8 << 20) + 1, 1 << 30, u32::MAX]);
    let sent = (8 << 20) - 1_000;
    let bytes = match connection.encoding {
        Encoding::MessagePack => [&length.to_be_bytes()[..], &vec![0xc0; sent]].concat(),
        Encoding::JsonLines => vec![b' '; sent],
    };
    connection.raw(&bytes).await?;
    within(connection.hear()).await
}

async fn tiny_frames(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let kind = hostile.random.one_of(&[SourceKind::Local, SourceKind::Master, SourceKind::Worker]);
    let mut connection = hostile.welcomed(hello_of(kind, &id)).await?;
    let mut frames = Vec::new();
    for n in 0..2_000_u32 {
        frames.extend(match n % 4 {
            0 => connection.frame(Users::default()),
            1 => connection.frame(UserError::default()),
            2 => connection.frame(Message::Requests(Rows { rows: vec![row("t", 1.0, false)], ..Rows::default() })),
            _ => connection.frame(Message::Heartbeat),
        });
    }
    connection.raw(&frames).await
}

async fn long_ids(mut hostile: Hostile) -> io::Result<()> {
    let begin = hostile.id();
    let long = long_text(&begin, 7 << 20);
    let which = hostile.random.below(5);
    let greeting = match which {
        0 => hello(&long),
        1 => hello_of(SourceKind::Worker, &long),
        2 => Hello { run_id: Some(long.clone()), ..hello(&begin) },
        _ => hello(&begin),
    };
    let mut connection = hostile.welcomed(greeting).await?;
    connection.send(begins(if which == 3 { &long } else { &begin })).await?;
    let testplan = if which == 4 { long } else { begin.clone() };
    connection.send(TestStart { testplan: Some(testplan), ..begins(&begin) }).await?;
    connection.send(Message::Done(Done { sources: Some(vec![begin; 100]), ..Done::default() })).await?;
    within(connection.hear()).await
}

async fn long_names(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    // All in one run, which takes no more of them.
    connection.send(begins("long-names")).await?;
    for _ in 0..4 {
        let mut long = row("", 1.0, true);
        long.name = long_text(&hostile.random.next().to_string(), 1 << 20).into();
        if let Some(error) = &mut long.error {
            error.text = long_text(&hostile.random.next().to_string(), 1 << 20).into();
        }
        connection.send(Message::Requests(Rows { rows: vec![long], ..Rows::default() })).await?;
    }
    let rows = (0..1_000).map(|_| named(hostile.random.next(), false)).collect();
    connection.send(Message::Requests(Rows { rows, ..Rows::default() })).await
}

async fn fuzzed(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection =
        if hostile.random.below(10) == 0 { hostile.open().await? } else { hostile.welcomed(hello(&id)).await? };
    for _ in 0..200 {
        connection.seq += 1;
        let bytes = fuzz::frame(connection.encoding, connection.seq, &mut hostile.random);
        connection.raw(&bytes).await?;
    }
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

async fn comes_again(mut hostile: Hostile) -> io::Result<()> {
    let mut connection = hostile.welcomed(hello("again")).await?;
    connection.send(begins("again")).await?;
    connection.send(Message::Requests(Rows { rows: vec![row("again", 1.0, false)], ..Rows::default() })).await?;
    sleep(Duration::from_millis(10)).await;
    Ok(())
}

async fn runs(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    for _ in 0..20 {
        let run_id = hostile.id();
        connection.send(begins(&run_id)).await?;
        connection.send(Message::Requests(Rows { rows: vec![row("run", 1.0, false)], ..Rows::default() })).await?;
    }
    within(connection.hear()).await?;
    sleep(Duration::from_millis(100)).await;
    Ok(())
}

async fn ends_runs(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    connection.send(begins(&id)).await?;
    let rows = (0..200).map(|n| named(n, true)).collect();
    connection.send(Message::Requests(Rows { rows, ..Rows::default() })).await?;
    connection.send(Message::Done(Done { sent: Some(200), ..Done::default() })).await?;
    within(connection.hear()).await
}

async fn many_endpoints(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    connection.send(begins(&id)).await?;
    for part in 0..20 {
        let name = |n| Request { name: long_text(&format!("{id} {part} {n} "), 900).into(), ..row("", 1.0, true) };
        let rows = (0..100).map(name).collect();
        connection.send(Message::Requests(Rows { rows, ..Rows::default() })).await?;
    }
    within(connection.hear()).await?;
    // As many runs at a time as there may be.
    sleep(Duration::from_secs(5)).await;
    Ok(())
}

async fn custom_events(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    connection.send(begins(&id)).await?;
    for n in 0..100 {
        let attributes = (0..50).map(|key| (format!("key {key}"), json!(long_text("", n)))).collect();
        connection.send(Custom { name: format!("event {n}"), attributes, ..Custom::default() }).await?;
    }
    Ok(())
}

async fn spans(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    connection.send(begins(&id)).await?;
    let url = long_text("http://host/", 2_000);
    for _ in 0..10 {
        let rows = (0..500).map(|_| traced(hostile.random.next(), &url)).collect();
        connection.send(Message::Requests(Rows { rows, ..Rows::default() })).await?;
    }
    Ok(())
}

async fn many_rows(mut hostile: Hostile) -> io::Result<()> {
    let id = hostile.id();
    let mut connection = hostile.welcomed(hello(&id)).await?;
    connection.send(begins(&id)).await?;
    connection.raw(MOST_ROWS.get(connection.encoding)).await?;
    within(connection.hear()).await
}
