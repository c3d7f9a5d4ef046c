//! What a test needs that this machine may not have: a test that cannot get it is skipped, and said to be at the end.
//!
//! The test harness of Rust knows no skipped tests while they run: it shows such a test as `ok`. The target `skipped`, which
//! `cargo test` runs behind the tests, lists them. Where nothing may be skipped, as in CI, `LTEL_TESTS_SKIP=never` makes them fail.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::Write;
use std::panic::{AssertUnwindSafe, catch_unwind, resume_unwind};
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::setup::target_dir;

/// Something that a test needs and that cannot be had.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
pub struct Need {
    /// What it is, such as `promtool`.
    pub what: String,
    /// How to get it.
    pub how: String,
    /// What was tried, and what came of it.
    pub why: String,
}

impl Need {
    /// Ends the test that needs this: it is skipped, or fails where nothing may be skipped.
    pub fn skip(self) -> ! {
        let strict = std::env::var_os("LTEL_TESTS_SKIP").is_some_and(|value| value == "never");
        assert!(!strict, "needs {}: {}\nto get it: {}", self.what, self.why, self.how);
        resume_unwind(Box::new(self))
    }
}

/// Asks for a file of the operating system, such as `/proc/self/status`, that others do not have.
pub fn need_file(path: &str, of: &str) {
    if !Path::new(path).exists() {
        let (what, how) = (format!("`{path}`"), format!("run the tests on {of}"));
        Need { what, how, why: "there is none".to_owned() }.skip();
    }
}

/// Runs a test; if it needs what cannot be had, takes that down.
pub fn attempt(module: &str, name: &str, test: fn()) {
    let Err(payload) = catch_unwind(AssertUnwindSafe(test)) else { return };
    match payload.downcast::<Need>() {
        Ok(need) => {
            let test = format!("{}::{name}", module.split_once("::").map_or(module, |(_, module)| module));
            take_down(&need, &test);
        }
        Err(failure) => resume_unwind(failure),
    }
}

// One file for each test: they run in several threads, and with nextest in several processes.
fn take_down(need: &Need, test: &str) {
    // Not by a macro, whose output the harness keeps to itself: here is who waits for the test.
    let _ = writeln!(std::io::stderr(), "ltel-tests: {test} is skipped: it needs {}", need.what);
    let folder = notes();
    fs::create_dir_all(&folder).expect("a folder for notes of skipped tests");
    let note = serde_json::to_string(&(need, test)).expect("JSON");
    fs::write(folder.join(format!("{}.json", test.replace("::", "."))), note).expect("a note of a skipped test");
}

/// The tests that were skipped by the parent of this process, `cargo test`, by what they need. They are forgotten then.
pub fn skipped() -> BTreeMap<Need, BTreeSet<String>> {
    let mut all: BTreeMap<Need, BTreeSet<String>> = BTreeMap::new();
    for note in fs::read_dir(notes()).into_iter().flatten().flatten() {
        let note = fs::read(note.path()).expect("a note");
        let (need, test): (Need, String) = serde_json::from_slice(&note).expect("a note of a skipped test");
        all.entry(need).or_default().insert(test);
    }
    let _ = fs::remove_dir_all(notes());
    all
}

fn notes() -> PathBuf {
    let cargo = std::os::unix::process::parent_id();
    target_dir().join("tmp").join(format!("skipped-tests-{cargo}"))
}

/// An end-to-end test: `#[apply(e2e)]` above a function. It is a `#[test]` that is skipped if it needs what cannot be had.
#[macro_export]
macro_rules! e2e {
    ($(#[$attribute:meta])* fn $name:ident() $body:block) => {
        $(#[$attribute])*
        #[test]
        fn $name() {
            // In a closure, and not in a function: snapshots have the name of the function that they are in.
            $crate::attempt(module_path!(), stringify!($name), || $body);
        }
    };
}
