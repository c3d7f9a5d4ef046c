//! Turns on the machine: a few tests that run Locust at a time, and tests that measure a rate alone.

use std::fs::{File, OpenOptions};

use crate::wait::until;

/// A place among the tests that run at once; given back when it is dropped. Held by file locks,
/// so that it counts over processes too.
#[derive(Debug)]
pub struct Turn {
    _files: Vec<File>,
}

/// Tests with a Locust at once. More would disturb each other on two cores.
const PLACES: usize = 2;

impl Turn {
    /// A turn for a test that starts Locust: with others, but not many.
    pub fn shared() -> Self {
        let all = lock_file("all");
        all.lock_shared().expect("a shared lock");
        let places: Vec<_> = (0..PLACES).map(|n| lock_file(&format!("place-{n}"))).collect();
        let place = until("a place among the running tests", crate::SLOW * 10, || {
            places.iter().position(|file| file.try_lock().is_ok())
        });
        let mut files = vec![all];
        files.extend(places.into_iter().nth(place));
        Self { _files: files }
    }

    /// A turn for a test that measures: no other test with a turn runs meanwhile.
    pub fn alone() -> Self {
        let all = lock_file("all");
        all.lock().expect("a lock");
        Self { _files: vec![all] }
    }
}

fn lock_file(name: &str) -> File {
    // One for all checkouts on this machine: they share its cores.
    let folder = std::env::temp_dir().join(format!("ltel-turns-{}", rustix::process::getuid()));
    std::fs::create_dir_all(&folder).expect("a folder for locks");
    OpenOptions::new().create(true).truncate(false).write(true).open(folder.join(name)).expect("a lock file")
}
