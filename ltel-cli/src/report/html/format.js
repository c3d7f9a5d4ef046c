// Numbers and times as people read them. What is not known is a dash, never a zero.

const NONE = "–";

const grouped = new Intl.NumberFormat("en", { maximumFractionDigits: 0 });

function count(n) {
  return typeof n === "number" ? grouped.format(n) : NONE;
}

function plural(n, one, many) {
  return `${count(n)} ${n === 1 ? one : many}`;
}

// With three digits that count, or more before the point.
function digits(value) {
  if (typeof value !== "number" || !Number.isFinite(value)) return NONE;
  if (value === 0) return "0";
  const size = Math.abs(value);
  if (size >= 99.95) return grouped.format(value);
  if (size >= 9.995) return value.toFixed(1);
  return value.toFixed(2);
}

// A response time in milliseconds, for columns whose title says the unit.
const ms = digits;

// The same with its unit.
function time(value) {
  if (typeof value !== "number") return NONE;
  return value >= 10_000 ? `${digits(value / 1000)} s` : `${digits(value)} ms`;
}

function rate(value) {
  return digits(value);
}

function percent(ratio) {
  if (typeof ratio !== "number") return NONE;
  const value = ratio * 100;
  if (value === 0) return "0 %";
  if (value < 0.01) return "< 0.01 %";
  if (ratio < 1 && value > 99.99) return "> 99.99 %";
  return `${value.toFixed(value < 10 ? 2 : 1)} %`;
}

function bytes(n) {
  if (typeof n !== "number") return NONE;
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  while (n >= 1024 && at < units.length - 1) {
    n /= 1024;
    at += 1;
  }
  return `${at === 0 ? grouped.format(n) : digits(n)} ${units[at]}`;
}

// Seconds as hours, minutes and seconds.
function span(seconds) {
  if (typeof seconds !== "number") return NONE;
  if (seconds < 60) return `${seconds < 10 && !Number.isInteger(seconds) ? seconds.toFixed(1) : Math.round(seconds)} s`;
  const whole = Math.round(seconds);
  const parts = [[Math.floor(whole / 86_400), "d"], [Math.floor(whole / 3600) % 24, "h"], [Math.floor(whole / 60) % 60, "min"], [whole % 60, "s"]];
  return parts.filter(([n]) => n > 0).map(([n, unit]) => `${n} ${unit}`).join(" ");
}

const two = (n) => String(n).padStart(2, "0");

// A moment, in the reader's time zone.
function clock(at) {
  const d = new Date(at);
  return `${two(d.getHours())}:${two(d.getMinutes())}:${two(d.getSeconds())}`;
}

function dateAndClock(at) {
  const d = new Date(at);
  return `${d.getFullYear()}-${two(d.getMonth() + 1)}-${two(d.getDate())} ${clock(at)}`;
}

// An element that shows a moment of the document in the reader's time zone, and in UTC when pointed at.
function moment(utc, form = dateAndClock) {
  if (!utc || Number.isNaN(Date.parse(utc))) return NONE;
  return el("time", { datetime: utc, title: utc }, form(utc));
}

function timeZone() {
  try {
    return Intl.DateTimeFormat().resolvedOptions().timeZone;
  } catch {
    return "local time";
  }
}
