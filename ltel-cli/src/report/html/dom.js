// Elements, made only from text: what a client sent can never become markup.

const SVG = "http://www.w3.org/2000/svg";

const byId = (id) => document.getElementById(id);

// An element with attributes and children. A child is an element or becomes text; null and undefined are left out.
function el(tag, attributes, ...children) {
  return fill(document.createElement(tag), attributes, children);
}

function svg(tag, attributes, ...children) {
  return fill(document.createElementNS(SVG, tag), attributes, children);
}

function fill(element, attributes, children) {
  for (const [name, value] of Object.entries(attributes ?? {})) {
    if (value === null || value === undefined || value === false) continue;
    if (name.startsWith("on")) element.addEventListener(name.slice(2), value);
    else element.setAttribute(name, value === true ? "" : value);
  }
  for (const child of children.flat()) {
    if (child !== null && child !== undefined) element.append(child);
  }
  return element;
}

// A name that a client chose. Its direction of writing ends with it.
function named(text, attributes) {
  return el("bdi", attributes, text);
}

// Sets a text only if it is another: what has not changed is not read aloud again, and stays selected.
function setText(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

// Whether what a part of the page shows is another than when last asked.
const seen = new Map();

function changed(key, value) {
  const text = JSON.stringify(value);
  if (seen.get(key) === text) return false;
  seen.set(key, text);
  return true;
}

// The children of an element become these, one by one: elements that stay are not touched.
function setChildren(parent, children) {
  let at = parent.firstChild;
  for (const child of children) {
    if (child === at) at = at.nextSibling;
    else parent.insertBefore(child, at);
  }
  while (at) {
    const next = at.nextSibling;
    at.remove();
    at = next;
  }
}

// A table with a caption, of columns {title, number, wide, minor} and rows of cells. The first cell is the row's header. Minor
// columns are left out where there is no room.
function table(caption, columns, rows) {
  const look = (c) => ["number", "wide", "minor"].filter((name) => c[name]).join(" ") || null;
  const head = columns.map((c) => el("th", { scope: "col", class: look(c) }, c.title));
  const body = rows.map((cells) =>
    el("tr", null, cells.map((cell, i) =>
      el(i === 0 ? "th" : "td", { scope: i === 0 ? "row" : null, class: look(columns[i]) }, cell))));
  return el("table", null, el("caption", { class: "unseen" }, caption), el("thead", null, el("tr", null, head)), el("tbody", null, body));
}
