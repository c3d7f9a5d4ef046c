// Requests that were traced, and where their traces can be seen.

// The address of a request's trace, by the template of the configuration; absent if there is none, or if it is not one of the web.
function traceUrl(request) {
  const template = options.trace_url;
  if (typeof template !== "string" || !template.includes("{trace_id}")) return null;
  try {
    const url = new URL(template
      .replaceAll("{trace_id}", encodeURIComponent(request.trace_id))
      .replaceAll("{span_id}", encodeURIComponent(request.span_id)));
    return url.protocol === "https:" || url.protocol === "http:" ? url.href : null;
  } catch {
    return null;
  }
}

function traceLink(request) {
  const url = traceUrl(request);
  if (url === null) return el("code", { class: "trace-id" }, request.trace_id);
  return el("a", { class: "trace-id", href: url, target: "_blank", rel: "noopener noreferrer" }, el("code", null, request.trace_id));
}

function exemplarTable(caption, exemplars, withEndpoint) {
  const columns = [{ title: "Response time, ms", number: true }, ...(withEndpoint ? [{ title: "Endpoint", wide: true }] : []),
    { title: "Time", minor: true }, { title: "Outcome" }, { title: "Trace" }];
  const rows = exemplars.map((x) => [
    ms(x.response_time_ms),
    ...(withEndpoint ? [endpointName(x.endpoint)] : []),
    moment(x.time),
    x.failed ? el("span", { class: "bad" }, "failed") : "succeeded",
    traceLink(x),
  ]);
  return table(caption, columns, rows);
}

// The slowest of all endpoints. Each endpoint's own stand in its panel.
const SLOWEST = 20;

function showSlow(doc) {
  const all = doc.endpoints.flatMap((endpoint) => endpoint.exemplars.map((x) => ({ ...x, endpoint })));
  all.sort((a, b) => b.response_time_ms - a.response_time_ms);
  byId("slow").hidden = all.length === 0;
  const slowest = all.slice(0, SLOWEST);
  if (!changed("slow", [options, slowest.map((x) => [x.trace_id, x.response_time_ms])])) return;
  byId("slow-body").replaceChildren(exemplarTable("The slowest requests that have a trace", slowest, true));
}
