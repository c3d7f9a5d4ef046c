//! All runs, and the clients that take part in them. One task takes what the connections deliver, in order; it is the only
//! one that touches a run.

mod membership;

use std::collections::{BTreeMap, HashMap, VecDeque};
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use ltel_core::Timestamp;
use ltel_core::account::{Account, DropReason};
use ltel_core::event::{Event, Task, TestStart};
use ltel_core::run::{Progress, RunInfo};
use ltel_core::wire::{DecodeError, Decoded, Done, Encoding, Features, Hello, Message, Rows};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;

use crate::active_run::ActiveRun;
use crate::backends::Backend;
use crate::client::{Client, Held};
use crate::clock;
use crate::config::Config;
use crate::connection::{Delivery, Welcome};
use crate::faults::Faults;
use crate::usage::Sampler;

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
    /// Runs at work.
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
    /// Requests that belong to no run.
    pub(crate) no_run: u64,
}

/// A run that is over.
#[derive(Debug)]
pub(crate) struct FinishedRun {
    pub(crate) info: Arc<RunInfo>,
    pub(crate) account: Account,
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
    features: Features,
    backends: Arc<[Backend]>,
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
        backends: Arc<[Backend]>,
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
            let due = self.next_deadline().map(|at| at.since(clock::now()));
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
                    Some(delivery) => self.deliver(delivery, clock::now()),
                    None => break,
                },
                () = due => {}
            }
            self.tick(clock::now());
            self.tell_status();
        }
        // What has come through the sockets is not given up.
        while let Ok(delivery) = deliveries.try_recv() {
            self.deliver(delivery, clock::now());
        }
        let now = clock::now();
        self.begin_without_master(now);
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
            active: self.active.len(),
            finished: self.outcome.runs.len() as u64 + self.finished.len() as u64,
            recorded: self.active.values().map(|run| run.run.total_recorded()).sum(),
        };
        self.status.send_if_modified(|have| {
            let changed = *have != status;
            *have = status;
            changed
        });
    }

    fn deliver(&mut self, delivery: Delivery, now: Timestamp) {
        match delivery {
            Delivery::Hello { connection, encoding, hello, pid, acks, welcome } => {
                let welcomed = self.hello(connection, encoding, *hello, pid, acks, now);
                // Fails if the connection is gone already: `Closed` follows.
                let _ = welcome.send(welcomed);
            }
            Delivery::Frame { connection, payload } => self.frame(connection, &payload, now),
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
        now: Timestamp,
    ) -> Welcome {
        // People who type JSON need no id.
        let id = if hello.client_id.is_empty() { format!("connection-{connection}") } else { hello.client_id };
        let known = self.clients.remove(&id);
        if let Some(former) = known.as_ref().and_then(|client| client.connection) {
            self.connections.remove(&former);
        }
        let client = Client {
            source: hello.source,
            connection: Some(connection),
            encoding,
            last_seq: known.as_ref().map_or(0, |client| client.last_seq),
            acks,
            local_pid: pid,
            member: known.as_ref().and_then(|client| client.member),
            awaits: None,
            began: known.as_ref().and_then(|client| client.began.clone()),
            beats: hello.heartbeat.is_some(),
            held: known.map_or_else(Held::default, |client| client.held),
            left_at: now,
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
        self.clients.insert(id.clone(), client);
        match hello.run_id {
            Some(run_id) => {
                let (testplan, locustfile) = (hello.testplan, hello.locustfile);
                let start = TestStart { testplan, locustfile, coordinator: hello.coordinator, ..TestStart::default() };
                self.join(&id, run_id, &start, now);
            }
            // Back, and in the run that it left.
            None => {
                if let Some(client) = self.clients.get_mut(&id)
                    && let Some(member) = client.member
                    && let Some(run) = self.active.get_mut(&member.run)
                {
                    run.run.join(&id, &client.source, client.beats, now);
                }
            }
        }
        Welcome { last_seq, features }
    }

    fn frame(&mut self, connection: u64, payload: &Bytes, now: Timestamp) {
        let Some(id) = self.connections.get(&connection).cloned() else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        let Decoded { frame, wrong } = match client.encoding.decode(payload, now) {
            Ok(decoded) => decoded,
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
        if let Some(seq) = frame.seq {
            // Sent again after a reconnect, and recorded the first time.
            if seq <= client.last_seq {
                client.acks.send_replace(client.last_seq);
                return;
            }
            client.last_seq = seq;
        }
        self.faults.count_fields(&wrong, &client.source.label());
        let acks = frame.seq.map(|seq| (seq, client.acks.clone()));
        if let Some((run, index)) = self.run_of(&id) {
            run.run.heard(index, now);
        }
        self.message(&id, &frame.message, payload, now);
        if let Some((seq, acks)) = acks {
            acks.send_replace(seq);
        }
    }

    fn message(&mut self, id: &str, message: &Message<'_>, payload: &Bytes, now: Timestamp) {
        match message {
            Message::Hello(_) => return self.faults.count("frame not understood", &"a second `hello`"),
            Message::Heartbeat => return,
            Message::TestStart(start) => self.test_start(id, start, now),
            _ => {}
        }
        if !self.holds(id, message, payload, now) {
            self.record(id, message, now);
        }
    }

    /// Brings what a client says to the run that it is in.
    fn record(&mut self, id: &str, message: &Message<'_>, now: Timestamp) {
        let event = match message {
            Message::Requests(rows) => return self.requests(id, rows, now),
            Message::Done(done) => return self.done(id, done, now),
            Message::TestStart(e) => Event::TestStart(e),
            Message::TestStop(e) => Event::TestStop(e),
            Message::SpawningComplete(e) => Event::SpawningComplete(e),
            Message::Users(e) => Event::Users(e),
            Message::CpuWarning(e) => Event::CpuWarning(e),
            Message::Usage(e) => Event::Usage(e),
            Message::ResetStats(e) => Event::ResetStats(e),
            Message::ReportToMaster(e) => Event::ReportToMaster(e),
            Message::UserError(e) => Event::UserError(e),
            Message::Custom(e) => Event::Custom(e),
            Message::Tasks(tasks) => return self.tasks(id, tasks, now),
            _ => return,
        };
        if let Some((run, index)) = self.run_of(id) {
            if let Event::Users(users) = &event {
                run.run.named(&users.sources, now);
            }
            run.record(&event, index, now);
        }
    }

    fn tasks(&mut self, id: &str, tasks: &[Task<'_>], now: Timestamp) {
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

    fn requests(&mut self, id: &str, rows: &Rows<'_>, now: Timestamp) {
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
        }
    }

    fn done(&mut self, id: &str, done: &Done, now: Timestamp) {
        let current = self.clients.get(id).and_then(|client| client.member);
        // A correction may come when its source is in the next run already.
        let run = self.active.iter_mut().find(|(number, run)| match &done.run_id {
            Some(run_id) => run.asked_id == *run_id && run.run.member(id).is_some(),
            None => current.is_some_and(|member| member.run == **number),
        });
        if let Some((_, run)) = run
            && let Some(index) = run.run.member(id)
        {
            run.run.done(index, done.clone(), now);
        }
    }

    fn closed(&mut self, connection: u64, now: Timestamp) {
        let Some(id) = self.connections.remove(&connection) else { return };
        let Some(client) = self.clients.get_mut(&id) else { return };
        client.connection = None;
        client.local_pid = None;
        client.left_at = now;
        // Lets go of the connection's writer.
        client.acks = watch::channel(0).0;
        for run in self.active.values_mut() {
            if let Some(index) = run.run.member(&id)
                && run.run.disconnected(index, now)
            {
                run.source_gone(index);
            }
        }
        if self.clients.len() - self.connections.len() > DISCONNECTED_CLIENTS {
            let gone = self.clients.iter().filter(|(_, client)| client.connection.is_none());
            let oldest = gone.min_by_key(|(_, client)| client.left_at).map(|(id, _)| id.clone());
            oldest.and_then(|id| self.clients.remove(&id));
        }
    }

    /// Does what is due: recorders' intervals, usage samples, ends of runs.
    fn tick(&mut self, now: Timestamp) {
        if self.sampler.as_ref().and_then(Sampler::due).is_some_and(|due| due <= now) {
            self.sample_usage(now);
        }
        self.settle_held(now);
        let grace = self.config.grace;
        let mut complete = Vec::new();
        for (number, run) in &mut self.active {
            if run.next_tick().is_some_and(|due| due <= now) {
                run.tick(now);
            }
            for worker in run.run.overdue(now, grace) {
                tracing::warn!(
                    "run {}: worker {worker} never reached ltel, and its requests are missing: does it load the plugin, and \
                     know the address (LTEL_ADDRESS)?",
                    run.run.info().run_id
                );
            }
            if run.run.progress(now, grace) == Progress::Complete {
                complete.push(*number);
            }
        }
        for number in complete {
            let Some(run) = self.active.remove(&number) else { continue };
            self.finished.push_back(finish(number, run, now));
            if self.finished.len() > FINISHED_RUNS {
                self.finished.pop_front();
            }
        }
    }

    fn next_deadline(&mut self) -> Option<Timestamp> {
        let grace = self.config.grace;
        let mut deadline = self.sampler.as_ref().and_then(Sampler::due);
        let mut earlier = |at: Timestamp| deadline = Some(deadline.map_or(at, |have| have.min(at)));
        for run in self.active.values_mut() {
            run.next_tick().map(&mut earlier);
            run.run.next_overdue(grace).map(&mut earlier);
            if let Progress::WaitUntil(until) = run.run.progress(clock::now(), grace) {
                earlier(until);
            }
        }
        for client in self.clients.values().filter(|client| !client.held.is_empty()) {
            earlier(client.held.since() + grace);
        }
        deadline.map(|at| at + Duration::from_millis(1))
    }

    fn sample_usage(&mut self, now: Timestamp) {
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

fn finish(number: u64, run: ActiveRun, now: Timestamp) -> FinishedRun {
    let info = Arc::clone(run.run.info());
    let asked_id = run.asked_id.clone();
    let (account, complete) = run.finish(now);
    FinishedRun { info, account, complete, late: 0, number, asked_id }
}
