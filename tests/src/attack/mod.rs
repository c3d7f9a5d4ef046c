//! A thousand hostile clients beside a good one, against a real ltel with default settings. What ltel promises is that the good
//! client's figures stay exact, that it goes on, and that it needs no more than 256 MiB.

mod random;
mod connection;
mod fuzz;
mod hostile;
mod good;

use std::fmt;
use std::fs::File;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::thread;
use std::time::Duration;

use ltel_core::clock::Clock;
use rustix::process::Signal;
use tokio::runtime::Runtime;
use tokio::time::sleep;

use self::connection::Place;
use self::good::Good;
use self::hostile::{Hostile, KINDS};
use self::random::Random;
use crate::lines::Lines;
use crate::process::{Exit, Process};
use crate::receiver::{Deaf, free_port};
use crate::scene::Scene;
use crate::wait::{SLOW, SOON, until};

/// The most memory that ltel may need, in KiB.
pub const MOST_MEMORY: u64 = 256 << 10;

/// An attack.
#[derive(Clone, Debug)]
pub struct Attack {
    /// How long it lasts.
    pub time: Duration,
    /// How many hostile clients there are at a time.
    pub clients: usize,
    /// Where all that is random begins.
    pub seed: u64,
    /// Only kinds whose name contains this text; all if it is empty.
    pub only: String,
}

/// What became of it.
#[derive(Clone, Debug)]
pub struct Outcome {
    attack: Attack,
    // By kind, how often it was begun, and how often ltel closed the connection meanwhile.
    done: Vec<(&'static str, u64, u64)>,
    good: Good,
    peak: u64,
    exit: Exit,
    log: String,
}

#[derive(Debug, Default)]
struct Counts {
    begun: AtomicU64,
    closed: AtomicU64,
}

impl Attack {
    /// Attacks an ltel of its own. Fails unless the good client's figures are exact, and ltel ends when it is told to and not
    /// before. [`Outcome::peak_memory`] is for the caller to judge.
    pub fn run(self) -> Outcome {
        let scene = Scene::new();
        let receiver = Deaf::silent();
        let place = Place { unix: scene.socket(), tcp: free_port() };
        let mut ltel = scene.serve(&config(&scene, &place, receiver.port), &[]);

        let stop = Arc::new(AtomicBool::new(false));
        let good = {
            let (socket, stop) = (scene.socket(), Arc::clone(&stop));
            thread::spawn(move || Good::work(&socket, &stop))
        };
        let counts: Arc<Vec<Counts>> = Arc::new(KINDS.iter().map(|_| Counts::default()).collect());
        let runtime = Runtime::new().expect("threads for the clients");
        self.attack(&runtime, &place, &counts);
        let end = Clock::System.now() + self.time;
        until("the end of the attack", self.time + SOON, || {
            assert_eq!(ltel.exit(), None, "ltel has ended");
            (Clock::System.now() >= end || good.is_finished()).then_some(())
        });
        // The good client ends its run while the others go on.
        stop.store(true, Ordering::Relaxed);
        until("the good client's last acknowledgement", SLOW, || good.is_finished().then_some(()));
        let good = good.join().unwrap_or_else(|_| panic!("the good client has failed, see above"));
        let lines = until("the good client's report", SLOW, || {
            let lines = lines_of_the_good_run(&scene.path("telemetry.jsonl"));
            (!lines.reports().is_empty()).then_some(lines)
        });
        good.check(&lines);
        runtime.shutdown_background();

        assert_eq!(ltel.exit(), None, "ltel has ended");
        let peak = peak_memory(&ltel);
        let exit = ended(&mut ltel);
        let done = KINDS.iter().zip(&*counts).map(|(kind, counts)| {
            (kind.name, counts.begun.load(Ordering::Relaxed), counts.closed.load(Ordering::Relaxed))
        });
        let outcome = Outcome { done: done.collect(), attack: self, good, peak, exit, log: ltel.stderr() };
        let panics: Vec<_> = outcome.log.lines().filter(|line| line.contains("panicked at")).collect();
        assert!(panics.is_empty(), "{outcome}{panics:#?}");
        assert!(matches!(exit, Exit::Code(0 | 1)), "{outcome}");
        if outcome.attack.only.is_empty() {
            // The attack has arrived: ltel has let hostile clients in, and has sent to the receiver that hangs.
            for fault in ["requests of no run", "events of no run", "frame not understood", "slow frame"] {
                assert!(outcome.log.contains(fault), "no `{fault}`: {outcome}");
            }
            assert!(receiver.accepted() > 0, "{outcome}");
        }
        outcome
    }

    fn attack(&self, runtime: &Runtime, place: &Place, counts: &Arc<Vec<Counts>>) {
        let kinds = || KINDS.iter().enumerate().filter(|(_, kind)| kind.name.contains(&self.only));
        let shares: usize = kinds().map(|(_, kind)| kind.share).sum();
        assert!(shares > 0, "no kind of client has `{}` in its name", self.only);
        let mut number = 0;
        for (index, kind) in kinds() {
            for _ in 0..(self.clients * kind.share).div_ceil(shares) {
                number += 1;
                let (place, counts, once) = (place.clone(), Arc::clone(counts), kind.once);
                let mut random = Random::new(self.seed, number as u64);
                runtime.spawn(async move {
                    loop {
                        counts[index].begun.fetch_add(1, Ordering::Relaxed);
                        // A sequence of its own: a shifted one would say mostly the same again.
                        let own = Random::new(random.next(), number as u64);
                        let hostile = Hostile { place: place.clone(), random: own, number };
                        let outcome = once(hostile).await;
                        if outcome.is_err() {
                            counts[index].closed.fetch_add(1, Ordering::Relaxed);
                            sleep(Duration::from_millis(20)).await;
                        }
                    }
                });
            }
        }
    }
}

impl Outcome {
    /// The most memory that ltel had resident, in KiB.
    pub const fn peak_memory(&self) -> u64 {
        self.peak
    }
}

impl fmt::Display for Outcome {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Attack { time, clients, seed, .. } = &self.attack;
        writeln!(f, "{clients} hostile clients for {time:?}; LTEL_ATTACK_SEED={seed} repeats it")?;
        for (name, done, closed) in self.done.iter().filter(|(_, done, _)| *done > 0) {
            writeln!(f, "  {done:>8} times {name}; {closed} connections closed by ltel")?;
        }
        writeln!(f, "{}", self.good)?;
        writeln!(
            f,
            "most memory resident: {} KiB of {MOST_MEMORY}; ltel ended with {:?} when it was told to",
            self.peak, self.exit
        )?;
        for line in self.log.lines().filter(|line| line.contains("Faults of clients")) {
            writeln!(f, "{line}")?;
        }
        Ok(())
    }
}

/// Default settings, all recorders but the derived ones, JSON lines, and a receiver that never answers.
fn config(scene: &Scene, place: &Place, receiver: u16) -> String {
    format!(
        "[listen]\nunix = '{}'\ntcp = \"127.0.0.1:{}\"\n\
         [backends.file]\ntype = \"json\"\noutput = '{}'\n\
         [backends.collector]\ntype = \"otlp\"\nendpoint = \"http://127.0.0.1:{receiver}\"\n\
         [recorders.lifecycle]\n[recorders.stats]\n[recorders.requests]\n[recorders.users]\n[recorders.system]\n\
         [recorders.failures]\n[recorders.spans]\n",
        place.unix.display(),
        place.tcp,
        scene.path("telemetry.jsonl").display(),
    )
}

/// The lines of one run among very many.
fn lines_of_the_good_run(path: &Path) -> Lines {
    let run = format!("\"run_id\":\"{}\"", good::RUN);
    let Ok(file) = File::open(path) else { return Lines::parse("") };
    let lines = BufReader::new(file).lines().map_while(Result::ok);
    Lines::parse(&lines.filter(|line| line.contains(&run) && line.ends_with('}')).collect::<Vec<_>>().join("\n"))
}

/// Ends it. The receiver that hangs is not waited for.
fn ended(ltel: &mut Process) -> Exit {
    ltel.signal(Signal::TERM);
    let begun = Clock::System.now();
    let mut signals = 1;
    until("the end of ltel", SLOW, || {
        let exit = ltel.exit();
        let waited = Clock::System.now().since(begun);
        if exit.is_none() && signals < 3 && waited > Duration::from_secs(2) * signals {
            ltel.signal(Signal::TERM);
            signals += 1;
        }
        exit
    })
}

fn peak_memory(process: &Process) -> u64 {
    process.status("VmHWM").expect("a process has a peak of its memory")
}
