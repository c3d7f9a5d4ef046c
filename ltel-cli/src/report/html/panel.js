// What stands under the row of an endpoint: all its figures, its distribution, its timeline, its traces.

function makePanel(id, columns) {
  const figures = el("dl", { class: "detail" });
  const distribution = el("div", { class: "chart", role: "img", "aria-label": "Distribution of response times" });
  const timeline = el("div", { class: "chart", role: "img", "aria-label": "Response times over time" });
  const traces = el("div", { class: "wide" });
  const title = el("h3");
  const element = el("tr", { class: "panel", id },
    el("td", { colspan: columns }, el("div", { class: "inside" }, title, figures, el("div", { class: "charts" }, distribution, timeline), traces)));
  return { element, title, figures, distribution, timeline, traces };
}

function showPanel(panel, e) {
  setChildrenOnce(panel.title, keyOf(e), () => [e === page.doc.total ? "All endpoints" : endpointName(e)]);
  const figures = [
    ["Requests", count(e.requests)], ["Failed", e.requests > 0 ? `${count(e.failures)} (${percent(e.failure_ratio)})` : count(e.failures)],
    ["Requests/s", rate(e.rps)], ["Lately", page.doc.final ? null : rate(e.current_rps)],
    ["Min", time(e.min_ms)], ["Mean", time(e.mean_ms)], ["Median", time(e.p50_ms)], ["p90", time(e.p90_ms)], ["p95", time(e.p95_ms)],
    ["p99", time(e.p99_ms)], ["p99.9", time(e.p99_9_ms)], ["Max", time(e.max_ms)], ["Mean length", bytes(e.mean_length_bytes)],
    ["Without a time", e.timed_requests < e.requests ? count(e.requests - e.timed_requests) : null],
  ];
  panel.figures.replaceChildren(...figures.filter(([, value]) => value !== null).map(([title, value]) =>
    el("div", null, el("dt", null, title), el("dd", null, value))));
  if (e.exemplars.length > 0) panel.traces.replaceChildren(exemplarTable("Requests with a trace", e.exemplars, false));
  else panel.traces.replaceChildren();
  drawDistribution(panel.distribution, e);
  drawEndpoint(panel.timeline, e);
}

function dropPanel(panel) {
  dropChart(panel.distribution);
  dropChart(panel.timeline);
}
