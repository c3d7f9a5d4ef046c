//! Grafana's JSON of dashboards, as far as it is needed: <https://grafana.com/docs/grafana/latest/dashboards/build-dashboards/view-dashboard-json-model/>.

use serde_json::{Value, json};

// Grafana's grid is this wide.
const WIDTH: u32 = 24;

/// The data source that a dashboard asks.
#[derive(Clone, Copy)]
pub(super) enum DataSource {
    Prometheus,
    Loki,
}

/// A dashboard: rows of panels, and variables to choose what they show.
pub(super) struct Dashboard {
    pub(super) uid: &'static str,
    pub(super) title: &'static str,
    pub(super) source: DataSource,
    pub(super) variables: Vec<Variable>,
    pub(super) annotations: Vec<Annotation>,
    pub(super) rows: Vec<Row>,
}

/// What a person chooses at the top of a dashboard.
pub(super) enum Variable {
    /// One or more of the values that a query finds.
    Query { name: &'static str, label: &'static str, query: String },
    /// A text.
    Text { name: &'static str, label: &'static str, default: &'static str },
}

/// Marks in all charts.
pub(super) struct Annotation {
    pub(super) name: &'static str,
    pub(super) color: &'static str,
    pub(super) query: String,
    pub(super) title: String,
}

/// Panels of the same height beside each other.
pub(super) struct Row {
    pub(super) height: u32,
    pub(super) panels: Vec<Panel>,
}

/// A chart, a number or lines.
pub(super) struct Panel {
    pub(super) title: &'static str,
    pub(super) kind: Kind,
    pub(super) unit: &'static str,
    /// Each query with the text of its legend.
    pub(super) queries: Vec<(String, &'static str)>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Kind {
    /// The last value.
    Number,
    Lines,
    Heatmap,
    Logs,
}

impl DataSource {
    const fn kind(self) -> &'static str {
        match self {
            Self::Prometheus => "prometheus",
            Self::Loki => "loki",
        }
    }

    /// The one that the person chose.
    fn chosen(self) -> Value {
        json!({"type": self.kind(), "uid": "${datasource}"})
    }
}

impl Dashboard {
    /// As a file for Grafana.
    pub(super) fn to_json(&self) -> String {
        let mut panels = Vec::new();
        let mut y = 0;
        for row in &self.rows {
            let width = WIDTH / u32::try_from(row.panels.len().max(1)).unwrap_or(WIDTH);
            for (x, panel) in (0..).step_by(width as usize).zip(&row.panels) {
                let place = json!({"h": row.height, "w": width, "x": x, "y": y});
                panels.push(panel.to_json(panels.len() + 1, &place, self.source));
            }
            y += row.height;
        }
        let chosen_source = json!({
            "name": "datasource", "label": "Data source", "type": "datasource", "query": self.source.kind(),
            "current": {}, "hide": 0,
        });
        let variables = self.variables.iter().map(|variable| variable.to_json(self.source));
        let dashboard = json!({
            "uid": self.uid,
            "title": self.title,
            "description": format!("Made by `{} dashboards`.", crate::program::name()),
            "tags": ["ltel", "locust"],
            "timezone": "browser",
            "editable": true,
            "refresh": "5s",
            "time": {"from": "now-30m", "to": "now"},
            "graphTooltip": 1,
            "schemaVersion": 39,
            "templating": {"list": std::iter::once(chosen_source).chain(variables).collect::<Vec<_>>()},
            "annotations": {"list": self.annotations.iter().map(|mark| mark.to_json(self.source)).collect::<Vec<_>>()},
            "panels": panels,
        });
        format!("{dashboard:#}\n")
    }
}

impl Variable {
    fn to_json(&self, source: DataSource) -> Value {
        match self {
            Self::Query { name, label, query } => json!({
                "name": name, "label": label, "type": "query", "datasource": source.chosen(), "query": query,
                "refresh": 2, "includeAll": true, "allValue": ".*", "multi": true, "sort": 1,
                "current": {"text": "All", "value": "$__all"},
            }),
            Self::Text { name, label, default } => json!({
                "name": name, "label": label, "type": "textbox", "query": default,
                "current": {"text": default, "value": default},
            }),
        }
    }
}

impl Annotation {
    fn to_json(&self, source: DataSource) -> Value {
        json!({
            "name": self.name, "datasource": source.chosen(), "enable": true, "iconColor": self.color,
            "expr": self.query, "titleFormat": self.title,
        })
    }
}

impl Panel {
    /// The number that a query answers with.
    pub(super) fn number(title: &'static str, unit: &'static str, query: String) -> Self {
        Self { title, kind: Kind::Number, unit, queries: vec![(query, "")] }
    }

    /// Lines over time, each with its legend.
    pub(super) const fn lines(title: &'static str, unit: &'static str, queries: Vec<(String, &'static str)>) -> Self {
        Self { title, kind: Kind::Lines, unit, queries }
    }

    fn to_json(&self, id: usize, place: &Value, source: DataSource) -> Value {
        let instant = self.kind == Kind::Number;
        let targets: Vec<_> = self
            .queries
            .iter()
            .zip('A'..='Z')
            .map(|((query, legend), letter)| {
                json!({
                    "refId": letter.to_string(), "datasource": source.chosen(), "expr": query,
                    "legendFormat": if legend.is_empty() { "__auto" } else { legend },
                    "instant": instant, "range": !instant,
                    "format": match self.kind {
                        Kind::Heatmap => "heatmap",
                                _ => "time_series",
                    },
                })
            })
            .collect();
        json!({
            "id": id,
            "title": self.title,
            "type": match self.kind {
                Kind::Number => "stat",
                Kind::Lines => "timeseries",
                Kind::Heatmap => "heatmap",
                Kind::Logs => "logs",
            },
            "datasource": source.chosen(),
            "gridPos": place,
            "fieldConfig": {"defaults": {"unit": self.unit, "min": 0}, "overrides": []},
            "options": self.options(),
            "targets": targets,
        })
    }

    fn options(&self) -> Value {
        match self.kind {
            Kind::Number => json!({"reduceOptions": {"calcs": ["lastNotNull"]}, "colorMode": "none"}),
            Kind::Lines => json!({
                "legend": {"displayMode": "list", "placement": "bottom"},
                "tooltip": {"mode": "multi", "sort": "desc"},
            }),
            Kind::Heatmap => json!({"calculate": false, "yAxis": {"unit": self.unit}, "tooltip": {"mode": "single"}}),
            Kind::Logs => json!({"showTime": true, "wrapLogMessage": true, "sortOrder": "Descending"}),
        }
    }
}
