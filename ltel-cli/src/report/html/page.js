// The page: shows a document, and starts with the one that it has or with those that a server sends.

const page = { doc: null };
const options = { trace_url: null };

function show(doc) {
  if (page.doc && page.doc.run.run_id !== doc.run.run_id) {
    forgetEndpoints();
    setZoom(null);
  }
  page.doc = doc;
  byId("main").hidden = false;
  byId("waiting").hidden = true;
  for (const part of [showHead, showThresholds, showEndpoints, showErrors, showSlow, showGenerators, showAccount, showEvents, drawRun, showFoot]) {
    // One part that fails must not hide the others.
    try {
      part(doc);
    } catch (error) {
      console.error(error);
    }
  }
}

function showFoot(doc) {
  byId("foot").replaceChildren(
    `Made by ltel ${doc.ltel}, `, moment(doc.time), `. Times are in your time zone (${timeZone()}); point at one to see UTC. ` +
    "Percentiles come from histograms with three significant digits; those over time are up to 3 % off.");
}

// Light or dark as the system says, until the button says otherwise.
function isDark() {
  const chosen = document.documentElement.dataset.theme;
  return chosen ? chosen === "dark" : matchMedia("(prefers-color-scheme: dark)").matches;
}

function startTheme() {
  const button = byId("theme");
  const name = () => setText(button, isDark() ? "Light" : "Dark");
  name();
  button.addEventListener("click", () => {
    document.documentElement.dataset.theme = isDark() ? "light" : "dark";
    name();
    redrawCharts();
  });
  matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
    name();
    redrawCharts();
  });
}

// Paper is white, and as wide as it is; and it has all rows.
function startPrint() {
  let before = null;
  addEventListener("beforeprint", () => {
    before = { theme: document.documentElement.dataset.theme, all: listing.all };
    document.documentElement.dataset.theme = "light";
    listing.all = true;
    showEndpoints(page.doc);
    redrawCharts();
  });
  addEventListener("afterprint", () => {
    if (before.theme) document.documentElement.dataset.theme = before.theme;
    else delete document.documentElement.dataset.theme;
    listing.all = before.all;
    showEndpoints(page.doc);
    redrawCharts();
  });
}

function start() {
  startTheme();
  startPrint();
  startEndpoints();
  byId("unzoom").addEventListener("click", () => setZoom(null));
  byId("log").addEventListener("click", () => {
    runChart.log = !runChart.log;
    byId("log").setAttribute("aria-pressed", String(runChart.log));
    if (page.doc) drawRun(page.doc);
  });
  const given = (id) => JSON.parse(byId(id)?.textContent ?? "null");
  Object.assign(options, given("options"));
  const doc = given("document");
  if (doc) show(doc);
  else startLive();
}

start();
