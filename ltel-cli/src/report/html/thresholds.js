// Thresholds, and the judgement on each.

function showThresholds(doc) {
  byId("thresholds").hidden = doc.thresholds.length === 0;
  if (!changed("thresholds", [doc.final, doc.thresholds])) return;
  const rows = doc.thresholds.map((t) => [
    named(t.target, { class: "name" }),
    el("code", null, t.check),
    t.actual ?? NONE,
    judgement(t.passed, doc.final),
    [t.reason, t.aborted ? "It has stopped the test." : null].filter(Boolean).join(" ") || "",
  ]);
  const columns = [{ title: "Endpoints" }, { title: "Check" }, { title: "Figure", number: true }, { title: doc.final ? "Judgement" : "As things stand" },
    { title: "Note", wide: true }];
  byId("thresholds-body").replaceChildren(table("Thresholds and the judgement on each", columns, rows));
}

function judgement(passed, final) {
  const word = passed ? (final ? "passed" : "holds") : "broken";
  return el("span", { class: `judgement ${passed ? "good" : "bad"}`, "data-passed": String(passed) },
    el("span", { class: "sign", "aria-hidden": "true" }, passed ? "✓" : "✗"), word);
}
