//! What all runs together say: whether a threshold was broken.

use ltel_core::runs::RunInfo;
use ltel_core::text::shortened;
use ltel_core::thresholds::Judgement;

use crate::plural::counted;

// One line has to hold them.
const SHOWN: usize = 5;

// The longest sentence in it, in characters.
const SENTENCE: usize = 200;

/// Which thresholds the runs have broken.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Verdict {
    /// Whether runs that begin are to be judged.
    expected: bool,
    /// Runs that were judged.
    judged: u64,
    passed: u64,
    broken: u64,
    // The first of them, in words.
    sentences: Vec<String>,
}

impl Verdict {
    /// Adds the judgements on a run.
    pub(super) fn add(&mut self, run: &RunInfo, judgements: &[Judgement]) {
        self.judged += 1;
        self.passed += judgements.iter().filter(|judgement| judgement.passed).count() as u64;
        for judgement in judgements.iter().filter(|judgement| !judgement.passed) {
            self.broken += 1;
            if self.sentences.len() < SHOWN {
                let run =
                    if self.judged > 1 { format!("run {}: ", shortened(&run.run_id, 100)) } else { String::new() };
                self.sentences.push(format!("{run}{}", shortened(&judgement.sentence(), SENTENCE)));
            }
        }
    }

    /// Of no run so far; whether runs that begin are to be judged.
    pub(super) fn expecting(expected: bool) -> Self {
        Self { expected, ..Self::default() }
    }

    /// The configuration was read again: whether runs that begin are to be judged.
    pub(super) const fn expect(&mut self, expected: bool) {
        self.expected = expected;
    }

    /// Whether runs that begin are to be judged: at the end, by the configuration that was read last.
    pub(crate) const fn is_expected(&self) -> bool {
        self.expected
    }

    /// That all thresholds have passed; `None` if one has not, or if there is none.
    pub(crate) fn passed(&self) -> Option<String> {
        (self.passed > 0 && self.broken == 0).then(|| format!("{} passed", counted(self.passed, "thresholds")))
    }

    /// The broken thresholds in a line; `None` if there is none.
    pub(crate) fn broken(&self) -> Option<String> {
        let mut parts = self.sentences.clone();
        let more = self.broken.saturating_sub(parts.len() as u64);
        if more > 0 {
            parts.push(format!("{more} more"));
        }
        let what = counted(self.broken, "thresholds");
        (self.broken > 0).then(|| format!("{what} broken: {}", parts.join("; ")))
    }
}
