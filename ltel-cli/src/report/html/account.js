// What happened to each request that Locust counted.

const REASONS = {
  buffer_full: "the plugin's buffer was full",
  not_received: "never arrived",
  invalid: "could not be decoded",
  late: "arrived after the end of the run",
  no_run: "belonged to no run",
};

const STATUSES = {
  done: "done",
  disagrees: "counts disagree",
  missing: "vanished",
  open: "still active",
};

// Requests that are not in the figures.
function droppedOf(account) {
  return Object.values(account.dropped).reduce((sum, n) => sum + n, 0);
}

function showAccount(doc) {
  const { account } = doc;
  const dropped = droppedOf(account);
  const filtered = account.filtered ?? 0;
  const by = filtered > 0 ? `, ${count(filtered)} filtered by rules for names` : "";
  const parts = [`${plural(account.sent, "request was", "requests were")} sent, ${count(account.recorded)} recorded${by}, ${count(dropped)} dropped.`];
  const unlisted = account.unlisted_sources;
  if (unlisted > 0) parts.push(`${plural(unlisted, "more process is", "more processes are")} not listed.`);
  for (const [events, what] of [[account.late_events, "arrived after the end of the run"],
    [account.invalid_events, "could not be decoded"], [account.dropped_events, "found the plugin's buffer full"]]) {
    if (events > 0) parts.push(`${plural(events, "event that is not a request", "events that are not requests")} ${what}.`);
  }
  if (account.own_names) parts.push("The tables have Locust's own names, and the filtered requests too: names = true in [recorders.stats] follows the rules.");
  const leftOut = Object.entries(account.values_left_out ?? {}).map(([recorder, n]) => `${count(n)} by ${recorder}`);
  if (leftOut.length > 0) parts.push(`Values left out: ${leftOut.join(", ")}.`);
  setText(byId("account-stated"), parts.join(" "));
  byId("account-stated").classList.toggle("bad", dropped > 0 || unlisted > 0);

  if (!changed("account", account)) return;
  const reasons = Object.keys(account.dropped);
  const columns = [{ title: "Process" }, { title: "Sent", number: true }, { title: "Recorded", number: true },
    ...(filtered > 0 ? [{ title: "Filtered", number: true }] : []),
    ...reasons.map((reason) => ({ title: `Dropped: ${REASONS[reason] ?? reason}`, number: true })), { title: "Status" }];
  const row = (label, part, status) =>
    [label, count(part.sent), count(part.recorded), ...(filtered > 0 ? [count(part.filtered ?? 0)] : []), ...reasons.map((reason) => count(part.dropped[reason] ?? 0)), status];
  const rows = account.sources.map((s) => row(named(s.label, { class: "name" }), s, STATUSES[s.status] ?? s.status));
  if (rows.length !== 1) rows.push(row("All", account, ""));
  byId("account-body").replaceChildren(table("Requests by process", columns, rows));
}
