// What all charts share: plotly.js, colors, the time axis, the zoom. No text that a client sent goes to plotly.js unescaped: it takes
// some HTML in texts for markup.

// Starts to load plotly.js. Without it the page works, but has no charts.
let loading = null;

function loadPlotly() {
  loading ??= (async () => {
    const packed = byId("plotly");
    const address = packed ? URL.createObjectURL(await unpack(packed.textContent)) : "plotly.js";
    await new Promise((resolve, reject) => {
      document.head.append(el("script", { src: address, onload: resolve, onerror: () => reject(new Error("it cannot be loaded")) }));
    });
    if (packed) {
      URL.revokeObjectURL(address);
      packed.remove();
    }
    return window.Plotly;
  })().catch((error) => {
    const notice = byId("no-charts");
    notice.hidden = false;
    setText(notice, `There are no charts: this browser cannot load plotly.js (${error.message}). All figures are in the tables.`);
    byId("chart").hidden = true;
    byId("log").hidden = true;
    return null;
  });
  return loading;
}

async function unpack(text) {
  const packed = Uint8Array.from(atob(text.trim()), (c) => c.charCodeAt(0));
  const stream = new Blob([packed]).stream().pipeThrough(new DecompressionStream("gzip"));
  return new Blob([await new Response(stream).arrayBuffer()], { type: "text/javascript" });
}

function plain(text) {
  const short = text.length > 40 ? `${[...text].slice(0, 39).join("")}…` : text;
  return short.replace(/\s+/g, " ").replace(/&/g, "&amp;").replace(/</g, "&lt;").replace(/>/g, "&gt;");
}

// The width of a chart on paper, in pixels, and that of one of two beside each other.
const PAPER = 700;
const PAPER_HALF = 640;

// Charts that are drawn, each with how it is drawn anew.
const drawn = new Map();

// Draws a chart, or changes it. `make` gives {data, layout}.
async function draw(element, make) {
  drawn.set(element, make);
  const Plotly = await loadPlotly();
  // It may have been closed, or drawn anew, meanwhile; or its row is none of those that are searched for.
  if (!Plotly || drawn.get(element) !== make || !element.isConnected) return;
  const { data, layout } = make();
  // Its parts do not make it high.
  element.style.height = `${layout.height + 8}px`;
  // On paper it is as wide as the paper, which no script hears of in time.
  element.style.setProperty("--height", `${layout.height + 8}px`);
  element.style.setProperty("--shrink", Math.min(1, (element.closest(".charts") ? PAPER_HALF : PAPER) / element.clientWidth).toFixed(3));
  await Plotly.react(element, data, layout, { displayModeBar: false, responsive: true, showTips: false, doubleClick: false });
  if (element.dataset.listens) return;
  element.dataset.listens = "true";
  element.on("plotly_relayout", (change) => followZoom(element, change));
  element.on("plotly_doubleclick", () => setZoom(null));
}

function dropChart(element) {
  drawn.delete(element);
  if (window.Plotly) window.Plotly.purge(element);
}

function redrawCharts() {
  for (const [element, make] of drawn) draw(element, make);
}

// The part of the run's time that all timelines show: [from, to], or null for all of it.
let zoom = null;

function followZoom(element, change) {
  const [from, to] = [change["xaxis.range[0]"], change["xaxis.range[1]"]];
  if (from !== undefined && to !== undefined && element.dataset.timeline) setZoom([from, to]);
}

function setZoom(range) {
  if (JSON.stringify(range) === JSON.stringify(zoom)) return;
  zoom = range;
  byId("unzoom").hidden = range === null;
  for (const [element, make] of drawn) if (element.dataset.timeline) draw(element, make);
}

function isNarrow() {
  return matchMedia("(max-width: 640px)").matches;
}

function color(name) {
  return getComputedStyle(document.documentElement).getPropertyValue(`--${name}`).trim();
}

function translucent(hex, alpha) {
  const n = parseInt(hex.slice(1), 16);
  return `rgba(${n >> 16}, ${(n >> 8) & 255}, ${n & 255}, ${alpha})`;
}

// plotly.js knows no time zones. So times are moved by the offset of the reader's zone when the run began, for all of the run: an
// hour that a clock repeats in the autumn is not drawn twice. In milliseconds.
function chartTime(doc, at) {
  return at - new Date(Date.parse(doc.timeline.begun)).getTimezoneOffset() * 60_000;
}

// Such a time as plotly.js takes it: it would move numbers once more.
function stamp(at) {
  return new Date(at).toISOString().slice(0, -1);
}

// When each point of the timeline begins, and the end of the last.
function edges(doc) {
  const { begun, step_seconds: step, points } = doc.timeline;
  const first = chartTime(doc, Date.parse(begun));
  return Array.from({ length: points + 1 }, (_, i) => first + i * step * 1000);
}

function middles(doc) {
  const half = doc.timeline.step_seconds * 500;
  return edges(doc).slice(0, -1).map((at) => stamp(at + half));
}

// Requests in each point as a rate. The last point has not its full length; while the test runs it is left out.
function rates(doc, counts) {
  const { begun, step_seconds: step, points } = doc.timeline;
  const end = (Date.parse(doc.begun) - Date.parse(begun)) / 1000 + doc.duration_seconds;
  return Array.from({ length: points }, (_, i) => {
    const last = i === points - 1;
    if (last && !doc.final && points > 1) return null;
    const length = last ? Math.min(step, Math.max(end - i * step, step / 4)) : step;
    return (counts[i] ?? 0) / length;
  });
}

// As many values as there are points.
function filled(doc, values) {
  return Array.from({ length: doc.timeline.points }, (_, i) => values[i] ?? null);
}

function baseLayout(height) {
  const text = color("text-soft");
  return {
    height,
    margin: { l: 52, r: 12, t: 8, b: 28 },
    paper_bgcolor: "rgba(0,0,0,0)",
    plot_bgcolor: "rgba(0,0,0,0)",
    font: { family: getComputedStyle(document.body).fontFamily, size: 11, color: text },
    showlegend: false,
    hovermode: "x unified",
    hoverlabel: { bgcolor: color("raised"), bordercolor: color("line"), font: { color: color("text"), size: 12 } },
    dragmode: matchMedia("(pointer: coarse)").matches ? false : "zoom",
    transition: { duration: 0 },
  };
}

// All of the run's time: that of its points, and of the events shortly before and after.
function wholeTime(doc) {
  const all = edges(doc);
  const [begin, end] = [all[0], Math.max(all.at(-1), all[0] + 1000)];
  const more = (end - begin) / 10;
  const events = doc.annotations.map((event) => chartTime(doc, Date.parse(event.time))).filter((at) => at > begin - more && at < end + more);
  return [events.reduce((a, b) => Math.min(a, b), begin), events.reduce((a, b) => Math.max(a, b), end)];
}

function timeAxis(doc, more) {
  const axis = {
    type: "date",
    range: zoom ?? wholeTime(doc).map(stamp),
    showgrid: false,
    zeroline: false,
    linecolor: color("line"),
    tickcolor: color("line"),
    ticks: "outside",
    ticklen: 4,
    nticks: isNarrow() ? 4 : 8,
    tickangle: 0,
    tickformatstops: [
      { dtickrange: [null, 1000], value: "%H:%M:%S.%1f\n%Y-%m-%d" },
      { dtickrange: [1000, 60_000], value: "%H:%M:%S\n%Y-%m-%d" },
      { dtickrange: [60_000, 86_400_000], value: "%H:%M\n%Y-%m-%d" },
      { dtickrange: [86_400_000, null], value: "%m-%d\n%Y" },
    ],
    hoverformat: "%Y-%m-%d %H:%M:%S",
    showspikes: true,
    spikemode: "across",
    spikesnap: "cursor",
    spikethickness: 1,
    spikedash: "solid",
    spikecolor: color("text-soft"),
  };
  return { ...axis, ...more };
}

function valueAxis(more) {
  return {
    fixedrange: true,
    rangemode: "tozero",
    gridcolor: color("grid"),
    zeroline: false,
    nticks: 4,
    ticks: "",
    separatethousands: true,
    exponentformat: "none",
    ...more,
  };
}

// A line over time. `show` makes the text of a value.
function timeLine(name, x, y, show, look) {
  const alone = y.filter((v) => v !== null).length < 3;
  return {
    type: "scatter",
    mode: alone ? "lines+markers" : "lines",
    name,
    x,
    y,
    customdata: y.map(show),
    hovertemplate: "%{customdata}",
    line: { width: 1.5, shape: "linear", ...look.line },
    marker: { size: 5, color: look.line.color },
    ...look.trace,
  };
}

// Failures as bars: where there are none, nothing is drawn.
function failureBars(doc, x, points, yaxis) {
  const y = rates(doc, points.failures);
  return {
    type: "bar",
    name: "Failures/s",
    x,
    y,
    yaxis,
    width: doc.timeline.step_seconds * 1000,
    customdata: y.map(rate),
    hovertemplate: "%{customdata}",
    marker: { color: color("bad"), line: { width: 0 } },
  };
}

// Ticks of a logarithmic axis at 1, 2 and 5, fewer where the axis is long.
function logTicks(from, to) {
  if (!(from > 0 && to >= from && Number.isFinite(from))) return {};
  const decades = Math.log10(to / from);
  const steps = decades < 2 ? [1, 2, 5] : decades < 4 ? [1, 3] : [1];
  const values = [];
  for (let power = Math.floor(Math.log10(from)); power <= Math.ceil(Math.log10(to)); power += 1) {
    values.push(...steps.map((step) => step * 10 ** power));
  }
  return { tickvals: values, ticktext: values.map((v) => (v < 1 ? String(Number(v.toPrecision(1))) : count(v))) };
}

// Buckets get wider in steps: drawn as they are, the steps would be seen, and not the response times. So their counts are spread over
// bins that are equally wide on a logarithmic axis. Gives the bins, [from, to] in milliseconds, and for each bucket its places:
// pairs of a bin and the part of the count that belongs there.
function evenBins(lower, upper) {
  const perDoubling = 8;
  const least = 0.001;
  const binOf = (value) => Math.floor(Math.log2(Math.max(value, least)) * perDoubling + 1e-9);
  const edge = (bin) => 2 ** (bin / perDoubling);
  const first = binOf(lower[0]);
  const last = Math.max(first, Math.ceil(Math.log2(Math.max(upper.at(-1), least)) * perDoubling - 1e-9) - 1);
  const bins = Array.from({ length: last - first + 1 }, (_, i) => [edge(first + i), edge(first + i + 1)]);
  const places = lower.map((from, i) => {
    const to = Math.max(upper[i], least);
    const start = Math.max(from, least);
    if (to <= start) return [[0, 1]];
    const parts = [];
    for (let bin = binOf(start); bin <= last && edge(bin) < to; bin += 1) {
      const shared = Math.min(to, edge(bin + 1)) - Math.max(start, edge(bin));
      if (shared > 0) parts.push([bin - first, shared / (to - start)]);
    }
    return parts;
  });
  return { bins, places };
}

// The lines of response times: one color from light to dark, and dashes where it is not the color alone that tells them apart.
function responseTimes(doc, points, x, yaxis) {
  const line = (name, values, look) => timeLine(name, x, filled(doc, values), time, { line: look, trace: { yaxis } });
  return [
    line("max", points.max_ms, { color: color("max"), width: 1, dash: "1px,2px" }),
    line("p99", points.p99_ms, { color: color("p99"), width: 1, dash: "5px,2px" }),
    line("p95", points.p95_ms, { color: color("p95"), width: 2 }),
    line("median", points.p50_ms, { color: color("p50"), dash: "solid" }),
  ];
}
