// The turns as a table, for eyes, keyboard and screen readers. Only the rows in view are in the page.

const ROW = 34;
const MARGIN = 12;

class TurnTable {
  constructor(root, call, open, name, frames) {
    this.call = call;
    this.frames = frames;
    this.open = open;
    this.shown = call.turns;
    this.at = 0;
    this.body = make("tbody");
    const head = ["Turn", "Asked at", "Outcome", "First audio", "Attempts", "Time lost", "Heard", "Memory", "Breaks"];
    this.columns = head.length;
    const cells = head.map((text) => make("th", { scope: "col" }, text));
    this.table = make("table", { class: "turns", role: "grid" },
      make("caption", {}, make("span", {}, `Turns${name ? ` of ${name}` : ""}. Arrow keys move, Enter opens one, Escape closes it.`)),
      make("thead", {}, make("tr", {}, ...cells)), this.body);
    this.window = make("div", { class: "window" }, this.table);
    this.count = make("p", { class: "count", role: "status" });
    root.append(this.filters(), this.count, this.window);
    this.window.addEventListener("scroll", () => this.draw());
    this.table.addEventListener("keydown", (event) => this.key(event));
    new ResizeObserver(() => this.draw()).observe(this.window);
    this.filter();
  }

  filters() {
    this.search = make("input", { type: "search", placeholder: "any id, error, words", "aria-label": "Search turns" });
    this.which = make("select", { "aria-label": "Which turns" });
    for (const [value, text] of [
      ["all", "all turns"], ["trouble", "with trouble"], ["recovered", "recovered"], ["failed", "failed"],
      ["interrupted", "interrupted"], ["broken", "that break a guarantee"],
    ]) this.which.append(make("option", { value }, text));
    for (const control of [this.search, this.which]) control.addEventListener("input", () => this.filter());
    return make("div", { class: "filters" }, this.which, this.search);
  }

  filter() {
    this.choose();
    this.at = 0;
    this.window.scrollTop = 0;
    this.draw(true);
  }

  // The turns have changed: what is in view stays where it is.
  renew() {
    this.choose();
    this.draw(true);
  }

  choose() {
    const which = this.which.value, text = this.search.value.trim().toLowerCase();
    const kinds = { all: () => true, trouble: troubled, broken: (turn) => turn.broken.length > 0 };
    const holds = kinds[which] || ((turn) => verdict(turn) === which);
    const has = (turn) => !text || [turn.id, turn.error, turn.words, ...turn.broken, ...turn.messages.map((m) => m.words)]
      .some((each) => each.toLowerCase().includes(text)) || this.hasId(turn, text);
    this.shown = this.call.turns.filter((turn) => holds(turn) && has(turn));
    const told = `${this.shown.length} of ${this.call.turns.length} turns`;
    if (this.count.textContent !== told) this.count.textContent = told;
  }

  // Ids of responses, messages, and, where it looks like one, of any frame of the turn.
  hasId(turn, text) {
    const ids = [...turn.generation.map(([, , , id]) => id), ...turn.messages.map((message) => message.id)];
    return ids.some((id) => id.toLowerCase().includes(text))
      || (text.length > 3 && /[_\d]/.test(text) && this.frames(turn.number).toLowerCase().includes(text));
  }

  draw(anew = false) {
    const height = this.window.clientHeight || 400;
    const from = Math.max(0, Math.floor(this.window.scrollTop / ROW) - MARGIN);
    const to = Math.min(this.shown.length, Math.ceil((this.window.scrollTop + height) / ROW) + MARGIN);
    if (!anew && this.from === from && this.to === to) return;
    const focused = this.body.contains(document.activeElement);
    this.from = from;
    this.to = to;
    const space = (rows) => {
      const cell = make("td", { colSpan: this.columns });
      cell.style.height = `${rows * ROW}px`;
      return make("tr", { class: "space", "aria-hidden": "true" }, cell);
    };
    const rows = this.shown.slice(from, to).map((turn, n) => this.row(turn, from + n));
    this.body.replaceChildren(...(from ? [space(from)] : []), ...rows,
      ...(to < this.shown.length ? [space(this.shown.length - to)] : []));
    this.table.setAttribute("aria-rowcount", this.shown.length + 1);
    // The focus stays on its row; one that went out of view leaves it to the table.
    if (focused) (this.rowAt(this.at) || this.window).focus({ preventScroll: true });
  }

  row(turn, index) {
    const heard = turn.messages.filter((message) => message.heardMs !== null);
    const wrong = turn.messages.filter((message) => message.right === false).length;
    const judged = turn.messages.filter((message) => message.right !== null).length;
    const outcome = make("span", { class: look(turn) }, `${sign(turn)} `, foreign(verdict(turn)));
    const cells = [
      make("th", { scope: "row" }, foreign(turn.id)),
      make("td", {}, this.call.timed ? clock(turn.asked - this.call.begin, 0.01) : `event ${turn.asked}`),
      make("td", {}, outcome, turn.error ? " " : null, turn.error ? foreign(turn.error, "small") : null),
      make("td", {}, seconds(turn.first)),
      make("td", {}, turn.attempts.length ? String(turn.attempts.length) : "–"),
      make("td", {}, turn.lost ? seconds(turn.lost) : "–"),
      make("td", {}, heard.length ? ms(heard.reduce((sum, message) => sum + message.heardMs, 0)) : "–"),
      make("td", {}, !judged ? "–" : wrong ? `≠ ${wrong} wrong` : "= heard"),
      make("td", { title: turn.broken.join(", ") }, turn.broken.length ? `▲ ${few(turn.broken)}` : "–"),
    ];
    const row = make("tr", {
      class: troubled(turn) ? "trouble" : "", tabIndex: index === this.at ? 0 : -1,
      "aria-rowindex": index + 2, "aria-selected": String(turn.number === this.selected),
      "data-index": index,
    }, ...cells);
    row.addEventListener("click", () => this.enter(index));
    return row;
  }

  rowAt(index) {
    return this.body.querySelector(`tr[data-index="${index}"]`);
  }

  enter(index) {
    this.at = index;
    this.draw(true);
    const row = this.rowAt(index);
    this.open(this.shown[index].number, row);
  }

  focus(index) {
    this.at = Math.min(Math.max(index, 0), this.shown.length - 1);
    const top = this.at * ROW, height = this.window.clientHeight - 3 * ROW;
    if (top < this.window.scrollTop) this.window.scrollTop = top;
    else if (top > this.window.scrollTop + height) this.window.scrollTop = top - height;
    this.draw(true);
    const row = this.rowAt(this.at);
    if (row) row.focus({ preventScroll: true });
  }

  key(event) {
    if (!this.shown.length || event.ctrlKey || event.metaKey || event.altKey) return;
    const page = Math.max(1, Math.floor(this.window.clientHeight / ROW) - 2);
    const steps = {
      ArrowDown: this.at + 1, ArrowUp: this.at - 1, PageDown: this.at + page, PageUp: this.at - page,
      Home: 0, End: this.shown.length - 1,
    };
    if (event.key in steps) this.focus(steps[event.key]);
    else if (event.key === "Enter" || event.key === " ") this.enter(this.at);
    else return;
    event.preventDefault();
  }

  select(number) {
    this.selected = number;
    const index = number === null ? -1 : this.shown.findIndex((turn) => turn.number === number);
    if (index >= 0) this.at = index;
    this.draw(true);
  }
}

// G6, G18, but of more than two the first, and how many others: the row is narrow.
function few(ids) {
  return ids.length > 2 ? `${ids[0]} +${ids.length - 1}` : ids.join(", ");
}
