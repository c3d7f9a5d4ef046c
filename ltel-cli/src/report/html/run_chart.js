// The run over time: rows that lie on one time axis, so that they share a cursor and a zoom.

// Room for the title above a row.
const FIRST_GAP = 20;
const ROW_GAP = 34;
// More lines than this cannot be told apart.
const DASHES = ["solid", "dash", "dot", "dashdot", "longdash"];
const MOST_GENERATORS = DASHES.length;

// A word for the chart, a sentence for the list, and whether it is bad; the most important ones first.
const EVENTS = {
  abort: ["abort", "A broken threshold stopped the test", true],
  start: ["start", "The test started"],
  stop: ["stop", "The test was stopped"],
  spawning_complete: ["all users", "All users are spawned"],
  worker_left: ["left", "A worker left before it was done", true],
  cpu_warning: ["CPU", "Locust warned of its CPU usage", true],
  reset_stats: ["reset", "The statistics were reset"],
  worker_joined: ["joined", "A worker joined"],
};
const MOST_EVENTS = 200;

function eventWord(annotation) {
  return EVENTS[annotation.kind]?.[1] ?? annotation.kind.replaceAll("_", " ");
}

const runChart = { log: false };

function drawRun(doc) {
  const element = byId("chart");
  const empty = doc.timeline.points === 0;
  element.hidden = empty;
  byId("log").hidden = empty;
  setText(byId("time-hint"), empty ? (doc.final ? "Nothing happened." : "Nothing has happened yet.") : `One point is ${span(doc.timeline.step_seconds)}. Times are those of ${timeZone()}.`);
  if (empty) return;
  element.dataset.timeline = "true";
  element.setAttribute("role", "img");
  element.setAttribute("aria-label", "Users, requests per second, response times, and generators' CPU and memory over time");
  draw(element, () => runLayout(doc));
}

// Each row is {title, height, axis, data(yaxis)}.
function rowsOfRun(doc, x) {
  const { points } = doc.total;
  const accent = color("accent");
  const rows = [];
  rows.push({
    title: keyText("Users"),
    height: 70,
    axis: valueAxis({ nticks: 3, ...(Math.max(...doc.timeline.users) < 4 ? { dtick: 1 } : {}) }),
    data: (yaxis) => [timeLine("Users", x, filled(doc, doc.timeline.users), count, {
      line: { color: color("users"), shape: "hv" }, trace: { yaxis, fill: "tozeroy", fillcolor: translucent(color("users"), 0.15) } })],
  });
  rows.push({
    title: keyText("Requests/s", ["all", accent, "━"], ["failed", color("bad"), "▮"]),
    height: 130,
    axis: valueAxis({}),
    data: (yaxis) => [
      timeLine("Requests/s", x, rates(doc, points.requests), rate, { line: { color: accent }, trace: { yaxis } }),
      failureBars(doc, x, points, yaxis),
    ],
  });
  rows.push({
    title: keyText("Response time, ms", ["median", color("p50"), "━"], ["p95", color("p95"), "━"], ["p99", color("p99"), "╌"], ["max", color("max"), "┈"]),
    height: 190,
    axis: valueAxis(runChart.log ? { type: "log", rangemode: "normal", ...logTicks(...extent(points)) } : {}),
    data: (yaxis) => responseTimes(doc, points, x, yaxis),
  });
  const heat = heatMap(doc);
  if (heat) {
    rows.push({
      title: keyText("All response times, ms", ["stronger: more requests", color("p50"), "▦"]),
      height: 190,
      axis: valueAxis({ type: "log", rangemode: "normal", ...logTicks(heat.y[0], heat.y.at(-1)), showgrid: false }),
      data: (yaxis) => [{ ...heat, yaxis }],
    });
  }
  rows.push(...generatorRows(doc, x));
  return rows;
}

// The least and the greatest response time that is drawn.
function extent(points) {
  const known = (values) => values.filter((v) => v !== null && v > 0);
  return [known(points.p50_ms).reduce((a, b) => Math.min(a, b), Infinity), known(points.max_ms).reduce((a, b) => Math.max(a, b), 0)];
}

function generatorRows(doc, x) {
  const known = doc.generators.filter((g) => g.cpu_percent.some((v) => v !== null));
  const byCpu = [...known].sort((a, b) => (b.max_cpu_percent ?? 0) - (a.max_cpu_percent ?? 0));
  const shown = byCpu.slice(0, MOST_GENERATORS);
  const others = byCpu.slice(MOST_GENERATORS);
  const lines = (yaxis, what, of, show) => {
    const each = shown.map((g, i) => timeLine(`${what} ${plain(g.label)}`, x, filled(doc, g[of]), show, {
      line: { color: color(`line-${i + 1}`), dash: DASHES[i] }, trace: { yaxis, connectgaps: true } }));
    if (others.length === 0) return each;
    const greatest = filled(doc, []).map((_, i) => others.reduce((a, g) => (g[of][i] ?? null) === null ? a : Math.max(a ?? 0, g[of][i]), null));
    return [...each, timeLine(`${what}, the greatest of ${count(others.length)} others`, x, greatest, show, {
      line: { color: color("text-soft"), width: 1 }, trace: { yaxis, connectgaps: true } })];
  };
  if (known.length === 0) return [];
  return [
    {
      title: keyText("Generators' CPU, % of a core", ["90 %", color("bad"), "┈"]),
      height: 100,
      axis: valueAxis({ nticks: 3 }),
      limit: 90,
      data: (yaxis) => lines(yaxis, "CPU", "cpu_percent", share),
    },
    {
      title: keyText("Generators' memory, MiB"),
      height: 80,
      axis: valueAxis({ nticks: 3 }),
      data: (yaxis) => lines(yaxis, "Memory", "memory_bytes", bytes).map((line) => ({ ...line, y: line.y.map((v) => (v === null ? null : v / 1_048_576)) })),
    },
  ];
}

// How many requests took how long, over time. Counts differ by powers of ten: so does their color.
function heatMap(doc) {
  const { lower_ms: lower, upper_ms: upper, counts } = doc.timeline.heat_map;
  if (lower.length === 0) return null;
  const { bins, places } = evenBins(lower, upper);
  const cells = bins.map(() => Array(doc.timeline.points).fill(null));
  counts.forEach((pairs, at) => {
    for (const [bucket, n] of pairs) {
      for (const [bin, part] of places[bucket]) cells[bin][at] = (cells[bin][at] ?? 0) + n * part;
    }
  });
  return {
    type: "heatmap",
    x: edges(doc).map(stamp),
    y: [...bins.map(([from]) => from), bins.at(-1)[1]],
    z: cells.map((row) => row.map((n) => (n === null ? null : Math.log10(n + 1)))),
    zmin: 0,
    colorscale: [[0, color("heat-0")], [0.5, color("heat-1")], [1, color("heat-2")]],
    showscale: false,
    hoverinfo: "skip",
    hoverongaps: false,
  };
}

// The title of a row, with its lines: ours, so it may have markup.
function keyText(title, ...lines) {
  return `<b>${title}</b>${lines.map(([name, ink, sign]) => `${isNarrow() ? "  " : "   "}<span style="color:${ink}">${sign}</span> ${name}`).join("")}`;
}

function runLayout(doc) {
  const x = middles(doc);
  const rows = rowsOfRun(doc, x);
  const [top, bottom] = [24, 40];
  const inner = rows.reduce((sum, row) => sum + row.height + ROW_GAP, FIRST_GAP - ROW_GAP);
  const layout = baseLayout(inner + top + bottom);
  layout.margin = { l: 52, r: 12, t: top, b: bottom };
  layout.hoversubplots = "axis";
  layout.annotations = [];
  layout.shapes = [];
  layout.uirevision = doc.run.run_id;

  const data = [];
  let above = 0;
  rows.forEach((row, i) => {
    const name = i === 0 ? "y" : `y${i + 1}`;
    above += i === 0 ? FIRST_GAP : ROW_GAP;
    const domain = [1 - (above + row.height) / inner, 1 - above / inner];
    layout[i === 0 ? "yaxis" : `yaxis${i + 1}`] = { ...row.axis, domain: [Math.max(0, domain[0]), domain[1]], anchor: "x" };
    layout.annotations.push({ text: row.title, xref: "paper", yref: "paper", x: 0, y: domain[1], xanchor: "left", yanchor: "bottom", yshift: 4,
      showarrow: false, align: "left", font: { size: isNarrow() ? 11 : 12, color: color("text") } });
    if (row.limit) {
      layout.shapes.push({ type: "line", xref: "paper", x0: 0, x1: 1, yref: name, y0: row.limit, y1: row.limit,
        line: { color: color("bad"), width: 1, dash: "dot" } });
    }
    data.push(...row.data(name));
    above += row.height;
  });
  layout.xaxis = timeAxis(doc, { anchor: rows.length === 1 ? "y" : `y${rows.length}` });
  markEvents(doc, layout);
  return { data, layout };
}

// A line for each event, and its word at the top where there is room: the most important ones first.
function markEvents(doc, layout) {
  const [from, to] = layout.xaxis.range.map((at) => Date.parse(`${at.replace(" ", "T")}Z`));
  // On a narrow screen a word takes more of the width.
  const room = 64 / Math.max(200, byId("time").clientWidth - 64);
  const kinds = Object.keys(EVENTS);
  const events = doc.annotations.slice(0, MOST_EVENTS).sort((a, b) => kinds.indexOf(a.kind) - kinds.indexOf(b.kind));
  const places = [];
  for (const event of events) {
    const at = chartTime(doc, Date.parse(event.time));
    const [word, , serious] = EVENTS[event.kind] ?? [event.kind];
    const ink = color(serious ? "bad" : "text-soft");
    layout.shapes.push({ type: "line", xref: "x", x0: stamp(at), x1: stamp(at), yref: "paper", y0: 0, y1: 1, layer: "below",
      line: { color: ink, width: 1, dash: "dot" } });
    const place = (at - from) / (to - from);
    if (place < 0 || place > 1 || places.some((other) => Math.abs(other - place) < room)) continue;
    places.push(place);
    layout.annotations.push({ text: plain(word), xref: "x", x: stamp(at), yref: "paper", y: 1, yanchor: "bottom",
      xanchor: place > 0.9 ? "right" : "left", yshift: 4, showarrow: false, font: { size: 11, color: ink } });
  }
}

// The same events as text.
function showEvents(doc) {
  const box = byId("events");
  box.hidden = doc.annotations.length === 0;
  if (!changed("events", doc.annotations)) return;
  setText(box.querySelector("summary"), plural(doc.annotations.length, "event", "events"));
  const rows = doc.annotations.map((a) => [moment(a.time), eventWord(a), a.source ? named(a.source, { class: "name" }) : "", named(a.text)]);
  byId("events-body").replaceChildren(table("Events of the run", [{ title: "Time" }, { title: "Event" }, { title: "Process" }, { title: "More", wide: true }], rows));
}
