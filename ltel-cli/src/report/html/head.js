// What a reader wants to know within a second: passed or failed, the main figures, what was tested.

const VERDICTS = {
  running: ["●", "Running"],
  lost: ["?", "Lost"],
  passed: ["✓", "Passed"],
  failed: ["✗", "Failed"],
  complete: ["✓", "Complete"],
  incomplete: ["!", "Incomplete"],
};

// While a test runs, thresholds are judged as things stand: that is no verdict yet.
function verdictOf(doc) {
  if (!doc.final) return isLost() ? "lost" : "running";
  if (doc.passed !== null) return doc.passed ? "passed" : "failed";
  return doc.complete ? "complete" : "incomplete";
}

function showHead(doc) {
  const verdict = verdictOf(doc);
  const [sign, word] = VERDICTS[verdict];
  const box = byId("verdict");
  box.dataset.verdict = verdict;
  setChildrenOnce(box, `${sign}${word}`, () => [el("span", { class: "sign", "aria-hidden": "true" }, sign), el("span", null, word)]);

  const title = doc.run.testplan || doc.test.locustfile || "Load test";
  setText(byId("title"), title);
  document.title = `${word}: ${title}`;
  setText(byId("stated"), `${aboutThresholds(doc)} ${aboutCompleteness(doc)}`.trim());
  byId("stated").dataset.complete = String(doc.complete);

  showFigures(doc);
  showFacts(doc);
  speak(doc, verdict, word);
}

function aboutThresholds(doc) {
  const broken = doc.thresholds.filter((t) => !t.passed).length;
  const all = doc.thresholds.length;
  if (all === 0) return "";
  const now = doc.final ? "" : " so far";
  if (broken === 0) return all === 1 ? `The threshold holds${now}.` : `All ${count(all)} thresholds hold${now}.`;
  return `${count(broken)} of ${plural(all, "threshold", "thresholds")} ${broken === 1 ? "is" : "are"} broken${now}.`;
}

function aboutCompleteness(doc) {
  if (!doc.final) return isLost() ? "The figures are the last that came." : "The figures are those until now.";
  if (doc.complete) return "The figures are complete: every request is in them.";
  const missing = droppedOf(doc.account);
  if (missing > 0) return `The figures are incomplete: ${plural(missing, "request is", "requests are")} missing. See the account below.`;
  return "The figures may be incomplete. See the account below.";
}

function showFigures(doc) {
  const total = doc.total;
  const failed = total.failures > 0;
  const figures = [
    ["requests", "Requests", total.requests, count(total.requests)],
    ["failure_ratio", "Failed", total.failure_ratio, percent(total.failure_ratio), failed ? count(total.failures) : "none", failed],
    ["rps", "Requests/s", total.rps, total.requests > 0 ? rate(total.rps) : NONE],
    ["p95", "p95", total.p95_ms, time(total.p95_ms), `median ${time(total.p50_ms)}`],
    ["duration", "Duration", doc.duration_seconds, span(doc.duration_seconds)],
    ["users", "Users", doc.users, count(doc.users)],
  ];
  byId("figures").replaceChildren(...figures.map(([key, title, value, shown, more, bad]) =>
    el("div", { class: bad ? "bad" : null },
      el("dt", null, title),
      el("dd", null, el("data", { "data-figure": key, value: value ?? "" }, shown), more && total.requests > 0 ? el("small", null, more) : null))));
}

function showFacts(doc) {
  const { test, run } = doc;
  const facts = [
    ["host", "Host", test.host],
    ["locustfile", "Locustfile", test.locustfile],
    ["user_classes", "User classes", test.user_classes.length > 0 ? test.user_classes.join(", ") : null],
    ["load", "Load", loadOf(test)],
    ["run_time", "Run time", typeof test.run_time_seconds === "number" ? span(test.run_time_seconds) : null],
    ["locust_version", "Locust", test.locust_version],
    ["begun", "Started", moment(run.started ?? run.begun)],
    ["run_id", "Run", run.run_id],
    ["labels", "Labels", Object.entries(run.labels ?? {}).map(([name, value]) => `${name}=${value}`).join(", ")],
  ];
  const known = facts.filter(([, , value]) => value !== null && value !== undefined && value !== "");
  byId("facts").replaceChildren(...known.map(([key, title, value]) =>
    el("div", null, el("dt", null, title), el("dd", { "data-fact": key }, typeof value === "string" ? named(value) : value))));
}

function loadOf(test) {
  if (typeof test.users !== "number") return null;
  const users = plural(test.users, "user", "users");
  return typeof test.spawn_rate === "number" ? `${users}, ${digits(test.spawn_rate).replace(/\.0+$/, "")} per second` : users;
}

// For screen readers, at a calm pace: a change of the verdict at once, figures every half minute.
const SPEAK_EVERY = 30_000;
let spoken = { at: 0, verdict: null };

function speak(doc, verdict, word) {
  const now = Date.now();
  if (spoken.verdict === verdict && now - spoken.at < SPEAK_EVERY) return;
  spoken = { at: now, verdict };
  const { total } = doc;
  setText(byId("spoken"),
    `${word}: ${plural(total.requests, "request", "requests")}, ${percent(total.failure_ratio)} failed, ` +
    `${rate(total.rps)} per second, p95 ${time(total.p95_ms)}.`);
}

// Fills an element anew only when what it shows is another.
function setChildrenOnce(element, key, make) {
  if (element.dataset.shown === key) return;
  element.dataset.shown = key;
  element.replaceChildren(...make());
}
