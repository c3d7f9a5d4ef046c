//! A real Prometheus that scrapes, and what it says when it is asked.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::path::Path;

use serde_json::Value;

use crate::http::get;
use crate::process::Process;
use crate::receiver::free_port;
use crate::scene::Scene;
use crate::setup::{program, say};
use crate::wait::{SLOW, until};

/// A running Prometheus.
#[derive(Debug)]
pub struct Prometheus {
    process: Process,
    port: u16,
}

/// One element of an answer.
#[derive(Clone, Debug, PartialEq)]
pub struct Sample {
    /// Its labels, `__name__` among them.
    pub labels: BTreeMap<String, String>,
    /// Its values, each with its time in seconds.
    pub values: Vec<(f64, f64)>,
}

/// An exemplar that it has kept.
#[derive(Clone, Debug, PartialEq)]
pub struct StoredExemplar {
    /// The labels of its series.
    pub series: BTreeMap<String, String>,
    /// Its own labels.
    pub labels: BTreeMap<String, String>,
    /// Its value.
    pub value: f64,
    /// Its time, in seconds since the epoch, to milliseconds.
    pub time: f64,
}

impl Sample {
    /// A label; `None` if it is empty.
    pub fn label(&self, name: &str) -> &str {
        self.labels.get(name).map_or("", String::as_str)
    }

    /// The last value.
    pub fn value(&self) -> f64 {
        self.values.last().expect("a value").1
    }
}

impl Prometheus {
    /// Starts one that scrapes this port on the loopback interface so often, and waits until it has tried to.
    pub fn start(scene: &Scene, scraped: u16, interval: &str) -> Self {
        Self::start_with(scene, scraped, interval, &[])
    }

    /// The same with more arguments.
    pub fn start_with(scene: &Scene, scraped: u16, interval: &str, more: &[&str]) -> Self {
        let config = scene.write(
            "prometheus.yml",
            &format!(
                "global:\n  scrape_interval: {interval}\n  scrape_timeout: {interval}\nscrape_configs:\n  - job_name: ltel\n    \
                 static_configs:\n      - targets: ['127.0.0.1:{scraped}']\n"
            ),
        );
        Self::start_by(scene, &config, more)
    }

    /// One with this configuration, which scrapes something.
    pub fn start_by(scene: &Scene, config: &Path, more: &[&str]) -> Self {
        let port = free_port();
        let mut command = scene.program(&program("prometheus"));
        command
            .arg(format!("--config.file={}", config.display()))
            .arg(format!("--web.listen-address=127.0.0.1:{port}"))
            .arg(format!("--storage.tsdb.path={}", scene.path("prometheus").display()))
            .args(more);
        let mut process = scene.start("prometheus", command);
        until("Prometheus", SLOW, || {
            assert_eq!(process.exit(), None, "Prometheus ended:\n{}", process.stderr());
            get(port, "/-/ready").ok().filter(|answer| answer.status == 200)
        });
        let prometheus = Self { process, port };
        // It finds its targets some seconds after its start.
        prometheus.sees("up");
        prometheus
    }

    /// What it answers to a query.
    pub fn query(&self, promql: &str) -> Vec<Sample> {
        let answer = get(self.port, &format!("/api/v1/query?query={}", percent_encoded(promql)))
            .unwrap_or_else(|e| panic!("Prometheus does not answer: {e}\n{}", self.process.stderr()));
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON from Prometheus");
        let result = answer["data"]["result"].as_array().unwrap_or_else(|| panic!("{promql}: {answer}"));
        result.iter().map(sample).collect()
    }

    /// The exemplars of the series that a query names, if it keeps them (`--enable-feature=exemplar-storage`).
    pub fn exemplars(&self, promql: &str) -> Vec<StoredExemplar> {
        let path = format!("/api/v1/query_exemplars?query={}&start=0&end=9999999999", percent_encoded(promql));
        let answer = get(self.port, &path)
            .unwrap_or_else(|e| panic!("Prometheus does not answer: {e}\n{}", self.process.stderr()));
        let answer: Value = serde_json::from_str(&answer.body).expect("JSON from Prometheus");
        let series = answer["data"].as_array().unwrap_or_else(|| panic!("{promql}: {answer}"));
        let mut all = Vec::new();
        for of in series {
            for exemplar in of["exemplars"].as_array().expect("exemplars") {
                all.push(StoredExemplar {
                    series: labels(&of["seriesLabels"]),
                    labels: labels(&exemplar["labels"]),
                    value: number(&exemplar["value"]),
                    time: exemplar["timestamp"].as_f64().expect("a time"),
                });
            }
        }
        all
    }

    /// How many rules it has, once it has evaluated all of them.
    pub fn rules(&self) -> Option<usize> {
        let answer = get(self.port, "/api/v1/rules").ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let groups = answer["data"]["groups"].as_array()?;
        let rules: Vec<_> = groups.iter().filter_map(|group| group["rules"].as_array()).flatten().collect();
        rules.iter().all(|rule| rule["health"] == "ok").then_some(rules.len())
    }

    /// What it answers to a query, by one label.
    pub fn by(&self, label: &str, promql: &str) -> BTreeMap<String, f64> {
        self.query(promql).iter().map(|sample| (sample.label(label).to_owned(), sample.value())).collect()
    }

    /// Waits until it answers with something.
    pub fn sees(&self, promql: &str) -> Vec<Sample> {
        let mut failed = None;
        until(promql, SLOW, || {
            let error = self.scrape_error();
            if error != failed {
                say(&format!("the last scrape: {error:?}"));
                failed = error;
            }
            Some(self.query(promql)).filter(|samples| !samples.is_empty())
        })
    }

    /// Why its last scrape failed, if it did.
    pub fn scrape_error(&self) -> Option<String> {
        let answer = get(self.port, "/api/v1/targets").ok()?;
        let answer: Value = serde_json::from_str(&answer.body).ok()?;
        let error = answer["data"]["activeTargets"][0]["lastError"].as_str()?;
        (!error.is_empty()).then(|| error.to_owned())
    }
}

fn sample(element: &Value) -> Sample {
    let values = element["values"].as_array().cloned().unwrap_or_else(|| vec![element["value"].clone()]);
    Sample {
        labels: labels(&element["metric"]),
        values: values.iter().map(|pair| (pair[0].as_f64().expect("a time"), number(&pair[1]))).collect(),
    }
}

fn labels(of: &Value) -> BTreeMap<String, String> {
    let labels = of.as_object().expect("labels").iter();
    labels.map(|(name, value)| (name.clone(), value.as_str().expect("a label").to_owned())).collect()
}

fn number(text: &Value) -> f64 {
    text.as_str().and_then(|text| text.parse().ok()).expect("a value")
}

fn percent_encoded(text: &str) -> String {
    text.bytes().fold(String::new(), |mut encoded, byte| {
        if byte.is_ascii_alphanumeric() {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02X}");
        }
        encoded
    })
}

/// The configuration of a Prometheus backend on this port, with more lines.
pub fn prometheus_backend(port: u16, more: &str) -> String {
    format!("[backends.scraped]\ntype = \"prometheus\"\nlisten = \"127.0.0.1:{port}\"\n{more}\n")
}
