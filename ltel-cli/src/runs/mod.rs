//! The task of the runs: it takes what the connections deliver, in order, and is the only one that changes a run. The state
//! machine is in [`ltel_core::runs`].

mod equipment;
mod active_runs;
mod active_run;
mod active_recorder;
mod name_watch;
mod figure_source;
mod judge;
mod verdict;
mod report;
mod sampler;
#[cfg(test)]
mod tests;

use std::collections::HashMap;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::runs::{self, ClientIndex, Counts, Settings};
use ltel_core::wire::{DecodeError, Encoding, Features, Hello};
use tokio::sync::mpsc::Receiver;
use tokio::sync::watch;
use tokio::time::sleep_until;

pub(crate) use ltel_core::runs::{EndedRun, Outcome};

use crate::clock::Clocks;
use crate::ingest::{Answers, Delivery, Faults, Stop, Welcome};
use active_runs::ActiveRuns;
pub(crate) use equipment::Equipment;
use sampler::Sampler;
pub(crate) use verdict::Verdict;

// How often orders to stop a test are given again, to clients that have come since. Each time all sources of the run are
// looked at.
const STOP_AGAIN: Duration = Duration::from_secs(1);

/// The status of clients and runs, for code that waits for an end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Status {
    /// Clients that are connected.
    pub(crate) connected: usize,
    /// Whether any client has ever connected.
    pub(crate) met: bool,
    /// Active runs; 1 if a test has begun that still waits for its master.
    pub(crate) active: usize,
    /// Runs that are over.
    pub(crate) finished: u64,
    /// Requests recorded in the active runs.
    pub(crate) recorded: u64,
}

/// All runs and clients.
#[derive(Debug)]
pub(crate) struct RunsTask {
    clocks: Clocks,
    faults: Arc<Faults>,
    status: watch::Sender<Status>,
    sampler: Option<Sampler>,
    // How often it is wanted, even if this host cannot.
    usage_interval: Option<Duration>,
    // Without connections that their client has replaced by a newer one.
    connections: HashMap<u64, Connection>,
    state: runs::Runs,
    active: ActiveRuns,
    // When orders to stop a test are given again, if there are any.
    stop_again: Option<Duration>,
    // What is wanted of clients that are in no run: they may join one of any equipment in use.
    wanted: Arc<Features>,
    // How many runs had ended when clients were last looked at; absent if none of them has to be told something else later.
    renewed_at: Option<u64>,
}

/// A client's connection.
#[derive(Debug)]
struct Connection {
    client: ClientIndex,
    encoding: Encoding,
    answers: watch::Sender<Answers>,
    // Its pid, if it is a process of this host.
    pid: Option<u32>,
    // What it was told that is wanted of it.
    features: Arc<Features>,
}

impl RunsTask {
    pub(crate) fn new(equipment: Arc<Equipment>, faults: Arc<Faults>, status: watch::Sender<Status>) -> Self {
        let (config, usage_interval) = (&equipment.config, equipment.usage_interval);
        let settings = Settings {
            grace: config.grace,
            testplan: config.testplan.clone(),
            labels: Arc::clone(&config.labels),
            limits: config.limits,
        };
        Self {
            clocks: Clocks::start(),
            faults: Arc::clone(&faults),
            status,
            // If this host cannot measure its processes, they report their usage themselves.
            sampler: usage_interval.and_then(|every| Sampler::new(every).ok()),
            usage_interval,
            connections: HashMap::new(),
            state: runs::Runs::new(settings),
            wanted: Arc::clone(&equipment.features),
            active: ActiveRuns::new(equipment, faults),
            stop_again: None,
            renewed_at: None,
        }
    }

    /// Works until told to stop, then ends all runs.
    pub(crate) async fn work(
        mut self,
        mut deliveries: Receiver<Delivery>,
        mut stop: watch::Receiver<bool>,
        mut equipment: Receiver<Arc<Equipment>>,
    ) -> (Outcome, Verdict) {
        let mut alarm = pin!(sleep_until(self.clocks.instant(Duration::ZERO)));
        let mut alarm_at = None;
        loop {
            let due = self.due();
            if due != alarm_at {
                alarm.as_mut().reset(self.clocks.instant(due.unwrap_or(Duration::MAX)));
                alarm_at = due;
            }
            tokio::select! {
                biased;
                _ = stop.wait_for(|stop| *stop) => break,
                Some(equipment) = equipment.recv() => self.equip(equipment, self.clocks.now()),
                delivery = deliveries.recv() => match delivery {
                    Some(delivery) => self.deliver(delivery, self.clocks.now()),
                    None => break,
                },
                () = alarm.as_mut(), if alarm_at.is_some() => alarm_at = None,
            }
            let now = self.clocks.now();
            if self.due().is_some_and(|due| due <= now.steady) {
                self.tick(now);
            }
            if self.renewed_at.is_some_and(|ended| ended != self.state.counts().ended) {
                self.renew(now);
            }
            self.tell_status(deliveries.is_empty());
        }
        // It was read, and said so.
        if let Ok(equipment) = equipment.try_recv() {
            self.equip(equipment, self.clocks.now());
        }
        // What has arrived is recorded, without waiting for clients that go on sending.
        deliveries.close();
        while let Some(delivery) = deliveries.recv().await {
            self.deliver(delivery, self.clocks.now());
        }
        let outcome = self.state.finish(self.clocks.now(), &mut self.active);
        self.status.send_modify(|status| {
            *status = Status { active: 0, recorded: 0, finished: outcome.ended, ..status.clone() };
        });
        (outcome, self.active.verdict)
    }

    /// Runs that begin from now on have this equipment.
    fn equip(&mut self, equipment: Arc<Equipment>, now: Now) {
        self.state.rename(equipment.config.testplan.clone(), Arc::clone(&equipment.config.labels));
        self.active.equip(equipment);
        self.renew(now);
    }

    /// Lets clients that are in no run come again, if they were told something else than what is wanted now; measures usage as often as
    /// the equipment in use wants it.
    #[allow(clippy::iter_over_hash_type)] // each client is told by itself
    fn renew(&mut self, now: Now) {
        let usage_interval = self.active.all_equipment().filter_map(|equipment| equipment.usage_interval).min();
        if self.usage_interval != usage_interval {
            self.usage_interval = usage_interval;
            self.sampler = usage_interval.and_then(|every| Sampler::new(every).ok());
            if let Some(sampler) = &mut self.sampler {
                self.connections.values().filter_map(|of| of.pid).for_each(|pid| sampler.watch(pid, now));
            }
        }
        self.wanted = Arc::new(Equipment::features_of_all(self.active.all_equipment()));
        let mut left = self.wanted != self.active.equipment(None).features;
        for connection in self.connections.values().filter(|of| of.features != self.wanted) {
            if self.state.is_idle(connection.client) {
                connection.answers.send_modify(|answers| answers.leave = true);
            } else {
                left = true;
            }
        }
        self.renewed_at = left.then(|| self.state.counts().ended);
    }

    /// Tells those who can stop a test to do so.
    fn stop_tests(&mut self, now: Now) {
        self.stop_again = None;
        for (index, why) in self.active.stops() {
            self.stop_again = Some(now.steady.saturating_add(STOP_AGAIN));
            let Some(run) = self.state.run(index) else { continue };
            let stop = Stop { run_id: run.asked_id().to_owned(), reason: why.to_string() };
            for connection in self.state.leaders(index) {
                let Some(Connection { answers, .. }) = self.connections.get(&connection) else { continue };
                answers.send_if_modified(|answers| {
                    let is_news = answers.stop.as_deref() != Some(&stop);
                    if is_news {
                        answers.stop = Some(Arc::new(stop.clone()));
                    }
                    is_news
                });
            }
        }
    }

    /// Publishes the status; not after each frame while more frames wait.
    fn tell_status(&self, at_rest: bool) {
        let Counts { connected, active, ended, recorded } = self.state.counts();
        self.status.send_if_modified(|have| {
            let met = have.met || connected > 0;
            let status = Status { connected, met, active, finished: ended, recorded };
            let is_news = *have != (Status { recorded: have.recorded, ..status.clone() });
            let changed = is_news || at_rest && have.recorded != recorded;
            if changed {
                *have = status;
            }
            changed
        });
    }

    fn deliver(&mut self, delivery: Delivery, now: Now) {
        match delivery {
            Delivery::Hello { connection, encoding, hello, pid, answers, welcome } => {
                let welcomed = self.hello(connection, encoding, *hello, pid, answers, now);
                // Fails if the connection is gone already: `Closed` follows.
                let _ = welcome.send(welcomed);
            }
            // Its share of the connections' buffers is released when it is recorded.
            Delivery::Frame { connection, payload, share: _share } => self.frame(connection, &payload, now),
            Delivery::Closed { connection } => {
                // Releases the connection's writer.
                if let Some(Connection { client, .. }) = self.connections.remove(&connection) {
                    self.state.closed(client, connection, now, &mut self.active);
                }
            }
        }
    }

    fn hello(
        &mut self,
        connection: u64,
        encoding: Encoding,
        hello: Hello,
        pid: Option<u32>,
        answers: watch::Sender<Answers>,
        now: Now,
    ) -> Welcome {
        let welcomed = self.state.hello(connection, hello, now, &mut self.active);
        if let Some(left) = welcomed.left {
            self.connections.remove(&left);
        }
        // A client that comes back into its run goes on as it did.
        let told = match self.state.run_of(welcomed.client) {
            Some(run) => Arc::clone(&self.active.equipment(Some(run)).features),
            None => Arc::clone(&self.wanted),
        };
        if told != self.active.equipment(None).features {
            self.renewed_at = Some(self.state.counts().ended);
        }
        self.connections.insert(
            connection,
            Connection { client: welcomed.client, encoding, answers, pid, features: Arc::clone(&told) },
        );
        let mut features = Features::clone(&told);
        if let (Some(sampler), Some(pid)) = (&mut self.sampler, pid) {
            sampler.watch(pid, now);
            features.usage_interval = None;
        }
        Welcome { last_seq: welcomed.last_seq, features }
    }

    fn frame(&mut self, connection: u64, payload: &[u8], now: Now) {
        let Some(&Connection { client, encoding, .. }) = self.connections.get(&connection) else { return };
        let acknowledged = match encoding.parts(payload, now.wall) {
            Ok(parts) => self.state.frame((client, connection), (encoding, payload), parts, now, &mut self.active),
            // Its requests count as `not_received` when the source reports how many it sent.
            Err(error) => {
                self.faults.count("frame not understood", &error);
                match error {
                    DecodeError::UnknownType { seq: Some(seq), .. } => self.state.skip(client, connection, seq),
                    _ => None,
                }
            }
        };
        if let Some(seq) = acknowledged {
            // First the status: who has heard that a run began may end ltel, which then waits for that run.
            self.tell_status(false);
            let Some(Connection { answers, .. }) = self.connections.get(&connection) else { return };
            answers.send_modify(|answers| answers.acknowledged = seq);
        }
    }

    /// When the next action is due, if nothing arrives.
    fn due(&self) -> Option<Duration> {
        let sampler = self.sampler.as_ref().and_then(Sampler::due);
        [self.state.due(), self.active.next_tick(), sampler, self.stop_again].into_iter().flatten().min()
    }

    /// Does what is due: usage samples, recorders' intervals, orders to stop, ends of runs.
    fn tick(&mut self, now: Now) {
        if self.sampler.as_ref().and_then(Sampler::due).is_some_and(|due| due <= now.steady) {
            self.sample_usage(now);
        }
        if self.active.next_tick().is_some_and(|due| due <= now.steady) {
            self.active.tick(&self.state, now);
            self.stop_tests(now);
        }
        if self.stop_again.is_some_and(|due| due <= now.steady) {
            self.stop_tests(now);
        }
        self.state.tick(now, &mut self.active);
    }

    #[allow(clippy::iter_over_hash_type)] // each process is measured by itself
    fn sample_usage(&mut self, now: Now) {
        let Some(sampler) = &mut self.sampler else { return };
        let mut clients: HashMap<u32, Vec<ClientIndex>> = HashMap::new();
        for connection in self.connections.values() {
            if let Some(pid) = connection.pid {
                clients.entry(pid).or_default().push(connection.client);
            }
        }
        let pids: Vec<u32> = clients.keys().copied().collect();
        for (pid, usage) in sampler.sample(&pids, now) {
            for &client in &clients[&pid] {
                self.state.usage(client, &usage, now, &mut self.active);
            }
        }
    }
}
