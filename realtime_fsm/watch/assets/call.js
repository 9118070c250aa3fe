// One call that is looked at: where it stands, its machines, its lanes, its turns.

const WAITS = names({
  requested: "the server's response", created: "the first output", streaming: "more output, and playback",
  retry_wait: "another attempt", cancelling: "the server's end of it, and playback",
});

class LivePanel {
  constructor(row, view, detail, address) {
    this.id = row.id;
    this.view = view;
    this.detail = detail;
    this.address = address;
    this.data = new LiveData(row.speed);
    this.events = { number: null, told: { events: [], more: 0, ids: "" } };
    this.title = make("h3", {}, foreign(nameOf(row)));
    this.about = make("p", { class: "about" });
    this.now = make("p", { class: "now", role: "status" }, row.seen ? "Reading the call so far…" : "Nothing is known of it yet.");
    this.missing = make("div", { class: "notice", role: "note", hidden: true });
    this.facts = make("dl", { class: "facts" });
    this.derived = make("p", { class: "note", hidden: true });
    this.maps = make("div", { class: "machines", role: "group", "aria-label": "The three machines" });
    this.lanes = make("div", { class: "timeline" });
    this.messages = make("div", { class: "messages" });
    this.turns = make("div", { class: "table" });
    this.links = make("p", { class: "links" });
    this.root = make("article", { class: "call live", "data-call": row.id, "data-name": nameOf(row) },
      this.title, this.now, this.missing, this.facts, this.derived, this.maps, this.lanes, this.messages, this.turns, this.about, this.links);
    this.machines = new Machines(this.maps);
    this.timeline = null;
    this.told = {};
    this.row(row);
  }

  // What the list tells of it.
  row(row) {
    this.data.over = ENDED.has(row.state);
    this.data.speed = row.speed || 1;
    const report = make("a", { href: this.address(`calls/${row.id}/report`) },
      this.data.over ? "The report of this call" : "The report up to now");
    const trace = make("a", { href: this.address(`calls/${row.id}/trace`), download: `${row.id}.jsonl` }, "Its trace");
    const over = { ended: "This call is over. ", failed: "This call failed. ", lost: "Its process died, or lost this page's hub. " };
    this.links.replaceChildren(over[row.state] || "", report, " · ", trace);
    this.changed = true;
  }

  get call() {
    return this.data.call;
  }

  take(news) {
    this.data.take(news);
    this.changed = true;
    if (this.timeline || !this.data.headed) return;
    const open = (number, back) => this.open(number, back);
    this.timeline = new Timeline(this.lanes, this.data.drawn(this.data.now(), null), this.view, open);
    this.table = new TurnTable(this.turns, this.call, open, this.root.dataset.name, () => "");
  }

  // What of the call can be seen, in seconds from its beginning.
  length() {
    return Math.max(0, this.data.now() - this.call.begin);
  }

  // Draw it as it is at *t* (seconds of the call), or was; *cursor* is where the reader stopped it.
  draw(t, cursor) {
    if (!this.timeline) return;
    const { data } = this;
    const growing = !data.over && cursor === null;
    if (this.changed || growing || this.cursor !== cursor) {
      const from = cursor === null ? this.call.begin + this.view.from - 5 : null;
      this.timeline.cursor = cursor;
      this.timeline.renew(data.drawn(data.now(), from), this.call.turns);
    }
    const turn = data.turnAt(t);
    this.machines.show(data, turn, t);
    this.tell(turn, t);
    if (this.changed) {
      this.table.call = this.call;
      this.table.renew();
      this.about.replaceChildren(...this.call.about.flatMap((each, n) => [n ? " · " : "", foreign(each)]));
      this.missing.hidden = !data.missing.length;
      this.missing.replaceChildren(...data.missing.map((each) => make("div", {}, each)));
      const plain = !["control", "observe"].includes(this.call.mode);
      const alone = plain || (this.call.turns.length > 0 && !this.call.machines.length);
      this.derived.hidden = !alone;
      this.derived.textContent = plain
        ? "Plain LiveKit has no machines of its own: the states are read from its frames, and drawn on the same map."
        : "This recording tells of turns alone, not of responses and playback.";
      this.maps.classList.toggle("derived", alone);
      this.root.dataset.line = data.lines;
    }
    this.cursor = cursor;
    this.changed = false;
  }

  // Where it stands, in words.
  tell(turn, t) {
    const { call } = this;
    const states = turn ? turn.states.filter(([at]) => at <= t) : [];
    const [since, state, label] = states[states.length - 1] || [t, "", ""];
    const final = state === "done" || state === "failed";
    const waits = turn && turn.backoffs.find(([from, to]) => from <= t && t < to);
    const user = call.user.some(([from, to]) => from <= t && (to === null || t < to));
    const now = !turn ? "Nothing was asked yet."
      : final ? `${turn.id}: ${verdict(turn)}${turn.error ? `, ${turn.error}` : ""}`
        : state === "retry_wait" && waits ? `${turn.id}: asks again, after ${waits[2] || "a failure"}`
          : `${turn.id}: ${label}`;
    this.put("now", now, () => {
      const kind = names({ retry_wait: "recovering", cancelling: "interrupted", failed: "failed" })[state] || "";
      this.now.className = `now outcome ${kind}`;
      this.now.replaceChildren(foreign(now));
    });
    const facts = [
      ["In this state for", turn && !final ? `${Math.max(0, t - since).toFixed(1)} s` : "–"],
      ["Waits for", waits ? `another attempt, in ${Math.max(0, waits[1] - t).toFixed(1)} s` : (turn && WAITS[state]) || "–"],
      ["Attempt", turn ? String(Math.max(1, turn.attempts.filter(([at]) => at <= t).length)) : "–"],
      ["Heard of this turn", turn ? `${(heardUntil(turn, this.data, t) / 1000).toFixed(1)} s` : "–"],
      ["Remembered of it", turn ? remembered(turn) : "–"],
      ["The user", user ? "speaks" : "is silent"],
      ["Connection", connectionAt(call, t)],
    ];
    if (!this.facts.firstChild) this.facts.append(...facts.map(([name]) => make("div", {}, make("dt", {}, name), make("dd", {}))));
    facts.forEach(([, value], n) => write(this.facts.children[n].lastChild, value));
    this.put("messages", turn ? JSON.stringify(turn.messages) : "", () => this.messages.replaceChildren(...(turn ? messagesOf(turn) : [])));
  }

  // Touch the page only where something is different.
  put(what, value, write) {
    if (this.told[what] === value) return;
    this.told[what] = value;
    write();
  }

  // --- what is opened

  async open(number, back) {
    try {
      const answer = await fetch(this.address(`calls/${this.id}/turns/${number}`));
      if (answer.ok) this.events = { number, told: await answer.json() };
    } catch {
      // The hub is gone: the turn is shown without its events.
    }
    this.detail.open(this, number, back);
  }

  turnEvents(number) {
    return this.events.number === number ? this.events.told : { events: [], more: 0, ids: "" };
  }

  select(number) {
    this.timeline.select(number);
    this.table.select(number);
  }
}

function heardUntil(turn, data, t) {
  let sum = 0;
  for (const message of turn.messages) {
    for (const [from, to] of message.heard) sum += Math.max(0, Math.min(to, t) - from);
  }
  if (data.soundingIn(turn) && data.sounding[0] < t) sum += t - data.sounding[0];
  return sum * 1000;
}

function remembered(turn) {
  if (!turn.messages.length) return "–";
  return ms(turn.messages.reduce((sum, message) => sum + message.keptMs, 0));
}

function connectionAt(call, t) {
  const there = call.connections.filter(([from]) => from <= t);
  const last = there[there.length - 1];
  if (!last) return "none yet";
  return last[1] !== null && last[1] <= t ? `${last[2]}, lost` : `${last[2]}, up`;
}
