//! Runs under every order of what clients can do: whatever comes, the account closes, and nothing that was acknowledged is
//! unaccounted for.

// A test fails by panicking, in its helpers too.
#![allow(clippy::unwrap_used)]

use std::collections::BTreeMap;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use ltel_core::Now;
use ltel_core::event::{Custom, Measurement, TestStart};
use ltel_core::runs::{
    ClientIndex, DropReason, Effects, Limits, Notice, Run, RunAccount, RunIndex, RunInfo, Runs, Seen, Settings,
    SourceIndex, SourceInfo, SourceStatus,
};
use ltel_core::source::{Source, SourceKind};
use ltel_core::wire::{Done, Encoding, Frame, Hello, Measurements, Message, PROTOCOL, Rows, WrongFields};
use proptest::prelude::*;
use proptest::sample::Index;

const GRACE: Duration = Duration::from_secs(10);

/// What recorders and people would have had.
#[derive(Debug, Default)]
struct Witness {
    ids: u32,
    /// Requests that recorders saw, by client.
    seen: BTreeMap<String, u64>,
    /// Requests of those that a rule drops.
    filtered: u64,
    /// Custom events and measurements that recorders saw.
    events: u64,
    active: BTreeMap<usize, u64>,
    corrections: u64,
    faults: BTreeMap<&'static str, u64>,
    /// Fields with wrong values.
    wrong: BTreeMap<String, u64>,
}

impl Effects for Witness {
    fn new_run_id(&mut self) -> String {
        self.ids += 1;
        format!("made-{}", self.ids)
    }

    fn begin(&mut self, run: RunIndex, _: &Arc<RunInfo>) {
        assert!(self.active.insert(run.slot(), 0).is_none(), "begun twice");
    }

    fn see(&mut self, run: RunIndex, source: &Arc<SourceInfo>, seen: Seen<'_>, _: Now) -> u64 {
        let recorded = self.active.get_mut(&run.slot()).expect("only active runs have recorders");
        match seen {
            Seen::Requests(rows) => {
                // Some of them are dropped by a rule.
                let filtered = (rows.len() / 3) as u64;
                *recorded += rows.len() as u64 - filtered;
                self.filtered += filtered;
                // The host tells the clients of a test apart.
                *self.seen.entry(source.source.host.clone()).or_default() += rows.len() as u64;
                return filtered;
            }
            Seen::Event(ltel_core::event::Event::Custom(_)) => self.events += 1,
            Seen::Measurements(values) => self.events += values.len() as u64,
            _ => {}
        }
        0
    }

    fn source_gone(&mut self, run: RunIndex, _: SourceIndex, _: Now) {
        assert!(self.active.contains_key(&run.slot()));
    }

    fn end(&mut self, run: RunIndex, state: &Run, _: Now) -> bool {
        let recorded = self.active.remove(&run.slot()).expect("only an active run ends");
        assert_eq!(state.account().recorded(), recorded);
        true
    }

    fn corrected(&mut self, state: &Run, _: Now) {
        assert!(state.is_over());
        self.corrections += 1;
    }

    fn fault(&mut self, kind: &'static str, times: u64, _: &dyn fmt::Display) {
        *self.faults.entry(kind).or_default() += times;
    }

    fn wrong(&mut self, wrong: &WrongFields, _: &Source) {
        wrong.iter().for_each(|(field, times)| *self.wrong.entry(field.to_owned()).or_default() += times);
    }

    fn warn(&mut self, notice: Notice<'_>) {
        assert!(!notice.to_string().is_empty());
    }
}

/// A Locust process with its plugin: what it has sent is kept until it is acknowledged.
#[derive(Debug)]
struct Process {
    id: String,
    source: Source,
    /// All frames, by their number from 1, with the requests and events in each.
    frames: Vec<(Vec<u8>, u64, u64)>,
    /// The last frame that was put on this connection.
    put: usize,
    acknowledged: usize,
    connection: Option<(ClientIndex, u64)>,
    index: Option<ClientIndex>,
    run: Option<String>,
    coordinator: Option<String>,
    sent: u64,
    /// Requests and events in the frames that were acknowledged, each once.
    taken: (u64, u64),
}

/// What can happen.
#[derive(Clone, Debug)]
enum Step {
    Start(Index, Index, bool),
    Requests(Index, u8),
    Event(Index),
    Measurements(Index, u8),
    Done(Index, i8),
    Deliver(Index, u8),
    Repeat(Index),
    Disconnect(Index),
    Connect(Index),
    Late(Index, u8),
    Pass(u8),
}

fn step() -> impl Strategy<Value = Step> {
    let who = any::<Index>;
    prop_oneof![
        3 => (who(), any::<Index>(), any::<bool>()).prop_map(|(a, b, c)| Step::Start(a, b, c)),
        6 => (who(), 0..5_u8).prop_map(|(a, b)| Step::Requests(a, b)),
        1 => who().prop_map(Step::Event),
        2 => (who(), 0..5_u8).prop_map(|(a, b)| Step::Measurements(a, b)),
        3 => (who(), -1..2_i8).prop_map(|(a, b)| Step::Done(a, b)),
        8 => (who(), 1..6_u8).prop_map(|(a, b)| Step::Deliver(a, b)),
        1 => who().prop_map(Step::Repeat),
        2 => who().prop_map(Step::Disconnect),
        3 => who().prop_map(Step::Connect),
        1 => (who(), 1..4_u8).prop_map(|(a, b)| Step::Late(a, b)),
        3 => (1..15_u8).prop_map(Step::Pass),
    ]
}

struct World {
    runs: Runs,
    witness: Witness,
    processes: Vec<Process>,
    connections: u64,
    now: Now,
}

const RUNS: [&str; 3] = ["x", "y", "z"];

impl World {
    fn new(limits: Limits) -> Self {
        let kinds = [SourceKind::Master, SourceKind::Worker, SourceKind::Worker, SourceKind::Local, SourceKind::Local];
        let processes = kinds.iter().enumerate().map(|(n, &kind)| Process {
            id: format!("client-{n}"),
            source: Source { kind, id: format!("id-{n}"), host: format!("client-{n}"), ..Source::default() },
            frames: Vec::new(),
            put: 0,
            acknowledged: 0,
            connection: None,
            index: None,
            run: None,
            coordinator: (kind == SourceKind::Worker).then(|| "client-0".to_owned()),
            sent: 0,
            taken: (0, 0),
        });
        Self {
            runs: Runs::new(Settings { grace: GRACE, limits, ..Settings::default() }),
            witness: Witness::default(),
            processes: processes.collect(),
            connections: 0,
            now: Now::default(),
        }
    }

    fn say(&mut self, who: usize, message: Message<'_>, requests: u64, events: u64) {
        let process = &mut self.processes[who];
        let seq = Some(process.frames.len() as u64 + 1);
        let frame = Encoding::MessagePack.encode(&Frame { seq, message }).unwrap();
        process.frames.push((frame[4..].to_vec(), requests, events));
        process.sent += requests;
    }

    fn connect(&mut self, who: usize) {
        self.connections += 1;
        let process = &mut self.processes[who];
        let hello = Hello {
            protocol: PROTOCOL,
            client_id: process.id.clone(),
            source: process.source.clone(),
            run_id: process.run.clone(),
            coordinator: process.coordinator.clone(),
            ..Hello::default()
        };
        let welcomed = self.runs.hello(self.connections, hello, self.now, &mut self.witness);
        process.connection = Some((welcomed.client, self.connections));
        process.index = Some(welcomed.client);
        // Nothing that was acknowledged is asked for again, nor is anything called processed that never came.
        let last = usize::try_from(welcomed.last_seq).unwrap();
        assert!(process.acknowledged <= last && last <= process.frames.len());
        process.put = last;
        process.acknowledged = last;
    }

    fn deliver(&mut self, who: usize, number: usize) {
        let process = &mut self.processes[who];
        let Some((client, connection)) = process.connection else { return };
        let frame = &process.frames[number - 1].0;
        let packed = (Encoding::MessagePack, frame.as_slice());
        let parts = Encoding::MessagePack.parts(frame, self.now.wall).unwrap();
        let acknowledged = self.runs.frame((client, connection), packed, parts, self.now, &mut self.witness).unwrap();
        let (_, requests, events) = process.frames[number - 1];
        if number > process.acknowledged {
            process.taken.0 += requests;
            process.taken.1 += events;
        }
        process.acknowledged = process.acknowledged.max(usize::try_from(acknowledged).unwrap());
    }

    fn apply(&mut self, step: &Step) {
        let count = self.processes.len();
        match step {
            Step::Start(who, run, named) => {
                let who = who.index(count);
                let run_id = RUNS[run.index(RUNS.len())].to_owned();
                let process = &mut self.processes[who];
                process.run = Some(run_id.clone());
                process.sent = 0;
                let coordinator = process.coordinator.clone().filter(|_| *named);
                let start =
                    TestStart { time: 1.0, run_id: named.then_some(run_id), coordinator, ..TestStart::default() };
                self.say(who, start.into(), 0, 0);
            }
            Step::Requests(who, rows) => {
                let row = ltel_core::event::Request { method: "GET".into(), name: "/".into(), ..Default::default() };
                let rows = Rows { rows: vec![row; usize::from(*rows)], ..Rows::default() };
                let requests = rows.rows.len() as u64;
                self.say(who.index(count), Message::Requests(rows), requests, 0);
            }
            Step::Event(who) => {
                self.say(who.index(count), Custom { name: "mine".to_owned(), ..Custom::default() }.into(), 0, 1);
            }
            Step::Measurements(who, values) => {
                let value = Measurement { name: "cart".into(), ..Measurement::default() };
                let values = Measurements { values: vec![value; usize::from(*values)], invalid: 0 };
                let events = values.values.len() as u64;
                self.say(who.index(count), Message::Measurements(values), 0, events);
            }
            Step::Done(who, wrong) => {
                let who = who.index(count);
                let process = &self.processes[who];
                let sent = process.sent.saturating_add_signed(i64::from(*wrong));
                self.say(
                    who,
                    Message::Done(Done { sent: Some(sent), run_id: process.run.clone(), ..Done::default() }),
                    0,
                    0,
                );
            }
            Step::Deliver(who, frames) => {
                let who = who.index(count);
                for _ in 0..*frames {
                    if self.processes[who].connection.is_some()
                        && self.processes[who].put < self.processes[who].frames.len()
                    {
                        self.processes[who].put += 1;
                        self.deliver(who, self.processes[who].put);
                    }
                }
            }
            Step::Repeat(who) => {
                let who = who.index(count);
                if self.processes[who].put > 0 {
                    self.deliver(who, self.processes[who].put);
                }
            }
            Step::Disconnect(who) => {
                if let Some((client, connection)) = self.processes[who.index(count)].connection.take() {
                    self.runs.closed(client, connection, self.now, &mut self.witness);
                }
            }
            Step::Connect(who) => self.connect(who.index(count)),
            // Frames get lost, as those that a full buffer drops.
            Step::Late(who, frames) => {
                let process = &mut self.processes[who.index(count)];
                process.put = (process.put + usize::from(*frames)).min(process.frames.len());
            }
            Step::Pass(secs) => {
                let until = self.now.later(Duration::from_secs(u64::from(*secs)));
                while let Some(due) = self.runs.due().filter(|due| *due <= until.steady) {
                    self.now.steady = self.now.steady.max(due);
                    self.runs.tick(self.now, &mut self.witness);
                    assert!(self.runs.due() > Some(due) || self.runs.due().is_none(), "it makes no progress");
                }
                self.now = until;
            }
        }
    }

    /// What became of all that was acknowledged, so far.
    fn check(&self) {
        let held = self.processes.iter().filter_map(|process| Some((process, self.runs.held(process.index?))));
        let held: Vec<_> = held.map(|(process, held)| (process.source.label(), held)).collect();
        let accounts: Vec<_> = self.runs.all().map(Run::account).collect();
        check_all(&self.processes, &self.witness, &accounts, self.runs.no_run(), &held);
    }

    fn finish(mut self) {
        let outcome = self.runs.finish(self.now, &mut self.witness);
        let accounts: Vec<_> = outcome.runs.iter().map(|run| run.account.clone()).collect();
        check_all(&self.processes, &self.witness, &accounts, &outcome.no_run, &[]);
        assert!(self.witness.active.is_empty());
        for run in outcome.runs {
            let account = run.account;
            assert_eq!(run.complete, account.is_whole());
            let why_not = account.lost_events() > 0
                || account.unlisted_sources > 0
                || account.sources.iter().any(|s| s.status != SourceStatus::Done || !s.dropped.is_empty());
            assert_eq!(run.complete, !why_not, "{account:?}");
        }
    }
}

fn check_all(
    processes: &[Process],
    witness: &Witness,
    accounts: &[RunAccount],
    no_run: &ltel_core::runs::NoRunAccount,
    held: &[(String, (u64, u64))],
) {
    let mut taken: BTreeMap<String, u64> = BTreeMap::new();
    let mut found: BTreeMap<String, u64> = BTreeMap::new();
    let add = |to: &mut BTreeMap<String, u64>, label: &str, count: u64| {
        if count > 0 {
            *to.entry(label.to_owned()).or_default() += count;
        }
    };
    let (mut events_taken, mut events) = (0, witness.events + no_run.events);
    for process in processes {
        add(&mut taken, &process.source.label(), process.taken.0);
        events_taken += process.taken.1;
        add(&mut found, &process.source.label(), witness.seen.get(&process.id).copied().unwrap_or(0));
    }
    for account in accounts {
        events += account.late_events;
        for source in &account.sources {
            let dropped: u64 = source.dropped.values().sum();
            assert_eq!(source.sent, source.recorded + source.filtered + dropped, "{source:?}");
            add(&mut found, &source.label, source.dropped.get(&DropReason::Late).copied().unwrap_or(0));
        }
    }
    for (label, count) in &no_run.requests {
        add(&mut found, label, *count);
    }
    for (label, (requests, more_events)) in held {
        add(&mut found, label, *requests);
        events += more_events;
    }
    assert_eq!(taken, found);
    assert_eq!(events_taken, events);
    assert!(witness.wrong.is_empty());
    let recorded: u64 = accounts.iter().map(RunAccount::recorded).sum();
    let filtered: u64 = accounts.iter().map(RunAccount::filtered).sum();
    assert_eq!(filtered, witness.filtered);
    assert_eq!(recorded + filtered, witness.seen.values().sum::<u64>());
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 512, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn the_account_closes_after_each_step(steps in prop::collection::vec(step(), 1..120)) {
        let mut world = World::new(Limits { ended_runs: 1_000, clients: 1_000, ..Limits::default() });
        for step in &steps {
            world.apply(step);
            world.check();
        }
        // All say what they have left, or are gone; then every run is over.
        for who in 0..world.processes.len() {
            if world.processes[who].connection.is_some() {
                while world.processes[who].put < world.processes[who].frames.len() {
                    world.processes[who].put += 1;
                    world.deliver(who, world.processes[who].put);
                }
            }
            let (client, connection) = world.processes[who].connection.take().unwrap_or_else(|| {
                world.connect(who);
                world.processes[who].connection.take().unwrap()
            });
            world.runs.closed(client, connection, world.now, &mut world.witness);
        }
        for _ in 0..4 {
            world.apply(&Step::Pass(11));
        }
        world.check();
        prop_assert_eq!(world.runs.counts().active, 0);
        prop_assert_eq!(world.runs.counts().recorded, 0);
        prop_assert_eq!(world.runs.held_bytes(), 0);
        world.finish();
    }

    #[test]
    fn nothing_grows_beyond_its_limit(steps in prop::collection::vec(step(), 1..120)) {
        let limits = Limits { runs: 2, sources: 2, held_bytes: 1_600, recorder_bytes: 0, clients: 2, ended_runs: 1 };
        let mut world = World::new(limits);
        for step in &steps {
            // A client that ltel has forgotten begins anew.
            if let Step::Connect(who) = step {
                world.processes[who.index(5)].acknowledged = 0;
            }
            world.apply(step);
            prop_assert!(world.runs.counts().active <= limits.runs + 1);
            prop_assert!(world.runs.held_bytes() <= limits.held_bytes);
            prop_assert!(world.runs.all().filter(|run| run.is_over()).count() <= limits.ended_runs);
            prop_assert!(world.runs.all().all(|run| run.account().sources.len() <= 2 * limits.sources));
        }
        let outcome = world.runs.finish(world.now, &mut world.witness);
        prop_assert!(outcome.runs.len() <= limits.ended_runs);
    }
}

/// Scenario: rows with wrong fields come before their run is known, and after. Guarantees: the fields are counted once, either way.
#[test]
fn wrong_fields_of_rows_that_wait_are_counted() {
    let (requests, tasks) = (r#""rows":[["GET","/",1,7,"no"]]"#, r#""rows":[["a",{}]]"#);
    let values = r#""metrics":[{"name":"a","kind":"counter"}],"rows":[[0,1,7]]"#;
    for (kind, rest) in [("requests", requests), ("tasks", tasks), ("measurements", values)] {
        let counted = [false, true].map(|waits| {
            let (mut runs, mut witness) =
                (Runs::new(Settings { grace: GRACE, ..Settings::default() }), Witness::default());
            let hello = |id: &str, kind| Hello {
                client_id: id.to_owned(),
                source: Source { kind, id: id.to_owned(), ..Source::default() },
                ..Hello::default()
            };
            let now = Now::default();
            let worker = runs.hello(1, hello("w", SourceKind::Worker), now, &mut witness).client;
            let master = runs.hello(2, hello("m", SourceKind::Master), now, &mut witness).client;
            let mut say = |client, connection, text: &str| {
                let parts = Encoding::JsonLines.parts(text.as_bytes(), now.wall).unwrap();
                runs.frame((client, connection), (Encoding::JsonLines, text.as_bytes()), parts, now, &mut witness);
            };
            let (rows, start) = (format!(r#"{{"type":"{kind}","seq":1,{rest}}}"#), r#"{"type":"test_start","time":1}"#);
            if !waits {
                say(master, 2, start);
            }
            say(worker, 1, &rows);
            if waits {
                say(master, 2, start);
            }
            witness.wrong
        });
        assert!(!counted[0].is_empty(), "{kind}");
        assert_eq!(counted[0], counted[1], "{kind}");
    }
}
