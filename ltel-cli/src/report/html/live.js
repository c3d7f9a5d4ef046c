// The live page: what the server sends, and what the page makes of it.
//
// All URLs are relative to the page's own. Where a token is needed, the server keeps it in a cookie that scripts cannot read: neither
// EventSource nor a script element can send a header.
//
//     GET .              the page (page.html)
//     GET page.css, page.js, plotly.js
//     GET events         server-sent events about the run that began last
//     GET events?run=ID  the same about the run with this run_id (encoded as a component of a URL)
//     GET document.json?run=ID  the whole document of a run, with its histograms, to be kept
//
// Events, each with one line of JSON as its data:
//
//     event: runs        All runs that this ltel knows, the one that began last at the end. At once, and whenever one begins or ends.
//                        [{"run_id": "…", "testplan": "…", "begun": "…", "final": true, "complete": true, "passed": null}]
//                        Each as in the document of the run.
//     event: options     {"trace_url": "https://…{trace_id}…{span_id}…" | null}. At once; may be left out.
//     event: document    The document of the chosen run, whole. At once, then about once a second while it changes, and at the run's
//                        end. Without ?run, when another run begins, its documents follow from then on.
//     event: end         {}. ltel ends: no more events come.
//
// The pace is the server's: only the newest document counts, so a slow browser just gets fewer, and a large document (over 1 MiB)
// should come more rarely. A run that is not known (any more) gets `runs` and no document. A comment (": \n\n") every 15 s keeps the
// connection alive. Before the first run, `runs` is [].

const live = {
  // The run that the reader has chosen; null to follow the one that began last.
  chosen: null,
  runs: [],
  events: null,
  // The document that is to be shown next, and when the last one was.
  next: null,
  shown: 0,
  timer: null,
  // Whether the server has said that it ends.
  ended: false,
};

// The other tabs that show a page of this server.
let tabs = null;

// Charts take their time: no more often than this, whatever the server sends.
const SHOW_EVERY = 1000;
const RETRY_AFTER = 3000;
const RETRY_ENDED = 10_000;

function startLive() {
  wait("Connecting…");
  // Browsers would ask for one.
  document.head.append(el("link", { rel: "icon", href: "data:," }));
  byId("run").addEventListener("change", (event) => {
    const last = live.runs.at(-1);
    live.chosen = last && event.target.value === last.run_id ? null : event.target.value;
    connect();
  });
  // Browsers open six connections to a server, for all tabs together: a tab that is hidden leaves its own to one that is shown.
  tabs = new BroadcastChannel("ltel");
  tabs.addEventListener("message", () => {
    if (document.hidden) disconnect();
  });
  document.addEventListener("visibilitychange", shown);
  shown();
}

function shown() {
  if (document.hidden) return;
  tabs.postMessage("shown");
  if (live.events === null) connect();
  showNext();
}

function disconnect() {
  live.events?.close();
  live.events = null;
}

function connect() {
  live.events?.close();
  live.next = null;
  const events = new EventSource(live.chosen === null ? "events" : `events?run=${encodeURIComponent(live.chosen)}`);
  live.events = events;
  events.addEventListener("open", () => {
    live.ended = false;
  });
  events.addEventListener("runs", (event) => showRuns(JSON.parse(event.data)));
  events.addEventListener("options", (event) => Object.assign(options, JSON.parse(event.data)));
  events.addEventListener("document", (event) => {
    live.next = event.data;
    showNext();
  });
  // Another ltel may serve here later: so it is asked for, but no longer every second.
  events.addEventListener("end", () => {
    live.ended = true;
    showNext();
    events.close();
    lost();
    again(events, RETRY_ENDED);
  });
  events.addEventListener("error", () => {
    lost();
    // The browser tries again by itself, except after an answer that was an error.
    if (live.ended || events.readyState === EventSource.CLOSED) {
      events.close();
      again(events, live.ended ? RETRY_ENDED : RETRY_AFTER);
    }
  });
}

function again(events, after) {
  setTimeout(() => {
    if (live.events === events) connect();
  }, after);
}

// Shows the newest document, at its pace, and only to somebody who looks.
function showNext() {
  if (live.next === null || (live.timer !== null && !live.ended) || document.hidden) return;
  const due = live.shown + SHOW_EVERY - Date.now();
  if (due > 0 && !live.ended) {
    live.timer = setTimeout(() => {
      live.timer = null;
      showNext();
    }, due);
    return;
  }
  const doc = JSON.parse(live.next);
  live.next = null;
  live.shown = Date.now();
  show(doc);
  if (live.events?.readyState === EventSource.OPEN) connected();
  const save = byId("save");
  save.hidden = false;
  save.setAttribute("href", `document.json?run=${encodeURIComponent(doc.run.run_id)}`);
}

function showRuns(runs) {
  live.runs = runs;
  if (live.chosen !== null && !isKnown(live.chosen)) {
    // Another ltel serves here now, or this one has forgotten the run.
    live.chosen = null;
    connect();
    return;
  }
  connected();
  const select = byId("run");
  byId("runs").hidden = runs.length < 2;
  select.replaceChildren(...[...runs].reverse().map((run) =>
    el("option", { value: run.run_id }, `${clock(run.begun)} ${run.testplan || run.run_id}${run.final ? "" : " (running)"}`)));
  select.value = live.chosen ?? runs.at(-1)?.run_id ?? "";
  if (runs.length === 0) wait("Waiting for a test to start.");
}

function isKnown(id) {
  return live.runs.some((run) => run.run_id === id);
}

function connected() {
  if (page.doc?.final) say("connected", "Ended");
  else if (page.doc && !isKnown(page.doc.run.run_id)) say("lost", "This run is not known here any more: these figures are its last.");
  else say("connected", "Live");
}

function lost() {
  if (live.ended && page.doc) say("ended", page.doc.final ? "ltel has ended: these are the final figures." : "ltel has ended: these figures are its last.");
  else if (live.ended) wait("ltel has ended. Waiting for another one to start here.");
  else if (page.doc?.final) say("lost", "Connection lost. These are the final figures; reconnecting…");
  else if (page.doc) say("lost", "Connection lost: these figures are old. Reconnecting…");
  else wait("Connection lost. Reconnecting…");
}

function wait(text) {
  if (page.doc) return;
  byId("waiting").hidden = false;
  setText(byId("waiting"), text);
}

function say(state, text) {
  const link = byId("link");
  const changed = link.dataset.state !== state;
  link.dataset.state = state;
  setText(link, text);
  if (changed && page.doc) showHead(page.doc);
}

// Whether no more is heard of the run that is shown. A report hears of none, and its run is over.
function isLost() {
  return ["lost", "ended"].includes(byId("link").dataset.state);
}
