// The calls: which run, which are over, and how each stands.

const MOST_ROWS = 250;
const ENDED = new Set(["ended", "failed", "lost"]);
const STANDS = names({ live: ["●", "live"], ended: ["✓", "ended"], failed: ["✕", "failed"], lost: ["⚠", "lost"] });

function nameOf(row) {
  return [row.group, row.label].filter(Boolean).join(", ") || `${row.program || "call"} ${row.number}`;
}

const CLOCK = new Intl.DateTimeFormat(undefined, { timeStyle: "medium" });

function write(element, text) {
  if (element.textContent !== text) element.textContent = text;
}

class CallList {
  constructor(root, choose, address) {
    this.choose = choose;
    this.address = address;
    this.rows = new Map();
    this.stale = new Set();
    this.timer = null;
    this.lines = new Map();
    this.chosen = "";
    const head = ["Call", "Now", "Mode", "Turns", "Recovered", "Failed", "Began"].map((text) => make("th", { scope: "col" }, text));
    this.body = make("tbody");
    this.count = make("p", { class: "count", role: "status" });
    this.window = make("div", { class: "window calls", tabIndex: 0, role: "region", "aria-label": "Calls" },
      make("table", { class: "plain list" }, make("caption", { class: "skip" }, "Calls"), make("thead", {}, make("tr", {}, ...head)), this.body));
    root.append(this.count, this.window);
  }

  clear() {
    this.rows.clear();
    this.lines.clear();
    this.stale.clear();
    clearTimeout(this.timer);
    this.timer = null;
    this.order = "";
    this.body.replaceChildren();
  }

  // What is new of the rows. They are drawn a few times a second: hundreds may change.
  take(rows, gone) {
    for (const id of gone) {
      this.rows.delete(id);
      this.lines.delete(id);
    }
    for (const row of rows) {
      this.rows.set(row.id, row);
      this.stale.add(row.id);
    }
    if (this.timer) return;
    this.draw();
    this.timer = setTimeout(() => {
      this.timer = null;
      if (this.stale.size || this.order !== this.key(this.sorted())) this.draw();
    }, 300);
  }

  draw() {
    const order = this.sorted();
    for (const row of order.slice(0, MOST_ROWS)) {
      if (!this.stale.has(row.id) && this.lines.has(row.id)) continue;
      const line = this.lines.get(row.id) || make("tr", {});
      this.lines.set(row.id, line);
      this.fill(line, row);
    }
    for (const row of order.slice(MOST_ROWS)) this.lines.delete(row.id);
    this.stale.clear();
    const key = this.key(order);
    if (key !== this.order) {
      this.order = key;
      const focused = this.body.contains(document.activeElement) ? document.activeElement : null;
      this.body.replaceChildren(...order.slice(0, MOST_ROWS).map((row) => this.lines.get(row.id)));
      if (focused && focused.isConnected) focused.focus({ preventScroll: true });
    }
    const live = order.filter((row) => !ENDED.has(row.state));
    const bad = order.filter((row) => row.state === "failed" || row.state === "lost").length;
    const again = live.filter((row) => row.recovering).length;
    const told = `${live.length} live${again ? `, ${again} recovering now` : ""}; ${order.length - live.length} over${bad ? `, ${bad} of them failed or lost` : ""}`
      + (order.length > MOST_ROWS ? `; the first ${MOST_ROWS} are shown` : "");
    if (this.count.textContent !== told) this.count.textContent = told;
  }

  key(order) {
    return order.slice(0, MOST_ROWS).map((row) => row.id).join(" ");
  }

  // What runs, and the newest of it, comes first.
  sorted() {
    return [...this.rows.values()].sort((a, b) => ENDED.has(a.state) - ENDED.has(b.state) || b.number - a.number);
  }

  // A row of the table: made once, and then touched only where something is different.
  fill(line, row) {
    if (!line.cells.length) this.build(line, row);
    const over = ENDED.has(row.state);
    const [mark, word] = STANDS[row.state] || ["?", row.state];
    const kind = row.recovering ? "recovered" : row.state === "failed" || row.state === "lost" ? "failed" : "";
    const now = row.recovering ? `asks again: ${row.recovering}` : over ? "" : row.seen ? named(row.now || "") : "not looked at yet";
    const { stands, what, link, counts } = line.parts;
    write(stands, `${row.recovering ? "↻" : mark} ${row.recovering ? "recovering" : word} `);
    if (stands.className !== `outcome ${kind}`) stands.className = `outcome ${kind}`;
    write(what, now);
    link.hidden = !over;
    [row.turns, row.recovered, row.failed].forEach((count, n) => write(counts[n], String(count)));
    this.mark(line);
  }

  build(line, row) {
    const button = make("button", { type: "button", class: "link" }, foreign(nameOf(row)));
    button.addEventListener("click", () => this.choose(row.id));
    const began = new Date(row.began * 1000);
    const stands = make("span", { class: "outcome" }), what = foreign("", "small");
    const link = make("a", { href: this.address(`calls/${row.id}/report`), "aria-label": `The report of ${nameOf(row)}` }, "report");
    const counts = ["", "", ""].map((each) => make("td", {}, each));
    line.dataset.id = row.id;
    line.parts = { stands, what, link, counts };
    line.append(make("th", { scope: "row" }, button), make("td", {}, stands, what, link), make("td", {}, foreign(row.mode)), ...counts,
      make("td", {}, Number.isNaN(began.getTime()) ? "" : CLOCK.format(began)));
  }

  mark(line) {
    line.classList.toggle("chosen", this.shown(line.dataset.id));
    line.firstElementChild.firstElementChild.setAttribute("aria-pressed", String(this.shown(line.dataset.id)));
  }

  shown(id) {
    const row = this.rows.get(id), chosen = this.rows.get(this.chosen);
    return Boolean(row && chosen && (row === chosen || (row.group && row.group === chosen.group)));
  }

  select(id) {
    this.chosen = id;
    for (const line of this.lines.values()) this.mark(line);
  }

  // What stands beside a call, and itself, in the order of their names.
  beside(id) {
    const row = this.rows.get(id);
    if (!row) return [];
    if (!row.group) return [row];
    return [...this.rows.values()].filter((each) => each.group === row.group).sort((a, b) => a.number - b.number).slice(0, 4);
  }
}
