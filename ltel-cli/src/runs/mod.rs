//! All runs, and the clients that take part in them. One task takes what the connections deliver, in order; it is the only
//! one that touches a run.

mod membership;
pub(crate) mod client;
mod at_work;
mod recorder_at_work;
mod report;
mod sampler;
pub(crate) mod faults;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ltel_core::Now;
use ltel_core::event::{Event, SingleEvent, Task, TestStart};
use ltel_core::runs::{DropReason, RunAccount};
use ltel_core::runs::{MASTER, Progress, RunInfo};
use ltel_core::wire::{DecodeError, Decoded, Done, Encoding, Features, Hello, Message, Rows};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use crate::clock::Clocks;
use crate::config::Config;
use crate::deliver::BackendHandle;
use crate::ingest::{Delivery, Welcome};
use crate::runs::at_work::ActiveRun;
use crate::runs::client::{Client, Held};
use crate::runs::faults::Faults;
use crate::runs::membership::Holding;
use crate::runs::sampler::Sampler;

// Bounded: what an ltel that serves for months remembers.
const FINISHED_RUNS: usize = 64;
const DISCONNECTED_CLIENTS: usize = 1_024;

/// How things stand, for whoever waits for an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Clients that are connected.
    pub(crate) connected: usize,
    /// Whether any client has ever connected.
    pub(crate) met: bool,
    /// Runs at work, and those that have begun and wait for their master.
    pub(crate) active: usize,
    /// Runs that are complete.
    pub(crate) finished: u64,
    /// Requests recorded in the runs at work.
    pub(crate) recorded: u64,
}

/// What is left when all runs are over.
#[derive(Debug, Default)]
pub(crate) struct Outcome {
    /// The last runs and their accounts.
    pub(crate) runs: Vec<FinishedRun>,
    /// Runs before those that were not complete.
    pub(crate) incomplete: u64,
    /// Requests that belong to no run.
    pub(crate) no_run: u64,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    pub(crate) info: Arc<RunInfo>,
    pub(crate) account: RunAccount,
    /// Whether its report says that nothing is missing.
    pub(crate) complete: bool,
    /// Requests that came too late.
    pub(crate) late: u64,
    pub(crate) number: u64,
    /// The id that its sources know it by.
    pub(crate) asked_id: String,
}

/// All runs and clients.
#[derive(Debug)]
pub(crate) struct Runs {
    config: Arc<Config>,
    clocks: Clocks,
    features: Features,
    backends: Arc<[BackendHandle]>,
    faults: Arc<Faults>,
    status: watch::Sender<Status>,
    sampler: Option<Sampler>,
    clients: HashMap<String, Client>,
    // The client of each connection. A connection that a client has left for a newer one has none.
    connections: HashMap<u64, String>,
    // By a number of our own: nothing keeps people from giving two runs the same id.
    active: BTreeMap<u64, ActiveRun>,
    next_run: u64,
    finished: VecDeque<FinishedRun>,
    outcome: Outcome,
}

impl Runs {
    pub(crate) fn new(
        config: Arc<Config>,
        backends: Arc<[BackendHandle]>,
        faults: Arc<Faults>,
        status: watch::Sender<Status>,
    ) -> Self {
        let usage_interval = config.usage_interval();
        let mut features = config.features();
        features.usage_interval = usage_interval.map(|every| every.as_secs_f64());
        Self {
            // Where this host shows nothing of its processes, they report it themselves.
            sampler: usage_interval.and_then(|every| Sampler::new(every).ok()),
            config,
            clocks: Clocks::start(),
            features,
            backends,
            faults,
            status,
            clients: HashMap::new(),
            connections: HashMap::new(),
            active: BTreeMap::new(),
            next_run: 0,
            finished: VecDeque::new(),
            outcome: Outcome::default(),
        }
    }

    /// Works until it is told to stop, then completes what is open.
    pub(crate) async fn work(mut self, mut deliveries: Receiver<Delivery>, mut stop: watch::Receiver<bool>) -> Outcome {
        loop {
            let due = self.next_deadline().map(|at| at.saturating_sub(self.clocks.now().steady));
            let due = async move {
                match due {
                    Some(wait) => tokio::time::sleep(wait).await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                delivery = deliveries.recv() => match delivery {
                    Some(delivery) => self.deliver(delivery, self.clocks.now()),
                    None => break,
                },
                () = due => {}
            }
            self.tick(self.clocks.now());
            self.tell_status();
        }
        // What has come is recorded. Clients that go on sending are not waited for.
        deliveries.close();
        while let Some(delivery) = deliveries.recv().await {
            self.deliver(delivery, self.clocks.now());
        }
        let now = self.clocks.now();
        self.begin_without_master(now);
        self.give_up_held(|_| true);
        for (number, run) in std::mem::take(&mut self.active) {
            self.finished.push_back(finish(number, run, now));
        }
        self.tell_status();
        self.outcome.runs.extend(self.finished);
        self.outcome
    }

    fn tell_status(&self) {
        let status = Status {
            connected: self.connections.len(),
            met: self.status.borrow().met || !self.connections.is_empty(),
            active: self.active.len() + usize::from(self.clients.values().any(|client| client.began.is_some())),
            finished: self.outcome.runs.len() as u64 + self.finished.len() as u64,
            recorded: self.active.values().map(|run| run.run.total_recorded()).sum(),
        };
        self.status.send_if_modified(|have| {
            let changed = *have != status;
            *have = status;
            changed
        });
    }

    fn deliver(&mut self, delivery: Delivery, now: Now) {
        match delivery {
            Delivery::Hello { connection, encoding, hello, pid, acks, welcome } => {
                let welcomed = self.hello(connection, encoding, *hello, pid, acks, now);
                // Fails if the connection is gone already: `Closed` follows.
                let _ = welcome.send(welcomed);
            }
            // Its share of the connections' buffers is free when it is recorded.
            Delivery::Frame { connection, payload, share: _share } => self.frame(connection, &payload, now),
            Delivery::Closed { connection } => self.closed(connection, now),
        }
    }

    fn hello(
        &mut self,
        connection: u64,
        encoding: Encoding,
        hello: Hello,
        pid: Option<u32>,
        acks: watch::Sender<u64>,
        now: Now,
    ) -> Welcome {
        // People who type JSON need no id.
        let id = if hello.client_id.is_empty() { format!("connection-{connection}") } else { hello.client_id };
        let known = self.clients.remove(&id);
        if let Some(former) = known.as_ref().and_then(|client| client.connection) {
            self.connections.remove(&former);
        }
        let (testplan, locustfile, coordinator) = (hello.testplan, hello.locustfile, hello.coordinator);
        let start =
            |run_id| TestStart { run_id: Some(run_id), testplan, locustfile, coordinator, ..TestStart::default() };
        let client = Client {
            // Who numbers its frames says in their order where it goes: what it has left to send may be of the run before.
            said: hello.run_id.filter(|_| known.as_ref().is_none_or(|client| client.last_seq == 0)).map(start),
            source: hello.source,
            connection: Some(connection),
            encoding,
            last_seq: known.as_ref().map_or(0, |client| client.last_seq),
            acks,
            local_pid: pid,
            member: known.as_ref().and_then(|client| client.member),
            awaits: known.as_ref().and_then(|client| client.awaits.clone()),
            began: known.as_ref().and_then(|client| client.began.clone()),
            beats: hello.heartbeat.and_then(|secs| Duration::try_from_secs_f64(secs).ok()),
            held: known.map_or_else(Held::default, |client| client.held),
            left_at: now.steady,
        };
        let last_seq = client.last_seq;
        self.connections.insert(connection, id.clone());
        if let (Some(sampler), Some(pid)) = (&mut self.sampler, pid) {
            sampler.watch(pid, now);
        }
        let mut features = self.features.clone();
        if pid.is_some() && self.sampler.is_some() {
            features.usage_interval = None;
        }
        // Back, and in the run that it left.
        if let Some(member) = client.member
            && let Some(run) = self.active.get_mut(&member.run)
        {
            run.run.join(&id, &client.source, client.beats, now.steady);
        }
        self.clients.insert(id, client);
        Welcome { last_seq, features }
    }

    fn frame(&mut self, connection: u64, payload: &Bytes, now: Now) {
        let Some(id) = self.connections.get(&connection).cloned() else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let parts = match client.encoding.parts(payload, now.wall) {
            Ok(parts) => parts,
            // Requests in it show up as not received when the source says how many it sent.
            Err(error) => {
                self.faults.count("frame not understood", &error);
                // A newer plugin may have more to say: it is not to wait for an answer.
                if let DecodeError::UnknownType { seq: Some(seq), .. } = error {
                    client.last_seq = client.last_seq.max(seq);
                    client.acks.send_replace(client.last_seq);
                }
                return;
            }
        };
        if let Some(seq) = parts.seq() {
            // Sent again after a reconnect, and recorded the first time.
            if seq <= client.last_seq {
                client.acks.send_replace(client.last_seq);
                return;
            }
            client.last_seq = seq;
        }
        let acks = parts.seq().map(|seq| (seq, client.acks.clone()));
        if let Some(start) = client.said.take_if(|_| parts.kind() != "hello")
            && let Some(run_id) = start.run_id.clone()
            && parts.kind() != "test_start"
        {
            self.join(&id, run_id, &start, now);
        }
        if let Some((run, index)) = self.run_of(&id) {
            run.run.heard(index, now.steady);
        }
        for part in parts {
            let Decoded { frame, wrong } = match part {
                Ok(part) => part,
                Err(error) => {
                    self.faults.count("frame not understood", &error);
                    break;
                }
            };
            let label = self.clients.get(&id).map(|client| client.source.label()).unwrap_or_default();
            self.faults.count_fields(&wrong, &label);
            // A frame is held as a whole.
            if self.message(&id, &frame.message, payload, now) == Holding::Kept {
                break;
            }
        }
        if let Some((seq, acks)) = acks {
            acks.send_replace(seq);
        }
    }

    fn message(&mut self, id: &str, message: &Message<'_>, payload: &Bytes, now: Now) -> Holding {
        match message {
            Message::Hello(_) => {
                self.faults.count("frame not understood", &"a second `hello`");
                return Holding::No;
            }
            Message::Heartbeat => return Holding::No,
            Message::Event(SingleEvent::TestStart(start)) => self.test_start(id, start, now),
            _ => {}
        }
        let holding = self.holds(id, message, payload, now);
        if holding == Holding::No {
            self.record(id, message, now);
        }
        holding
    }

    /// Brings what a client says to the run that it is in.
    fn record(&mut self, id: &str, message: &Message<'_>, now: Now) {
        let event = match message {
            Message::Requests(rows) => return self.requests(id, rows, now),
            Message::Done(done) => return self.done(id, done, now),
            Message::Event(event) => event.as_event(),
            Message::Tasks(tasks) => return self.tasks(id, tasks, now),
            _ => return,
        };
        if let Some((run, index)) = self.run_of(id) {
            if let Event::Users(users) = &event
                && run.run.source(index).source.coordinates()
            {
                run.run.named(&users.sources, now.steady);
            }
            run.record(&event, index, now);
        }
    }

    fn tasks(&mut self, id: &str, tasks: &[Task<'_>], now: Now) {
        let Some((run, index)) = self.run_of(id) else {
            return self.faults.count("tasks of no run at work", &format!("{} of them", tasks.len()));
        };
        run.record_tasks(tasks, index, now);
    }

    /// The run that a client is in, while that is at work.
    fn run_of(&mut self, id: &str) -> Option<(&mut ActiveRun, u32)> {
        let member = self.clients.get(id)?.member?;
        Some((self.active.get_mut(&member.run)?, member.index))
    }

    fn requests(&mut self, id: &str, rows: &Rows<'_>, now: Now) {
        let Some(client) = self.clients.get_mut(id) else { return };
        let Some(member) = &client.member else { return };
        if let Some(run) = self.active.get_mut(&member.run) {
            run.record_requests(&rows.rows, member.index, now);
            if rows.invalid > 0 {
                run.run.dropped(member.index, DropReason::Invalid, rows.invalid);
                self.faults.count("request not understood", &"a row without method and name, or none at all");
            }
        } else if let Some(run) = self.finished.iter_mut().find(|run| run.number == member.run) {
            let count = rows.rows.len() as u64 + rows.invalid;
            run.late += count;
            self.faults.count(
                "requests after the end of their run",
                &format!("{count} of {} in run {}", client.source.label(), run.info.run_id),
            );
        } else {
            // Of a run that ltel has forgotten.
            self.outcome.no_run += rows.rows.len() as u64 + rows.invalid;
            self.faults.count("requests of no run", &client.source.label());
        }
    }

    fn done(&mut self, id: &str, done: &Done, now: Now) {
        let is_it = |run: &ActiveRun| done.run_id.as_ref().is_none_or(|run_id| run.asked_id == *run_id);
        if let Some((run, index)) = self.run_of(id)
            && is_it(run)
        {
            return run.run.done(index, done.clone(), now.steady);
        }
        // A correction may come when its source is in the next run already.
        if done.run_id.is_some()
            && let Some((run, index)) = self
                .active
                .values_mut()
                .filter(|run| is_it(run))
                .find_map(|run| run.run.member(id).map(|index| (run, index)))
        {
            run.run.done(index, done.clone(), now.steady);
        }
    }

    fn closed(&mut self, connection: u64, now: Now) {
        let Some(id) = self.connections.remove(&connection) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.connection = None;
        client.local_pid = None;
        client.left_at = now.steady;
        // Lets go of the connection's writer.
        client.acks = watch::channel(0).0;
        for run in self.active.values_mut() {
            if let Some(index) = run.run.member(&id)
                && run.run.disconnected(index, now.steady)
            {
                run.source_gone(index);
            }
        }
        if self.clients.len() - self.connections.len() > DISCONNECTED_CLIENTS {
            let gone = self.clients.iter().filter(|(_, client)| client.connection.is_none());
            // Those that may be expected back stay: what they send again is not to count twice.
            let at_work = |client: &Client| {
                !client.held.is_empty() || client.member.is_some_and(|member| self.active.contains_key(&member.run))
            };
            let oldest = gone.min_by_key(|(_, client)| (at_work(client), client.left_at)).map(|(id, _)| id.clone());
            if let Some(mut client) = oldest.and_then(|id| self.clients.remove(&id)) {
                membership::give_up(&mut client, &mut self.outcome, &self.faults);
            }
        }
    }

    /// Does what is due: recorders' intervals, usage samples, ends of runs.
    fn tick(&mut self, now: Now) {
        if self.sampler.as_ref().and_then(Sampler::due).is_some_and(|due| due <= now.steady) {
            self.sample_usage(now);
        }
        self.settle_held(now);
        let grace = self.config.grace;
        let mut complete = Vec::new();
        for (number, run) in &mut self.active {
            if run.next_tick().is_some_and(|due| due <= now.steady) {
                run.tick(now);
            }
            for source in run.run.overdue(now.steady, grace) {
                let run_id = &run.run.info().run_id;
                if source == MASTER {
                    tracing::warn!("run {run_id}: {}", membership::NO_MASTER);
                    continue;
                }
                tracing::warn!(
                    "run {run_id}: worker {source} never reached ltel, and its requests are missing: does it load the plugin, \
                     and know the address (LTEL_ADDRESS)?"
                );
            }
            if run.run.progress(now.steady, grace) == Progress::Complete {
                complete.push(*number);
            }
        }
        for number in complete {
            let Some(run) = self.active.remove(&number) else { continue };
            self.finished.push_back(finish(number, run, now));
            if self.finished.len() > FINISHED_RUNS
                && let Some(run) = self.finished.pop_front()
            {
                self.outcome.incomplete += u64::from(!run.complete || run.late > 0);
            }
        }
    }

    fn next_deadline(&mut self) -> Option<Duration> {
        let grace = self.config.grace;
        let mut deadline = self.sampler.as_ref().and_then(Sampler::due);
        let mut earlier = |at: Duration| deadline = Some(deadline.map_or(at, |have| have.min(at)));
        for run in self.active.values_mut() {
            run.next_tick().map(&mut earlier);
            run.run.next_overdue(grace).map(&mut earlier);
            if let Progress::WaitUntil(until) = run.run.progress(self.clocks.now().steady, grace) {
                earlier(until);
            }
        }
        let began = self.clients.values().filter_map(|client| Some(client.began.as_ref()?.at));
        let held =
            self.clients.values().filter(|client| !client.held.is_empty()).map(|client| client.held.since().steady);
        began.chain(held).min().map(|since| since.saturating_add(grace)).map(&mut earlier);
        deadline.map(|at| at.saturating_add(Duration::from_millis(1)))
    }

    fn sample_usage(&mut self, now: Now) {
        let Some(sampler) = &mut self.sampler else { return };
        let pids: Vec<u32> = self.clients.values().filter_map(|client| client.local_pid).collect();
        for (pid, usage) in sampler.sample(&pids, now) {
            for client in self.clients.values().filter(|client| client.local_pid == Some(pid)) {
                if let Some(member) = client.member
                    && let Some(run) = self.active.get_mut(&member.run)
                {
                    run.record(&Event::Usage(&usage), member.index, now);
                }
            }
        }
    }
}

fn finish(number: u64, run: ActiveRun, now: Now) -> FinishedRun {
    let info = Arc::clone(run.run.info());
    let asked_id = run.asked_id.clone();
    let (account, complete) = run.finish(now);
    FinishedRun { info, account, complete, late: 0, number, asked_id }
}
