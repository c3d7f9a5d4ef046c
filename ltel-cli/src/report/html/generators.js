// The Locust processes that made the load, and whether one of them was the bottleneck.

function showGenerators(doc) {
  byId("generators").hidden = doc.generators.length === 0;
  if (!changed("generators", doc.generators.map((g) => [g.label, g.max_cpu_percent, g.mean_cpu_percent, g.max_memory_bytes, g.cpu_warnings, g.busy]))) return;
  const columns = [{ title: "Process" }, { title: "CPU, greatest", number: true }, { title: "CPU, mean", number: true },
    { title: "Memory, greatest", number: true }, { title: "CPU warnings", number: true }, { title: "Judgement", wide: true }];
  const rows = doc.generators.map((g) => [
    named(g.label, { class: "name" }),
    share(g.max_cpu_percent),
    share(g.mean_cpu_percent),
    bytes(g.max_memory_bytes),
    count(g.cpu_warnings),
    g.busy ? el("span", { class: "judgement warn" }, el("span", { class: "sign", "aria-hidden": "true" }, "!"), "short of CPU") : "had CPU to spare",
  ]);
  byId("generators-body").replaceChildren(table("Locust processes and what they used", columns, rows));

  const busy = doc.generators.filter((g) => g.busy);
  const warning = byId("warnings");
  if (busy.length === 0) {
    warning.replaceChildren();
    return;
  }
  const who = busy.length === 1 ? [named(busy[0].label), " was"] : [`${count(busy.length)} of ${count(doc.generators.length)} generators were`];
  warning.replaceChildren(el("p", { class: "notice warn", "data-warning": "generator" },
    el("strong", null, "A generator was the bottleneck. "), ...who,
    " short of CPU: response times may be Locust's own delays, and the load less than was asked for. Add workers, or use ",
    el("code", null, "--processes"), ". ", el("a", { href: "#generators" }, "See the generators"), "."));
}

// Percent of one core.
function share(value) {
  return typeof value === "number" ? `${value.toFixed(0)} %` : NONE;
}
