// What went wrong: errors of requests, exceptions of user code.

// A page with all of many thousand errors is of no use; the document has them.
const LISTED = 500;

function showErrors(doc) {
  showRequestErrors(doc);
  byId("exceptions").hidden = doc.exceptions.length === 0;
  // Tracebacks that are open stay so.
  if (!changed("exceptions", doc.exceptions)) return;
  const columns = [{ title: "Occurrences", number: true }, { title: "User class" }, { title: "Exception", wide: true }, { title: "First", minor: true },
    { title: "Last", minor: true }];
  const rows = doc.exceptions.slice(0, LISTED).map((e) => [
    count(e.occurrences), named(e.user), exception(e), moment(e.first, clock), moment(e.last, clock)]);
  byId("exceptions-body").replaceChildren(table("Exceptions of user code, the most frequent first", columns, rows), ...rest(doc.exceptions.length));
}

function showRequestErrors(doc) {
  if (!changed("errors", [doc.final, doc.errors])) return;
  const errors = [...doc.errors].sort((a, b) => b.occurrences - a.occurrences);
  if (errors.length === 0) {
    byId("errors-body").replaceChildren(el("p", { class: "none" }, doc.final ? "No request has failed." : "No request has failed so far."));
  } else {
    const columns = [{ title: "Occurrences", number: true }, { title: "Endpoint", wide: true }, { title: "Error", wide: true }, { title: "First", minor: true },
      { title: "Last", minor: true }];
    const rows = errors.slice(0, LISTED).map((e) => [
      count(e.occurrences), endpointName(e), named(e.error, { class: "message" }), moment(e.first, clock), moment(e.last, clock)]);
    byId("errors-body").replaceChildren(table("Errors of requests, the most frequent first", columns, rows), ...rest(errors.length));
  }
}

function exception(e) {
  const text = named(e.error, { class: "message" });
  if (!e.traceback) return text;
  return el("details", null, el("summary", null, text), el("pre", { tabindex: "0" }, e.traceback));
}

function rest(length) {
  return length > LISTED ? [el("p", { class: "hint" }, `${count(length - LISTED)} more are in the document.`)] : [];
}
