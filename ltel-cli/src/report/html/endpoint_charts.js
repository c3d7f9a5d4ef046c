// The charts in the panel of an endpoint.

function drawDistribution(element, endpoint) {
  const { lower_ms: lower, upper_ms: upper, counts } = endpoint.distribution;
  element.hidden = counts.length === 0;
  if (counts.length === 0) return;
  draw(element, () => {
    const layout = baseLayout(220);
    const all = counts.reduce((a, b) => a + b, 0);
    const { bins, places } = evenBins(lower, upper);
    const bars = bins.map(() => 0);
    counts.forEach((n, i) => {
      for (const [bin, part] of places[i]) bars[bin] += n * part;
    });
    // A bar alone is not to be as wide as the chart.
    const [from, to] = [bins[0][0] / 1.2, bins.at(-1)[1] * 1.2];
    layout.hovermode = "closest";
    layout.bargap = 0;
    layout.margin = { l: 52, r: 12, t: 26, b: 42 };
    layout.dragmode = false;
    layout.xaxis = { type: "log", fixedrange: true, showgrid: false, zeroline: false, linecolor: color("line"), ticks: "outside", tickcolor: color("line"), ticklen: 4,
      range: [Math.log10(from), Math.log10(to)], ...logTicks(from, to), title: { text: "Response time, ms", standoff: 4, font: { size: 11 } } };
    layout.yaxis = valueAxis({});
    layout.shapes = [];
    layout.annotations = [];
    let free = -Infinity;
    const width = Math.log10(to / from);
    for (const [name, value] of [["median", endpoint.p50_ms], ["p95", endpoint.p95_ms], ["p99", endpoint.p99_ms]]) {
      if (value === null || value <= 0) continue;
      const ink = color(name === "median" ? "p50" : name);
      layout.shapes.push({ type: "line", xref: "x", x0: value, x1: value, yref: "paper", y0: 0, y1: 1, line: { color: ink, width: 1, dash: "dash" } });
      const at = Math.log10(value);
      if (at - free < width * 0.1) continue;
      free = at;
      layout.annotations.push({ text: name, xref: "x", x: at, yref: "paper", y: 1, yanchor: "bottom", xanchor: "center", showarrow: false, font: { size: 11, color: color("text-soft") } });
    }
    const data = [{
      type: "bar",
      x: bins.map(([a, b]) => (a + b) / 2),
      width: bins.map(([a, b]) => b - a),
      y: bars,
      marker: { color: color("accent"), line: { width: 0 } },
      customdata: bins.map(([a, b], i) => `${digits(a)} to ${digits(b)} ms: about ${plural(Math.round(bars[i]), "request", "requests")} (${percent(bars[i] / all)})`),
      hovertemplate: "%{customdata}<extra></extra>",
    }];
    return { data, layout };
  });
}

function drawEndpoint(element, endpoint) {
  const { doc } = page;
  element.hidden = doc.timeline.points === 0 || endpoint.requests === 0;
  if (element.hidden) return;
  element.dataset.timeline = "true";
  draw(element, () => {
    const x = middles(doc);
    const layout = baseLayout(220);
    layout.hoversubplots = "axis";
    layout.margin = { l: 52, r: 12, t: 26, b: 42 };
    layout.xaxis = timeAxis(doc, { anchor: "y2", nticks: 5 });
    layout.yaxis = valueAxis({ domain: [0.48, 1], nticks: 3 });
    layout.yaxis2 = valueAxis({ domain: [0, 0.32], nticks: 3 });
    const title = (text, y) => ({ text, xref: "paper", yref: "paper", x: 0, y, xanchor: "left", yanchor: "bottom", yshift: 2, showarrow: false, font: { size: 11, color: color("text") } });
    layout.annotations = [
      title(keyText("Response time, ms", ["median", color("p50"), "━"], ["p95", color("p95"), "━"], ["p99", color("p99"), "╌"], ["max", color("max"), "┈"]), 1),
      title(keyText("Requests/s", ["all", color("accent"), "━"], ["failed", color("bad"), "▮"]), 0.32),
    ];
    const { points } = endpoint;
    const data = [
      ...responseTimes(doc, points, x, "y"),
      timeLine("Requests/s", x, rates(doc, points.requests), rate, { line: { color: color("accent") }, trace: { yaxis: "y2" } }),
      failureBars(doc, x, points, "y2"),
    ];
    return { data, layout };
  });
}
