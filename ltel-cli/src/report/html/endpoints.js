// The table of endpoints: sortable, searchable, with a panel for each row.

// Rows that are shown at once. Thousands of them would make the page slow while it is live.
const FIRST_ROWS = 200;

const COLUMNS = [
  { key: "name", title: "Endpoint", value: (e) => `${e.name}\0${e.method}` },
  { key: "requests", title: "Requests", value: (e) => e.requests, show: (e) => count(e.requests) },
  { key: "failure_ratio", title: "Failed", value: (e) => e.failure_ratio, show: (e) => (e.requests > 0 ? percent(e.failure_ratio) : NONE) },
  { key: "rps", title: "Requests/s", value: (e) => e.rps, show: (e) => (e.requests > 0 ? rate(e.rps) : NONE), minor: true },
  { key: "p50_ms", title: "Median, ms", value: (e) => e.p50_ms, show: (e) => ms(e.p50_ms), minor: true },
  { key: "p95_ms", title: "p95, ms", value: (e) => e.p95_ms, show: (e) => ms(e.p95_ms) },
  { key: "p99_ms", title: "p99, ms", value: (e) => e.p99_ms, show: (e) => ms(e.p99_ms), minor: true },
  { key: "max_ms", title: "Max, ms", value: (e) => e.max_ms, show: (e) => ms(e.max_ms), minor: true },
  { title: "p95 over time", spark: (e) => e.points.p95_ms, minor: true },
  { title: "Requests over time", spark: (e) => e.points.requests, marks: (e) => e.points.failures, minor: true },
];

const listing = {
  sort: { key: "name", descending: false },
  words: [],
  all: false,
  // By key: the row, its panel, and what they show.
  rows: new Map(),
  body: null,
};

function keyOf(endpoint) {
  return `${endpoint.method}\0${endpoint.name}`;
}

function endpointName({ method, name }) {
  return el("span", { class: "endpoint" }, method ? [named(method, { class: "method" }), " "] : null, named(name, { class: "name" }));
}

// The table without its rows, once.
function startEndpoints() {
  const head = COLUMNS.map((c) => el("th", {
    scope: "col",
    class: [c.value && c.key !== "name" ? "number" : "", c.minor ? "minor" : "", c.spark ? "spark" : ""].join(" ").trim() || null,
    "aria-sort": c.key === listing.sort.key ? "ascending" : null,
  }, c.key ? el("button", { type: "button", onclick: () => sortBy(c) }, c.title) : c.title));
  COLUMNS.forEach((c, i) => { c.head = head[i]; });
  listing.total = el("tbody", { class: "total" });
  listing.body = el("tbody");
  byId("endpoints-body").replaceChildren(el("table", { class: "endpoints" },
    el("caption", { class: "unseen" }, "Endpoints. Buttons in the header sort; the button of a row shows its distribution and timeline."),
    el("thead", null, el("tr", null, head)), listing.total, listing.body));

  byId("search").addEventListener("input", (event) => {
    listing.words = event.target.value.toLowerCase().split(/\s+/).filter(Boolean);
    showEndpoints(page.doc);
  });
  byId("more").addEventListener("click", () => {
    listing.all = true;
    showEndpoints(page.doc);
  });
}

function sortBy(column) {
  const { sort } = listing;
  // The first click shows what is likely wanted: the largest, or the first of the alphabet.
  sort.descending = sort.key === column.key ? !sort.descending : column.key !== "name";
  sort.key = column.key;
  for (const c of COLUMNS) {
    if (c.key !== sort.key) c.head.removeAttribute("aria-sort");
    else c.head.setAttribute("aria-sort", sort.descending ? "descending" : "ascending");
  }
  showEndpoints(page.doc);
}

function showEndpoints(doc) {
  if (!doc) return;
  const found = doc.endpoints.filter((e) => {
    const text = `${e.method} ${e.name}`.toLowerCase();
    return listing.words.every((word) => text.includes(word));
  });
  const sorted = inOrder(found);
  const shown = listing.all ? sorted : sorted.slice(0, FIRST_ROWS);

  // A row that moves in the document loses the focus.
  const focused = document.activeElement;
  setChildren(listing.total, rowsOf(doc.total, true));
  setChildren(listing.body, shown.flatMap((e) => rowsOf(e, false)));
  if (focused && focused !== document.activeElement && focused.isConnected) focused.focus({ preventScroll: true });

  const all = doc.endpoints.length;
  setText(byId("endpoints-hint"), listing.words.length > 0 ? `${count(found.length)} of ${count(all)}` : count(all));
  byId("more").hidden = shown.length === found.length;
  setText(byId("more"), `Show all ${count(found.length)} endpoints`);
}

function inOrder(endpoints) {
  const { key, descending } = listing.sort;
  const { value } = COLUMNS.find((c) => c.key === key);
  const sign = descending ? -1 : 1;
  return endpoints.map((e) => [value(e), e]).sort(([a], [b]) => {
    // What is not known stands last, whatever the direction.
    if (a === null || b === null) return (a === null) - (b === null);
    return a < b ? -sign : a > b ? sign : 0;
  }).map(([, e]) => e);
}

// The row of an endpoint, and its panel if that is open. Made once; later only what has changed is set.
function rowsOf(endpoint, isTotal) {
  const key = isTotal ? "" : keyOf(endpoint);
  let row = listing.rows.get(key);
  if (!row) {
    row = makeRow(endpoint, key, isTotal);
    listing.rows.set(key, row);
  }
  if (row.endpoint !== endpoint || row.fresh) {
    row.endpoint = endpoint;
    row.fresh = false;
    COLUMNS.forEach((c, i) => {
      if (c.show) setText(row.cells[i], c.show(endpoint));
      if (c.key === "failure_ratio") row.cells[i].classList.toggle("bad", endpoint.failures > 0);
      if (c.spark) setSparkline(row.cells[i], c.spark(endpoint), c.marks?.(endpoint));
    });
    if (row.panel) showPanel(row.panel, endpoint);
  }
  const { panel } = row;
  // One that a search had taken away may have missed another theme or zoom.
  if (panel && !panel.element.isConnected) queueMicrotask(() => showPanel(panel, endpoint));
  return row.panel ? [row.element, row.panel.element] : [row.element];
}

let rowsMade = 0;

function makeRow(endpoint, key, isTotal) {
  rowsMade += 1;
  const id = `panel-${rowsMade}`;
  const label = isTotal ? el("span", { class: "name" }, "All endpoints") : endpointName(endpoint);
  const button = el("button", { type: "button", class: "open", "aria-expanded": "false", "aria-controls": id, title: isTotal ? null : `${endpoint.method} ${endpoint.name}` },
    el("span", { class: "arrow", "aria-hidden": "true" }), label);
  const cells = COLUMNS.map((c) => (c.key === "name"
    ? el("th", { scope: "row" }, button)
    : el("td", { class: [c.spark ? "spark" : "number", c.minor ? "minor" : ""].join(" ").trim() })));
  const element = el("tr", { class: "row", "data-endpoint": key.replace("\0", " ").trim() }, cells);
  const row = { element, cells, button, panel: null, fresh: true, endpoint: null };
  element.addEventListener("click", (event) => {
    // To select a text is no click.
    if (event.target.closest("button") !== button && String(window.getSelection())) return;
    togglePanel(row, id);
  });
  return row;
}

function togglePanel(row, id) {
  const open = row.panel === null;
  row.button.setAttribute("aria-expanded", String(open));
  row.element.classList.toggle("opened", open);
  if (open) {
    row.panel = makePanel(id, COLUMNS.length);
    row.element.after(row.panel.element);
    showPanel(row.panel, row.endpoint);
  } else {
    row.panel.element.remove();
    dropPanel(row.panel);
    row.panel = null;
  }
}

// Another run has other rows.
function forgetEndpoints() {
  for (const row of listing.rows.values()) if (row.panel) dropPanel(row.panel);
  listing.rows.clear();
  listing.all = false;
}
