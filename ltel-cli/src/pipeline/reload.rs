//! Reads the configuration again while ltel runs. Runs that begin from then on have the new recorders and backends; a run in progress keeps
//! what it has, and a backend that is no longer in the configuration ends after the last run that has it.
//!
//! A backend whose table is as it was goes on, with its connections and its queue.

use std::sync::{Arc, Weak};

use tokio::sync::mpsc;

use super::fleet::Fleet;
use super::own_metrics::OwnMetrics;
use crate::config::{BackendConfig, Config};
use crate::deliver::summary::SummaryBackend;
use crate::deliver::{self, BackendHandle};
use crate::runs::Equipment;

/// How many backends of earlier configurations may still be at work.
const MOST_FORMER: usize = 16;

/// Makes a new equipment of the configuration.
#[derive(Debug)]
pub(super) struct Reloader {
    // Weak: a backend ends when no run has it any more.
    now: Weak<Equipment>,
    backends: Fleet,
    equip: mpsc::Sender<Arc<Equipment>>,
    observed: Arc<OwnMetrics>,
}

/// What has become of the backends.
#[derive(Debug, Default)]
struct Changes {
    started: Vec<String>,
    kept: Vec<String>,
    former: Vec<String>,
}

impl Reloader {
    pub(super) fn new(
        now: &Arc<Equipment>,
        backends: Fleet,
        equip: mpsc::Sender<Arc<Equipment>>,
        observed: Arc<OwnMetrics>,
    ) -> Self {
        Self { now: Arc::downgrade(now), backends, equip, observed }
    }

    /// The configuration was read again: says what comes of it. `None` if it is wrong, which has been said.
    pub(super) async fn reload(&mut self, config: Option<Config>) {
        let Some(old) = self.now.upgrade() else { return };
        let Some(mut config) = config else {
            tracing::error!("SIGHUP: the configuration stays as it was");
            return;
        };
        for warning in &config.warnings {
            tracing::warn!("{warning}");
        }
        keep_what_cannot_change(&mut config, &old.config);
        if let Err(why) = keep_what_no_file_has(&mut config, &old.config) {
            tracing::error!("SIGHUP: {why}; the configuration stays as it was");
            return;
        }
        super::add_figures(&mut config);
        let (new, changes) = match self.equipment(config, &old) {
            Ok(made) => made,
            Err(why) => {
                tracing::error!("SIGHUP: {why}; the configuration stays as it was");
                return;
            }
        };
        self.observed.observe(&new);
        self.now = Arc::downgrade(&new);
        if self.equip.send(new).await.is_ok() {
            changes.tell();
        }
    }

    /// Starts the backends that are new. If one does not start, none has.
    fn equipment(&self, mut config: Config, old: &Equipment) -> Result<(Arc<Equipment>, Changes), String> {
        let former = self.backends.count().saturating_sub(old.backends.len());
        if former > MOST_FORMER {
            return Err(format!(
                "{former} backends of earlier configurations still deliver what they hold, or wait for the end of their runs: try \
                 again later"
            ));
        }
        let mut changes = Changes::default();
        let mut handles = Vec::<Arc<BackendHandle>>::new();
        let mut starting = Vec::new();
        for backend in &mut config.backends {
            let is_same = |have: &&BackendConfig| have.name == backend.name && have.table == backend.table;
            let clashing =
                old.config.backends.iter().find_map(|have| Some((have, have.claims.clash(&backend.claims)?)));
            let have = old.config.backends.iter().find(is_same).map(|have| (have, None));
            match have.or(clashing.map(|(have, place)| (have, Some(place)))) {
                Some((have, place)) if have.name == backend.name => {
                    if let Some(place) = place {
                        tracing::warn!(
                            "SIGHUP: [backends.{}] has changed, but {place} is the running one's: it stays as it was until {} is \
                             started again",
                            backend.name,
                            crate::program::name()
                        );
                        *backend = have.clone();
                    }
                    let index = old.config.backends.iter().position(|of| of.name == have.name);
                    let handle = index.and_then(|index| old.backends.get(index)).ok_or("a backend is missing")?;
                    handles.push(Arc::clone(handle));
                    changes.kept.push(backend.name.clone());
                }
                Some((have, place)) => {
                    let (new, have) = (&backend.name, &have.name);
                    let place = place.unwrap_or_default();
                    return Err(format!("[backends.{new}] uses {place}, which [backends.{have}] still has"));
                }
                None => {
                    let (handle, running) = deliver::start(backend).map_err(String::from)?;
                    let handle = Arc::new(handle);
                    starting.push((Arc::clone(&handle), running));
                    handles.push(handle);
                    changes.started.push(backend.name.clone());
                }
            }
        }
        for ((handle, running), name) in starting.into_iter().zip(&changes.started) {
            if let Some(config) = config.backends.iter().find(|of| of.name == *name) {
                self.observed.feed(&handle, config);
            }
            self.backends.add(running);
        }
        let goes = |have: &&BackendConfig| !changes.kept.contains(&have.name);
        changes.former = old.config.backends.iter().filter(goes).map(|have| have.name.clone()).collect();
        Ok((Arc::new(Equipment::new(config, handles)), changes))
    }
}

impl Changes {
    fn tell(&self) {
        let listed = |what: &str, names: &[String]| match names {
            [] => String::new(),
            names => format!("; backends {what}: {}", names.join(", ")),
        };
        tracing::info!(
            "SIGHUP: the next run begins with the configuration as it is now{}{}{}",
            listed("started", &self.started),
            listed("that end after their last run", &self.former),
            listed("that go on as they were", &self.kept)
        );
    }
}

/// What is decided at the start: says so, if the file has changed it.
fn keep_what_cannot_change(new: &mut Config, old: &Config) {
    let changed = [
        ("[listen]", !new.listen.is_like(&old.listen)),
        ("[health]", new.health != old.health),
        ("[limits]", new.limits != old.limits),
        ("`grace`", new.grace != old.grace),
        ("`exit_after_run`", new.exit_after_run != old.exit_after_run),
        ("`start_timeout`", new.start_timeout != old.start_timeout),
    ];
    for (what, _) in changed.into_iter().filter(|(_, changed)| *changed) {
        tracing::warn!(
            "SIGHUP: {what} has changed, which takes effect when {} is started again",
            crate::program::name()
        );
    }
    new.listen = old.listen.clone();
    new.listen_is_stated = old.listen_is_stated;
    new.health = old.health;
    (new.limits, new.grace) = (old.limits, old.grace);
    (new.exit_after_run, new.start_timeout) = (old.exit_after_run, old.start_timeout);
}

/// Backends that the program added itself, such as those of the command line. An error if one of the file would take their place.
fn keep_what_no_file_has(new: &mut Config, old: &Config) -> Result<(), String> {
    for added in old.backends.iter().filter(|have| have.table.is_none()) {
        new.add_backend(added.clone())?;
    }
    SummaryBackend::route(new);
    Ok(())
}

#[cfg(test)]
mod tests {
    use ltel_core::backend::Claims;

    use super::*;
    use crate::config::{self, Environment};
    use crate::deliver::page::Page;
    use crate::deliver::report::Report;

    fn read(text: &str) -> Config {
        let registry = deliver::built_in().with::<ltel_recorders::Stats>();
        config::load("test", &format!("{text}\n[recorders.stats]\n"), &registry, &Environment::default())
            .expect("a configuration")
    }

    /// Scenario: beside a file, the command line asks for a page and a report; the file is read again, with a backend that would take the
    /// place of one of them, or with others. Guarantees: the first is refused with what is in the way; with the others, those of the command
    /// line go on.
    #[test]
    fn backends_of_the_command_line_keep_their_places() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let json = |name: &str, path: &str| format!("[backends.{name}]\ntype = 'json'\noutput = '{path}'\n");
        let mut old = read(&json("file", &path("lines.ndjson")));
        let (mut report, mut page) = (Claims::default(), Claims::default());
        report.file(path("report.html").as_ref()).expect("a free path");
        page.address("127.0.0.1:4330".parse().expect("an address"), "--page");
        let url = crate::deliver::page::PageUrl::default();
        for (name, claims) in [("--report", report), ("page", page)] {
            let backend = match name {
                "page" => BackendConfig::new(name, Page::of_command_line(None, &url)),
                _ => BackendConfig::new(name, Report::of(Vec::new())),
            };
            old.add_backend(backend.claiming(claims)).expect("nothing is in the way");
        }
        let again = |more: &str| {
            let mut new = read(&(json("file", &path("lines.ndjson")) + more));
            keep_what_no_file_has(&mut new, &old)
                .map(|()| new.backends.iter().map(|of| of.name.clone()).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(again("").unwrap(), "file --report page");
        assert_eq!(again(&json("next", &path("next.ndjson"))).unwrap(), "file next --report page");
        for (more, why) in [
            (json("next", &path("report.html")), "[backends.next] and --report would both use `"),
            (
                json("--report", &path("next.ndjson")),
                "[backends.--report] has the name of a backend of the command line",
            ),
            ("[backends.page]\nlisten = '127.0.0.1:4331'\n".to_owned(), "[backends.page] has the name"),
            (
                "[backends.prometheus]\nlisten = '127.0.0.1:4330'\n".to_owned(),
                "[backends.prometheus] and --page would both use 127.0.0.1:4330",
            ),
        ] {
            let said = again(&more).unwrap_err();
            assert!(said.starts_with(why), "{said}");
        }
    }

    /// Guarantees: what a change of `[listen]` is: another content of a certificate's file, or a token, and not another order of keys.
    #[test]
    fn another_certificate_is_a_change_of_listen() {
        let folder = tempfile::tempdir().expect("a folder");
        let path = |name: &str| folder.path().join(name).display().to_string();
        let issue = || {
            let made = rcgen::generate_simple_self_signed(vec!["localhost".to_owned()]).expect("a certificate");
            std::fs::write(path("cert.pem"), made.cert.pem()).expect("a file");
            std::fs::write(path("key.pem"), made.signing_key.serialize_pem()).expect("a file");
        };
        let tls = format!("tls = {{ cert_file = '{}', key_file = '{}' }}", path("cert.pem"), path("key.pem"));
        let tcp = "tcp = '127.0.0.1:4327'";
        let listen = |keys: &[&str]| read(&format!("[listen]\n{}\n[backends.json]\n", keys.join("\n"))).listen;
        issue();
        let before = listen(&[tcp, &tls]);
        assert!(listen(&[&tls, tcp]).is_like(&before));
        assert!(!listen(&[tcp]).is_like(&before));
        assert!(!listen(&[tcp, &tls, "token = 'secret'"]).is_like(&before));
        assert!(!read("[backends.json]").listen.is_like(&before));
        issue();
        assert!(!listen(&[tcp, &tls]).is_like(&before), "another certificate");
    }
}
