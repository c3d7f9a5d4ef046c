//! ltel's JSON lines, each checked for the envelope that existing pipelines rely on.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;

use serde_json::{Map, Value};

use crate::figures::{Counted, Endpoint, Figures};

/// One line.
#[derive(Clone, Debug)]
pub struct Line {
    /// Its time as it stands there.
    pub time: String,
    /// Context and the record's own fields.
    pub telemetry: Map<String, Value>,
}

impl Line {
    /// Parses a line; panics unless it has the envelope of all telemetry.
    pub fn parse(text: &str) -> Self {
        let value: Value = serde_json::from_str(text).unwrap_or_else(|e| panic!("not JSON ({e}): {text}"));
        let string = |value: &Value, key: &str| {
            value[key].as_str().unwrap_or_else(|| panic!("no text `{key}` in {text}")).to_owned()
        };
        let line = Self {
            time: string(&value, "time"),
            telemetry: value["telemetry"].as_object().unwrap_or_else(|| panic!("no telemetry in {text}")).clone(),
        };
        let (kind, name) = (line.text("telemetry_type"), line.text("telemetry_name"));
        assert!(is_rfc3339_millis(&line.time), "time is not RFC 3339 with milliseconds and Z: {text}");
        assert!(["INFO", "WARNING", "ERROR"].contains(&string(&value, "level").as_str()), "level: {text}");
        assert!(!string(&value, "name").is_empty(), "no logger's name: {text}");
        assert!(["event", "metrics", "span"].contains(&kind), "telemetry_type: {text}");
        assert_eq!(string(&value, "message"), format!("Recording telemetry {kind}: {name}"));
        // What ltel says of itself is of no run.
        if !name.starts_with("ltel.") || name == "ltel.run.report" {
            assert!(!line.text("run_id").is_empty() && !line.text("testplan").is_empty(), "no run: {text}");
        }
        if kind == "span" {
            assert!(!line.text("source").is_empty() && !line.text("source_id").is_empty(), "no source: {text}");
        }
        line
    }

    /// A field that is a text.
    pub fn text(&self, key: &str) -> &str {
        self.telemetry.get(key).and_then(Value::as_str).unwrap_or_else(|| panic!("no text `{key}` in {self:?}"))
    }

    /// A field that is a number.
    pub fn number(&self, key: &str) -> f64 {
        self.telemetry.get(key).and_then(Value::as_f64).unwrap_or_else(|| panic!("no number `{key}` in {self:?}"))
    }

    /// A field that counts.
    pub fn count(&self, key: &str) -> u64 {
        self.telemetry.get(key).and_then(Value::as_u64).unwrap_or_else(|| panic!("no count `{key}` in {self:?}"))
    }

    /// Whether it has this field.
    pub fn has(&self, key: &str) -> bool {
        self.telemetry.contains_key(key)
    }

    /// Whether a field has this text.
    pub fn is(&self, key: &str, text: &str) -> bool {
        self.telemetry.get(key).and_then(Value::as_str) == Some(text)
    }

    /// Its `telemetry_name`.
    pub fn name(&self) -> &str {
        self.text("telemetry_name")
    }
}

/// All lines of an output.
#[derive(Clone, Debug, Default)]
pub struct Lines(pub Vec<Line>);

const STATS: &str = "locust.tl.request.metric.stats";

impl Lines {
    /// Reads a finished file: the last line ends too.
    pub fn read(path: &Path) -> Self {
        let text = fs::read_to_string(path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        assert!(text.is_empty() || text.ends_with('\n'), "the last line is cut off: {}", path.display());
        Self::parse(&text)
    }

    /// Reads what is there of a file that is being written.
    pub fn so_far(path: &Path) -> Self {
        let text = fs::read(path).unwrap_or_default();
        let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at + 1);
        Self::parse(std::str::from_utf8(&text[..end]).expect("UTF-8"))
    }

    /// Parses and checks lines.
    pub fn parse(text: &str) -> Self {
        Self(text.lines().map(Line::parse).collect())
    }

    /// Those with this `telemetry_name`.
    pub fn named<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a Line> {
        self.0.iter().filter(move |line| line.is("telemetry_name", name))
    }

    /// Those of this run.
    #[must_use]
    pub fn of_run(&self, run_id: &str) -> Self {
        Self(self.0.iter().filter(|line| line.is("run_id", run_id)).cloned().collect())
    }

    /// The run reports, in the order in which the runs ended.
    pub fn reports(&self) -> Vec<&Line> {
        self.named("ltel.run.report").collect()
    }

    /// The only run report; the account in it adds up.
    pub fn report(&self) -> &Line {
        let reports = self.reports();
        assert_eq!(reports.len(), 1, "run reports: {reports:?}");
        check_account(reports[0]);
        reports[0]
    }

    /// The statistics records of a type: `current`, `final` or `endpoint`.
    pub fn stats<'a>(&'a self, kind: &'a str) -> impl Iterator<Item = &'a Line> {
        self.named(STATS).filter(move |line| line.is("stats_type", kind))
    }

    /// The only final record.
    pub fn final_record(&self) -> &Line {
        let finals: Vec<_> = self.stats("final").collect();
        assert_eq!(finals.len(), 1, "final records: {finals:?}");
        finals[0]
    }

    /// The last line of each series of a metric, by its fields that are texts.
    pub fn latest(&self, metric: &str) -> BTreeMap<BTreeMap<String, String>, &Line> {
        self.0
            .iter()
            .filter(|line| line.is("telemetry_name", metric))
            .map(|line| {
                // The only label that is a number.
                let text = |key: &str, value: &Value| match value.as_str() {
                    None if key == "status_code" => Some(value.to_string()),
                    text => text.map(ToOwned::to_owned),
                };
                let texts = line.telemetry.iter().filter_map(|(key, value)| Some((key.clone(), text(key, value)?)));
                (texts.collect(), line)
            })
            .collect()
    }

    /// Fails unless the final and endpoint records of the only run say what Locust says.
    pub fn check_figures(&self, locust: &Figures) {
        check_record("final", self.final_record(), &locust.total());
        let endpoints: BTreeMap<_, _> = self
            .stats("endpoint")
            .filter(|line| line.is("status", "success"))
            .map(|line| (Endpoint::new(line.text("method"), line.text("name")), line))
            .collect();
        assert_eq!(endpoints.keys().collect::<Vec<_>>(), locust.0.keys().collect::<Vec<_>>(), "endpoints");
        let mut errors = BTreeMap::<_, u64>::new();
        for line in self.stats("endpoint").filter(|line| line.is("status", "error")) {
            *errors.entry(Endpoint::new(line.text("method"), line.text("name"))).or_default() +=
                line.count("occurrences");
        }
        for (endpoint, expected) in &locust.0 {
            check_record(&format!("{endpoint:?}"), endpoints[endpoint], expected);
            assert_eq!(errors.get(endpoint).copied().unwrap_or(0), expected.failures, "errors of {endpoint:?}");
        }
    }
}

/// Fails unless what was sent is what was recorded, filtered and dropped, in all and by source.
pub fn check_account(report: &Line) {
    let add_up = |account: &Map<String, Value>| {
        let count = |key: &str| account[key].as_u64().unwrap_or_else(|| panic!("no count `{key}`: {report:?}"));
        // Absent unless a rule for names drops something.
        let filtered = account.get("filtered").map_or(0, |count| count.as_u64().expect("a count"));
        assert_eq!(count("sent"), count("recorded") + filtered + count("dropped"), "{report:?}");
        [count("sent"), count("recorded"), count("dropped"), filtered]
    };
    let total = add_up(&report.telemetry);
    let sources = report.telemetry["sources"].as_array().expect("a list of sources");
    let mut sum = [0; 4];
    for source in sources {
        let part = add_up(source.as_object().expect("a source's account"));
        sum.iter_mut().zip(part).for_each(|(all, one)| *all += one);
    }
    assert_eq!(sum, total, "{report:?}");
    let by_reason: u64 =
        report.telemetry["dropped_by_reason"].as_object().map_or(0, |m| m.values().filter_map(Value::as_u64).sum());
    assert_eq!(by_reason, total[2], "{report:?}");
}

fn check_record(what: &str, line: &Line, expected: &Counted) {
    let counts = (line.count("num_requests"), line.count("num_failures"));
    assert_eq!(counts, (expected.requests, expected.failures), "{what}: requests and failures");
    // An endpoint without any response time has no minimum.
    let time = |key: &str| line.telemetry.get(key).and_then(Value::as_f64).unwrap_or(0.0);
    let (average, min, max) = (time("avg_response_time"), time("min_response_time"), time("max_response_time"));
    expected.check_times(what, average, min, max);
}

fn is_rfc3339_millis(text: &str) -> bool {
    let shape = "dddd-dd-ddTdd:dd:dd.dddZ";
    text.len() == shape.len()
        && text.chars().zip(shape.chars()).all(|(c, s)| if s == 'd' { c.is_ascii_digit() } else { c == s })
}
