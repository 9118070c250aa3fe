// Small things that all parts use. Text only ever reaches the page as text: textContent, and the canvas.

// Names from the trace are looked up here: an object without a prototype knows no others.
function names(known) {
  return Object.assign(Object.create(null), known);
}

const STATE_KIND = names({
  requested: "normal", created: "normal", streaming: "normal", retry_wait: "recovery",
  cancelling: "cancel", done: "normal", failed: "failure",
});
const SIGNS = names({
  completed: "✓", recovered: "↻", failed: "✕", interrupted: "■", incomplete: "◐",
  superseded: "»", open: "…",
});
const PARSED = new Map();

function data(script) {
  if (!PARSED.has(script)) PARSED.set(script, JSON.parse(script.textContent));
  return PARSED.get(script);
}

function make(tag, properties = {}, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties)) {
    if (value === null || value === undefined) continue;
    if (name in element && typeof value !== "string") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

// A text from the trace: its direction is its own, and does not reach what stands beside it.
function foreign(text, tag = "bdi") {
  const element = make(tag, { dir: "auto" });
  element.textContent = text;
  return element;
}

function seconds(value, digits = 2) {
  return value === null || value === undefined ? "–" : `${value.toFixed(digits)} s`;
}

function ms(value) {
  return value === null || value === undefined ? "–" : `${(value / 1000).toFixed(2)} s`;
}

function clock(t, step = 1) {
  const sign = t < 0 ? "-" : "";
  const whole = Math.floor(Math.abs(t) + 1e-9);
  const hours = Math.floor(whole / 3600), minutes = Math.floor(whole / 60) % 60;
  const digits = step >= 1 ? 0 : Math.min(3, Math.ceil(-Math.log10(step) - 1e-9));
  const rest = (Math.abs(t) - Math.floor(whole / 60) * 60).toFixed(digits);
  const pad = (text, length) => String(text).padStart(length, "0");
  const tail = `${pad(minutes, hours ? 2 : 1)}:${pad(rest, digits ? digits + 3 : 2)}`;
  return sign + (hours ? `${hours}:${tail}` : tail);
}

// Where the marks of an axis stand, a hundred at most: their steps, counted from 0, and how long one is.
function ticks(from, to, least) {
  const steps = [0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 1800, 3600, 7200, 21600, 86400];
  const aim = Math.max(least, (to - from) / 100);
  const step = steps.find((each) => each >= aim) || 86400 * Math.ceil(aim / 86400);
  const start = Math.ceil(from / step), count = Math.floor(to / step) - start + 1;
  return { step, at: Array.from({ length: Math.min(Math.max(count, 0), 101) || 0 }, (_, n) => start + n) };
}

function verdict(turn) {
  return turn.recovered ? "recovered" : turn.outcome;
}

// A class of the style sheet, for a name that it knows.
function look(turn) {
  return verdict(turn) in SIGNS ? `outcome ${verdict(turn)}` : "outcome";
}

function sign(turn) {
  return SIGNS[verdict(turn)] || "?";
}

function troubled(turn) {
  return turn.recovered || turn.broken.length > 0 || turn.lost > 0
    || !["completed", "interrupted", "superseded"].includes(turn.outcome)
    || turn.messages.some((message) => message.right === false);
}

// The first place in a sorted list at which what holds does.
function first(list, holds) {
  let low = 0, high = list.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (holds(list[middle])) high = middle;
    else low = middle + 1;
  }
  return low;
}

// What of a call is in view, in seconds from its beginning. Calls side by side share one.
class View {
  constructor(length) {
    this.length = Math.max(length, 0.5);
    this.from = 0;
    this.to = this.length;
    this.listeners = [];
  }

  show(from, to) {
    const least = 0.05, most = this.length * 1.04;
    const width = Math.min(Math.max(to - from, least), most);
    const middle = (from + to) / 2;
    const start = Math.min(Math.max(middle - width / 2, -0.02 * this.length), this.length * 1.02 - width);
    this.from = start;
    this.to = start + width;
    for (const listener of this.listeners) listener();
  }

  zoom(factor, at = (this.from + this.to) / 2) {
    this.show(at - (at - this.from) * factor, at + (this.to - at) * factor);
  }

  pan(share) {
    const by = (this.to - this.from) * share;
    this.show(this.from + by, this.to + by);
  }

  fit() {
    this.show(0, this.length * 1.02);
  }

  // Without leaving the scale, unless what is to be seen does not fit.
  reveal(from, to) {
    const width = this.to - this.from;
    if (from >= this.from && to <= this.to) return;
    if (to - from > width * 0.9) this.show(from - (to - from) * 0.1, to + (to - from) * 0.1);
    else this.show((from + to - width) / 2, (from + to + width) / 2);
  }
}
