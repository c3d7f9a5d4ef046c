// The live page: what the server sends, and what the page makes of it.
//
// All URLs are relative to the page's own. Where a token is needed, the server keeps it in a cookie that scripts cannot read: neither
// EventSource nor a script element can send a header.
//
//     GET .              the page (page.html)
//     GET page.css, page.js, plotly.js
//     GET events         server-sent events about the run that began last
//     GET events?run=ID  the same about the run with this run_id (encoded as a component of a URL)
//
// Events, each with one line of JSON as its data:
//
//     event: runs        All runs that this ltel knows, the one that began last at the end. At once, and whenever one begins or ends.
//                        [{"run_id": "…", "testplan": "…", "stage": "running" | "final", "complete": true, "begun": …}]
//                        `complete` counts only in stage "final". `begun` is written as in the document.
//     event: options     {"trace_url": "https://…{trace_id}…" | null}. At once; may be left out.
//     event: document    The document of the chosen run, whole. At once, then about once a second while it changes, and at the run's
//                        end. Without ?run, when another run begins, its documents follow from then on.
//
// The pace is the server's: only the newest document counts, so a slow browser just gets fewer, and a large document (over 1 MiB)
// should come more rarely. A run that is not known (any more) gets `runs` and no document. A comment (": \n\n") every 15 s keeps the
// connection alive. Before the first run, `runs` is [].
