//! Runs: which sources take part in them, what each has sent, what happened to it, and when a run is complete.
//!
//! [`Runs`] is a state machine without I/O, clock and task: its inputs are the frames of clients with their times, its
//! outputs are [`Effects`]. Clients, runs and sources are known by index, and a frame of an active run costs the same however
//! many there are of each: only what a frame has changed is checked again.
//!
//! In the order in which a frame passes: `client` finds its sender, `membership` its run, `held` keeps it while the run is not
//! known, `recording` passes it to its run, `run` counts it, `completion` decides when the run is over, `ending` ends it, and
//! `account` states what happened to each request.

mod index;
mod info;
mod client;
mod membership;
mod held;
mod run;
mod recording;
mod completion;
mod ending;
mod account;
mod effects;
#[cfg(test)]
mod tests;

use std::collections::{BTreeSet, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use opentelemetry::KeyValue;
use slab::Slab;

pub use account::{DropReason, NoRunAccount, RunAccount, SourceAccount, SourceStatus};
pub use effects::{Effects, Notice, Seen};
pub use index::{ClientIndex, RunIndex, SourceIndex};
pub use info::{RunInfo, SourceInfo};
pub use run::{MASTER, Run};

use client::{Client, Membership, Place};
use held::Held;

use crate::clock::Now;
use crate::event::{Event, TestStart, Usage};
use crate::wire::{Encoding, Hello, Parts};

// Clients number their frames consecutively; dropped frames leave gaps. No test makes this many frames.
const FAR_AHEAD: u64 = 1 << 32;

/// Limits.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Limits {
    /// Active runs at a time.
    pub runs: usize,
    /// Sources of one run; and as many again that other sources have named and that never joined.
    pub sources: usize,
    /// Bytes of frames that wait for their run, of all clients. One client may use an eighth of it.
    pub held_bytes: usize,
    /// Bytes of what recorders keep of the runs at work, by estimate: series, and figures of endpoints and errors.
    pub recorder_bytes: usize,
    /// Clients that are remembered after they have disconnected.
    pub clients: usize,
    /// Ended runs that are remembered.
    pub ended_runs: usize,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            runs: 32,
            sources: 10_000,
            held_bytes: 16 << 20,
            recorder_bytes: 96 << 20,
            clients: 16_384,
            ended_runs: 64,
        }
    }
}

/// Settings of [`Runs`].
#[derive(Clone, Debug, Default)]
pub struct Settings {
    /// How long a source may be disconnected before its part of a run counts as over.
    pub grace: Duration,
    /// The name of the test plan, if Locust does not send one.
    pub testplan: Option<String>,
    /// `[labels]`: constants on everything that is emitted.
    pub labels: Arc<[KeyValue]>,
    /// Limits.
    pub limits: Limits,
}

/// The current state.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Counts {
    /// Connected clients.
    pub connected: usize,
    /// Active runs, plus one if a test has begun that waits for its master.
    pub active: usize,
    /// Ended runs.
    pub ended: u64,
    /// Requests recorded in the active runs.
    pub recorded: u64,
}

/// The answer to a `hello`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Welcomed {
    /// The client that sent it.
    pub client: ClientIndex,
    /// The last of its frames that was processed.
    pub last_seq: u64,
    /// The client's previous connection. Frames that still arrive on it are ignored.
    pub left: Option<u64>,
}

/// A run that is over.
#[derive(Clone, Debug)]
pub struct EndedRun {
    /// What identifies it.
    pub info: Arc<RunInfo>,
    /// What happened to its requests.
    pub account: RunAccount,
    /// Whether nothing is missing.
    pub complete: bool,
}

/// The results when all runs are over.
#[derive(Clone, Debug, Default)]
pub struct Outcome {
    /// All runs that have ended.
    pub ended: u64,
    /// The last of them.
    pub runs: Vec<EndedRun>,
    /// How many runs before those were not complete.
    pub incomplete: u64,
    /// What clients outside any run sent.
    pub no_run: NoRunAccount,
}

/// All runs, and the clients that take part in them.
#[derive(Debug)]
pub struct Runs {
    settings: Settings,
    clients: Slab<Client>,
    // By `client_id`: looked up when a client connects.
    ids: HashMap<String, ClientIndex>,
    connected: usize,
    all: Slab<Run>,
    // In the order in which they began.
    active: Vec<RunIndex>,
    // In the order in which they ended.
    ended: VecDeque<RunIndex>,
    ended_count: u64,
    // Requests recorded in active runs.
    recorded: u64,
    // Workers that have begun a test before their master, by the time they did.
    waiting: BTreeSet<(Duration, ClientIndex)>,
    // Other clients with held frames, by the time of the first frame.
    holding: BTreeSet<(Duration, ClientIndex)>,
    held_bytes: usize,
    // Active runs, by the time of their next deadline.
    schedule: BTreeSet<(Duration, RunIndex)>,
    // Ended runs whose account has changed since, by the time to report it.
    corrections: BTreeSet<(Duration, RunIndex)>,
    // Active runs with a change that may end them.
    changed: Vec<RunIndex>,
    // Whether a client without a run may find one now.
    places_changed: bool,
    incomplete: u64,
    no_run: NoRunAccount,
}

impl Runs {
    /// Without clients and runs.
    #[must_use]
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            clients: Slab::new(),
            ids: HashMap::new(),
            connected: 0,
            all: Slab::new(),
            active: Vec::new(),
            ended: VecDeque::new(),
            ended_count: 0,
            recorded: 0,
            waiting: BTreeSet::new(),
            holding: BTreeSet::new(),
            held_bytes: 0,
            schedule: BTreeSet::new(),
            corrections: BTreeSet::new(),
            changed: Vec::new(),
            places_changed: false,
            incomplete: 0,
            no_run: NoRunAccount::default(),
        }
    }

    /// A client sends `hello` on a connection. This replaces its previous connection.
    pub fn hello(&mut self, connection: u64, hello: Hello, now: Now, effects: &mut impl Effects) -> Welcomed {
        // People who type JSON need no id.
        let id = if hello.client_id.is_empty() { format!("connection-{connection}") } else { hello.client_id };
        let (testplan, locustfile, coordinator) = (hello.testplan, hello.locustfile, hello.coordinator);
        let time = hello.started.unwrap_or(0.0);
        let named = hello.run_id.map(|run_id| TestStart {
            time,
            run_id: Some(run_id),
            testplan,
            locustfile,
            coordinator,
            ..TestStart::default()
        });
        let beats = hello.heartbeat.and_then(|secs| Duration::try_from_secs_f64(secs).ok());
        let index = match self.ids.get(&id) {
            Some(&index) => index,
            None => {
                let client = Client {
                    id: id.clone(),
                    source: hello.source.clone(),
                    connection: None,
                    last_seq: 0,
                    place: Place::Unknown,
                    former: Vec::new(),
                    named: None,
                    awaits: None,
                    began: None,
                    beats,
                    held: Held::default(),
                    left_at: now.steady,
                };
                let index = ClientIndex(self.clients.insert(client));
                self.ids.insert(id, index);
                index
            }
        };
        let client = &mut self.clients[index.0];
        self.connected += usize::from(client.connection.is_none());
        let left = client.connection.replace(connection);
        client.source = hello.source;
        client.beats = beats;
        // The frames of a client that numbers them are in order: its next frames may still belong to its previous run.
        client.named = named.filter(|_| client.last_seq == 0);
        let last_seq = client.last_seq;
        // It is back in the run that it left.
        if let Some(Membership { run, source }) = client.membership()
            && !self.all[run.0].is_over()
        {
            self.all[run.0].reconnected(source, beats, now.steady);
            self.changed.push(run);
            self.settle(now, effects);
        }
        Welcomed { client: index, last_seq, left }
    }

    /// A client sends a frame on a connection. `payload` is what `parts` are decoded from, in case it has to be kept. Returns
    /// the number of the frame to acknowledge, if it has one.
    pub fn frame(
        &mut self,
        (client, connection): (ClientIndex, u64),
        (encoding, payload): (Encoding, &[u8]),
        parts: Parts<'_>,
        now: Now,
        effects: &mut impl Effects,
    ) -> Option<u64> {
        if !self.is_on(client, connection) {
            return None;
        }
        let seq = parts.seq();
        let state = &mut self.clients[client.0];
        if let Some(seq) = seq {
            // Sent again after a reconnect, and recorded the first time.
            if seq <= state.last_seq {
                return Some(state.last_seq);
            }
            if seq - state.last_seq > FAR_AHEAD {
                let details = format_args!("{seq} after {} from {}", state.last_seq, state.source.label());
                effects.fault("frame with an impossible number", 1, &details);
                return None;
            }
            state.last_seq = seq;
        }
        match parts.kind() {
            "hello" => effects.fault("frame not understood", 1, &"a second `hello`"),
            kind => {
                if let Some(start) = state.named.take()
                    && let Some(run_id) = start.run_id.clone()
                    && kind != "test_start"
                {
                    self.join(client, run_id, &start, now, effects);
                }
                if let Some(Membership { run, source }) = self.clients[client.0].membership() {
                    self.all[run.0].heard(source, now.steady);
                }
                self.parts(client, (encoding, payload), parts, now, effects);
            }
        }
        self.settle(now, effects);
        seq
    }

    /// A client sends a frame of a type that this version does not know. Returns the number of the frame to acknowledge, so that
    /// a newer plugin does not wait for an answer.
    pub fn skip(&mut self, client: ClientIndex, connection: u64, seq: u64) -> Option<u64> {
        if !self.is_on(client, connection) {
            return None;
        }
        let last_seq = &mut self.clients[client.0].last_seq;
        if seq.saturating_sub(*last_seq) <= FAR_AHEAD {
            *last_seq = seq.max(*last_seq);
        }
        Some(*last_seq)
    }

    /// The connection of a client is closed.
    pub fn closed(&mut self, client: ClientIndex, connection: u64, now: Now, effects: &mut impl Effects) {
        if !self.is_on(client, connection) {
            return;
        }
        self.connected -= 1;
        let state = &mut self.clients[client.0];
        state.connection = None;
        state.left_at = now.steady;
        for Membership { run: index, source } in state.memberships() {
            let run = &mut self.all[index.0];
            if run.is_over() {
                continue;
            }
            if run.disconnected(source, now.steady) {
                effects.source_gone(index, source, now);
            }
            self.changed.push(index);
        }
        if self.clients.len() - self.connected > self.settings.limits.clients {
            self.forget_a_client(effects);
        }
        self.settle(now, effects);
    }

    /// The resource usage of a client's process, measured from outside.
    pub fn usage(&self, client: ClientIndex, usage: &Usage, now: Now, effects: &mut impl Effects) {
        if let Some(Membership { run: index, source }) = self.clients.get(client.0).and_then(Client::membership)
            && let run = &self.all[index.0]
            && !run.is_over()
        {
            effects.see(index, run.source(source), Seen::Event(Event::Usage(usage)), now);
        }
    }

    /// The current state.
    pub fn counts(&self) -> Counts {
        Counts {
            connected: self.connected,
            active: self.active.len() + usize::from(!self.waiting.is_empty()),
            ended: self.ended_count,
            recorded: self.recorded,
        }
    }

    /// A run that is active or remembered.
    pub fn run(&self, run: RunIndex) -> Option<&Run> {
        self.all.get(run.0)
    }

    /// The active run that a client is in.
    pub fn run_of(&self, client: ClientIndex) -> Option<RunIndex> {
        let run = self.clients.get(client.0)?.membership()?.run;
        self.all.get(run.0).is_some_and(|state| !state.is_over()).then_some(run)
    }

    /// Whether a client is in no active run, and waits for none.
    pub fn is_idle(&self, client: ClientIndex) -> bool {
        self.run_of(client).is_none() && self.clients.get(client.0).is_none_or(|client| !client.waits())
    }

    /// Runs that begin from now on have these names and labels: the test plan's unless Locust's side sets it, and constants on everything.
    pub fn rename(&mut self, testplan: Option<String>, labels: Arc<[KeyValue]>) {
        self.settings.testplan = testplan;
        self.settings.labels = labels;
    }

    /// All runs that are active or remembered.
    pub fn all(&self) -> impl Iterator<Item = &Run> {
        self.all.iter().map(|(_, run)| run)
    }

    /// The connections of those that can stop the test of a run: of its master or local runner; or of all its workers, if the
    /// master has never joined.
    pub fn leaders(&self, run: RunIndex) -> Vec<u64> {
        let Some(state) = self.all.get(run.0).filter(|state| !state.is_over()) else { return Vec::new() };
        let has_coordinator = state.coordinator().is_some();
        let leads = |member: &&run::Member| !has_coordinator || member.info.source.coordinates();
        let clients = state.members.iter().filter(leads).filter_map(|member| self.clients.get(member.client?.0));
        let here = clients.filter(|client| client.membership().is_some_and(|membership| membership.run == run));
        here.filter_map(|client| client.connection).collect()
    }

    /// What clients outside any run have sent so far.
    pub const fn no_run(&self) -> &NoRunAccount {
        &self.no_run
    }

    /// Requests and events of a client that wait until their run is known. They are decoded to be counted.
    pub fn held(&self, client: ClientIndex) -> (u64, u64) {
        let load = self.clients.get(client.0).map(|client| client.held.load()).unwrap_or_default();
        (load.requests, load.events)
    }

    /// Bytes of all frames that wait for their run.
    pub const fn held_bytes(&self) -> usize {
        self.held_bytes
    }

    /// Whether this is still the connection of the client.
    fn is_on(&self, client: ClientIndex, connection: u64) -> bool {
        self.clients.get(client.0).is_some_and(|client| client.connection == Some(connection))
    }
}
