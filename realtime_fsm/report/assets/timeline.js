// The lanes over time. Only what is in view is drawn; what lies within one pixel is drawn once.

const LANE = 26;
const GAP = 6;
const AXIS = 24;
const MAP = 34;

class Timeline {
  constructor(root, call, view, open) {
    this.call = call;
    this.view = view;
    this.open = open;
    this.lanes = lanesOf(call);
    this.selected = null;
    this.cursor = null; // a time of the call: what comes after it stands back
    this.hits = [];
    this.map = make("canvas", { class: "overview", "aria-hidden": "true" });
    this.canvas = make("canvas", {
      class: "lanes", tabIndex: 0, role: "img",
      "aria-label": "Timeline. Arrow keys move it, plus and minus zoom, 0 shows all, n and p go to the next and "
        + "previous turn with trouble. Everything in it is in the table of turns below.",
    });
    this.tip = make("div", { class: "tip", role: "tooltip", hidden: true });
    root.append(this.buttons(), this.map, this.canvas, this.tip);
    this.paint = new Paint(root);
    view.listeners.push(() => this.draw());
    this.wide = null;
    new ResizeObserver(() => {
      this.wide = this.canvas.clientWidth; // asked for in the middle of a change, it would lay out the whole page
      this.draw();
    }).observe(root);
    matchMedia("(prefers-color-scheme: dark)").addEventListener("change", () => {
      this.paint = new Paint(root);
      this.draw();
    });
    this.listen();
  }

  buttons() {
    const button = (text, label, action) => {
      const made = make("button", { type: "button", "aria-label": label, title: label }, text);
      made.addEventListener("click", action);
      return made;
    };
    return make("div", { class: "buttons", role: "group", "aria-label": "Timeline" },
      button("−", "Zoom out", () => this.view.zoom(1.6)),
      button("+", "Zoom in", () => this.view.zoom(1 / 1.6)),
      button("All", "Show the whole call", () => this.view.fit()),
      button("‹ trouble", "Previous turn with trouble", () => this.trouble(-1)),
      button("trouble ›", "Next turn with trouble", () => this.trouble(1)),
    );
  }

  // Another call, or the same with more of it; *all* are its turns where *call* has not all of them.
  renew(call, all = call.turns) {
    this.lanes = lanesOf(call);
    this.call = { ...call, turns: all };
    this.drawNow();
  }

  // --- drawing

  get width() {
    return this.wide ?? this.canvas.clientWidth;
  }

  get narrow() {
    return this.width < 640;
  }

  get gutter() {
    return this.narrow ? 8 : 150;
  }

  x(t) {
    const { from, to } = this.view;
    return this.gutter + ((t - this.call.begin - from) / (to - from)) * (this.width - this.gutter - 8);
  }

  t(x) {
    const { from, to } = this.view;
    return from + ((x - this.gutter) / (this.width - this.gutter - 8)) * (to - from);
  }

  draw() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = null;
      this.drawNow();
    });
  }

  drawNow() {
    this.drawLanes();
    this.drawMap();
  }

  surface(canvas, height) {
    const scale = window.devicePixelRatio || 1;
    const { width } = this;
    if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
      canvas.style.height = `${height}px`;
      canvas.width = Math.round(width * scale);
      canvas.height = Math.round(height * scale);
    }
    const context = canvas.getContext("2d");
    context.setTransform(scale, 0, 0, scale, 0, 0);
    context.clearRect(0, 0, width, height);
    return context;
  }

  laneHeight(lane) {
    return (lane.height || LANE) * (lane.rows || 1) + (this.narrow ? 16 : 0) + GAP;
  }

  drawLanes() {
    const height = AXIS + this.lanes.reduce((sum, lane) => sum + this.laneHeight(lane), 0) + 4;
    const context = this.surface(this.canvas, height);
    this.hits = [];
    this.axis(context, height);
    let y = AXIS;
    this.lanes.forEach((lane, index) => {
      const all = this.laneHeight(lane);
      if (index % 2 === 0) {
        context.fillStyle = this.paint.card;
        context.globalAlpha = 0.75;
        context.fillRect(0, y, this.width, all);
        context.globalAlpha = 1;
      }
      const top = y + GAP / 2 + (this.narrow ? 16 : 0);
      const empty = absence(lane, this.call);
      const title = empty ? `${lane.name}: ${empty}` : lane.name;
      if (this.narrow) {
        this.paint.label(context, title, 4, y + 10, this.width, { on: "muted", size: 11 });
      } else {
        this.paint.label(context, lane.name, 6, top + (lane.height || LANE) / 2 - (empty ? 6 : 0), this.gutter - 4, { size: 12 });
        if (empty) this.paint.label(context, empty, 6, top + LANE / 2 + 7, this.gutter - 4, { on: "muted", size: 11, weight: 400 });
      }
      context.save();
      context.beginPath();
      context.rect(this.gutter, y, this.width - this.gutter, all);
      context.clip();
      this.drawLane(context, lane, top);
      context.restore();
      y += all;
    });
    if (this.cursor !== null) this.drawCursor(context, height);
  }

  drawCursor(context, height) {
    const x = Math.max(this.x(this.cursor), this.gutter);
    if (x >= this.width) return;
    context.fillStyle = this.paint.page;
    context.globalAlpha = 0.72;
    context.fillRect(x, AXIS, this.width - x, height);
    context.globalAlpha = 1;
    context.fillStyle = this.paint.ink;
    context.fillRect(Math.round(x) - 1, AXIS - 6, 2, height);
  }

  axis(context, height) {
    const span = this.view.to - this.view.from;
    const target = span / Math.max(2, (this.width - this.gutter) / 90);
    const { step, at } = ticks(this.view.from, this.view.to, target);
    context.textBaseline = "middle";
    context.font = `11px ${this.paint.font}`;
    for (const n of at) {
      const x = this.x(n * step + this.call.begin);
      if (x < this.gutter - 1) continue;
      context.fillStyle = this.paint.rule;
      context.fillRect(Math.round(x), AXIS - 5, 1, height);
      context.fillStyle = this.paint.muted;
      context.textAlign = x > this.width - 40 ? "right" : "left";
      context.fillText(this.call.timed ? clock(n * step, step) : `event ${n * step}`, x + (x > this.width - 40 ? -3 : 3), 10);
    }
  }

  drawLane(context, lane, top) {
    const height = lane.height || LANE;
    const low = this.view.from + this.call.begin, high = this.view.to + this.call.begin;
    // Bars are sorted by their beginning; one that is long may have begun long before.
    lane.longest ??= lane.bars.reduce((most, bar) => Math.max(most, bar.to - bar.from), 0);
    let last = [];
    for (let i = first(lane.bars, (bar) => bar.from >= low - lane.longest); i < lane.bars.length; i += 1) {
      const bar = lane.bars[i];
      if (bar.from > high) break;
      if (bar.to < low) continue;
      const x = Math.max(this.x(bar.from), this.gutter - 6), end = Math.min(this.x(bar.to), this.width + 6);
      const row = bar.row || 0;
      const plain = !bar.whole || (!troubled(bar.whole) && bar.whole.outcome === "completed");
      if (plain && bar.kind !== "failure" && end <= (last[row] ?? -1) + 0.6) continue;
      last[row] = end;
      const y = top + row * height;
      if (bar.whole) this.drawTurn(context, bar.whole, x, end, y, height, this.room(lane.bars, i));
      else this.drawBar(context, bar, x, end, y, height);
      this.hits.push({ x, end: Math.max(end, x + 4), y, bottom: y + height, ...bar });
    }
    let previous = -99, kind = "", crowd = null;
    const marks = lane.marks || [];
    for (let i = first(marks, (mark) => mark.at >= low); i < marks.length && marks[i].at <= high; i += 1) {
      const mark = marks[i], at = this.x(mark.at), y = top + height / 2;
      if (mark.kind === "attempt" && i + 1 < marks.length && this.x(marks[i + 1].at) < at + 12) continue;
      // Marks of one moment stand side by side, as long as they are near it.
      const x = Math.max(at, mark.kind === "attempt" ? at : previous + 14);
      if (x > at + 45 || (x > at && kind === mark.kind && x > at + 12)) {
        crowd = crowd || { marks: [], at: previous };
        crowd.marks.push(mark);
        continue;
      }
      this.drawCrowd(context, crowd, y);
      crowd = null;
      previous = x;
      kind = mark.kind;
      if (mark.kind === "attempt") this.drawAttempt(context, mark, x, y);
      else this.paint.mark(context, mark.kind, x, y);
      this.hits.push({ x: x - 8, end: x + 8, y: top, bottom: top + height, mark: true, ...mark });
    }
    this.drawCrowd(context, crowd, top + height / 2);
  }

  // Marks for which there is no room: how many, and what the last one drawn says of them, too.
  drawCrowd(context, crowd, y) {
    if (!crowd || !crowd.marks.length) return;
    this.paint.label(context, `+${crowd.marks.length}`, crowd.at + 4, y - 8, 30, { on: "muted", size: 11 });
    const hit = this.hits[this.hits.length - 1];
    const told = crowd.marks.slice(0, 8).map((mark) => mark.tip.join(", "));
    hit.tip = [...hit.tip, ...told, ...(crowd.marks.length > 8 ? [`and ${crowd.marks.length - 8} more: zoom in`] : [])];
  }

  drawBar(context, bar, x, end, y, height) {
    this.paint.bar(context, x, y + 4, end - x, height - 8, bar.kind, bar.what);
    const on = bar.what === "full" ? "page" : bar.what === "hatched" || bar.what === "dotted" ? "" : "ink";
    const seen = this.seen(x);
    if (on) this.paint.label(context, bar.text, seen, y + height / 2 + 0.5, end - seen, { on });
    else if (end - seen > 70) this.boxed(context, bar.text, seen + 9, y + height / 2, end - seen - 18);
    if (bar.cut && end - x > 3) {
      context.fillStyle = this.paint.failure;
      context.fillRect(end - 2.5, y + 1, 2.5, height - 2);
    }
    if (bar.turn !== null && bar.turn === this.selected) this.outline(context, x, y + 2, end - x, height - 4);
  }

  // Where the words of a bar begin that came in from the left.
  seen(x) {
    return Math.max(x, this.gutter - 1);
  }

  // Words on a pattern need a ground of their own.
  boxed(context, text, x, y, width) {
    if (!text || width < 26) return;
    context.font = `600 11px ${this.paint.font}`;
    const wide = Math.min(context.measureText(text).width + 8, width - 6);
    context.fillStyle = this.paint.page;
    context.globalAlpha = 0.88;
    context.fillRect(x + 3, y - 7, wide, 14);
    context.globalAlpha = 1;
    this.paint.label(context, text, x + 2, y + 0.5, wide + 4);
  }

  drawAttempt(context, mark, x, y) {
    context.beginPath();
    context.arc(x, y, 8.5, 0, 7);
    context.fillStyle = this.paint.page;
    context.fill();
    context.strokeStyle = this.paint.recovery;
    context.lineWidth = 1.6;
    context.stroke();
    this.paint.label(context, mark.text, x - 10, y + 0.5, 20, { align: "center", on: "recovery", weight: 700 });
  }

  // How far the name of a turn may reach: up to the next one in its row.
  room(bars, index) {
    for (let i = index + 1; i < Math.min(index + 4, bars.length); i += 1) {
      if (bars[i].row === bars[index].row) return this.x(bars[i].from);
    }
    return this.width;
  }

  drawTurn(context, turn, x, end, y, height, room) {
    const looks = names({
      requested: "outline", created: "light", streaming: "full", retry_wait: "hatched", cancelling: "dotted",
    });
    const bar = height - 16;
    if (end - x < 8) {
      const kind = turn.outcome === "failed" ? "failure" : turn.recovered ? "recovery" : turn.outcome === "interrupted" ? "cancel" : "normal";
      const tall = troubled(turn) ? height - 3 : bar;
      this.paint.bar(context, x, y + height - 2 - tall, Math.max(end - x, 2), tall, kind, "full");
    } else {
      turn.states.forEach(([t, state, label], index) => {
        if (!looks[state]) return;
        const from = Math.max(this.x(t), x);
        const to = Math.min(index + 1 < turn.states.length ? this.x(turn.states[index + 1][0]) : end, end);
        if (to < from) return;
        const kind = STATE_KIND[state];
        this.paint.bar(context, from, y + 14, to - from, bar, kind, looks[state]);
        const short = label.replace("streaming message ", "M");
        const seen = this.seen(from), room = to - seen;
        const text = room > 110 ? label : short;
        if (looks[state] === "hatched" || looks[state] === "dotted") this.boxed(context, state, seen, y + 14 + bar / 2, room);
        else this.paint.label(context, text, seen, y + 14.5 + bar / 2, room, { on: state === "streaming" ? "page" : "ink" });
      });
      const good = !troubled(turn);
      const seen = this.seen(x);
      this.paint.label(context, `${sign(turn)} ${turn.id}`, seen - 3, y + 7, Math.max(end, Math.min(room, seen + 160)) - seen, { on: turn.outcome === "failed" ? "failure" : good ? "muted" : "recovery" });
    }
    if (turn.number === this.selected) this.outline(context, x, y + 1, end - x, height - 1);
  }

  outline(context, x, y, width, height) {
    context.strokeStyle = this.paint.ink;
    context.lineWidth = 2;
    context.strokeRect(x - 1, y, Math.max(width, 2) + 2, height);
  }

  drawMap() {
    const context = this.surface(this.map, MAP);
    const width = this.width - this.gutter - 8;
    const place = (t) => this.gutter + (t / this.view.length) * width;
    context.fillStyle = this.paint.card;
    context.fillRect(this.gutter, 0, width, MAP);
    let last = -1;
    for (const turn of this.call.turns) {
      const x = place(turn.start - this.call.begin), end = place((turn.end ?? this.call.end) - this.call.begin);
      const bad = troubled(turn);
      if (!bad && end < last + 0.5) continue;
      if (!bad) last = end;
      const kind = turn.outcome === "failed" ? "failure" : bad ? "recovery" : turn.outcome === "interrupted" ? "cancel" : "normal";
      const tall = turn.outcome === "failed" ? MAP - 6 : bad ? 20 : 10;
      context.fillStyle = this.paint[kind];
      context.globalAlpha = bad ? 1 : 0.55;
      context.fillRect(x, MAP - 3 - tall, Math.max(end - x, 1.5), tall);
    }
    context.globalAlpha = 1;
    const from = Math.max(place(this.view.from), this.gutter), to = Math.min(place(this.view.to), this.gutter + width);
    context.strokeStyle = this.paint.ink;
    context.lineWidth = 1.5;
    context.strokeRect(from + 0.75, 0.75, Math.max(to - from - 1.5, 3), MAP - 1.5);
    if (!this.narrow) this.paint.label(context, "Whole call", 6, MAP / 2, this.gutter - 4, { size: 12 });
  }

  // --- what the reader does

  listen() {
    const canvas = this.canvas;
    let grip = null;
    canvas.addEventListener("pointerdown", (event) => {
      grip = { x: event.offsetX, from: this.view.from, to: this.view.to, moved: false };
      canvas.setPointerCapture(event.pointerId);
    });
    canvas.addEventListener("pointermove", (event) => {
      if (!grip) return this.hover(event);
      const by = event.offsetX - grip.x;
      if (Math.abs(by) > 4) grip.moved = true;
      if (grip.moved) {
        this.hideTip();
        const share = (by / (this.width - this.gutter - 8)) * (grip.to - grip.from);
        this.view.show(grip.from - share, grip.to - share);
      }
      return undefined;
    });
    canvas.addEventListener("pointerup", (event) => {
      const moved = grip && grip.moved;
      grip = null;
      if (moved) return;
      const hit = this.hit(event.offsetX, event.offsetY);
      if (hit && hit.turn !== null && hit.turn !== undefined) this.open(hit.turn, canvas);
    });
    canvas.addEventListener("pointercancel", () => { grip = null; });
    canvas.addEventListener("pointerleave", () => this.hideTip());
    canvas.addEventListener("dblclick", (event) => this.view.zoom(0.4, this.t(event.offsetX)));
    canvas.addEventListener("wheel", (event) => {
      if (event.ctrlKey || event.metaKey) {
        event.preventDefault();
        this.view.zoom(Math.exp(event.deltaY / 300), this.t(event.offsetX));
      } else if (event.shiftKey || Math.abs(event.deltaX) > Math.abs(event.deltaY)) {
        event.preventDefault();
        this.view.pan((event.deltaX || event.deltaY) / this.width);
      }
    }, { passive: false });
    canvas.addEventListener("keydown", (event) => this.key(event));
    const jump = (event) => {
      if (event.buttons !== 1) return;
      const t = ((event.offsetX - this.gutter) / (this.width - this.gutter - 8)) * this.view.length;
      const half = (this.view.to - this.view.from) / 2;
      this.view.show(t - half, t + half);
    };
    this.map.addEventListener("pointerdown", jump);
    this.map.addEventListener("pointermove", jump);
  }

  key(event) {
    const keys = {
      ArrowLeft: () => this.view.pan(-0.2), ArrowRight: () => this.view.pan(0.2),
      "+": () => this.view.zoom(1 / 1.6), "=": () => this.view.zoom(1 / 1.6), "-": () => this.view.zoom(1.6),
      0: () => this.view.fit(), n: () => this.trouble(1), p: () => this.trouble(-1),
    };
    if (!keys[event.key] || event.ctrlKey || event.metaKey || event.altKey) return;
    event.preventDefault();
    keys[event.key]();
  }

  trouble(direction) {
    const turns = this.call.turns;
    const from = this.selected ?? (direction > 0 ? -1 : turns.length);
    for (let n = from + direction; n >= 0 && n < turns.length; n += direction) {
      if (troubled(turns[n])) return this.open(n, this.canvas);
    }
    return undefined;
  }

  select(number) {
    this.selected = number;
    if (number !== null) {
      const turn = this.call.turns[number];
      this.view.reveal(turn.asked - this.call.begin, (turn.end ?? this.call.end) - this.call.begin);
    }
    this.draw();
  }

  hit(x, y) {
    let found = null;
    for (const each of this.hits) {
      if (x < each.x - 2 || x > each.end + 2 || y < each.y || y > each.bottom) continue;
      if (!found || each.mark || each.end - each.x < found.end - found.x) found = each;
    }
    return found;
  }

  hover(event) {
    const hit = this.hit(event.offsetX, event.offsetY);
    this.canvas.classList.toggle("over", Boolean(hit && hit.turn !== null && hit.turn !== undefined));
    if (!hit) return this.hideTip();
    const at = hit.at ?? hit.from;
    const lines = hit.whole ? turnTip(hit.whole) : hit.tip;
    this.tip.replaceChildren(
      ...lines.filter(Boolean).map((line) => foreign(line.length > 300 ? `${line.slice(0, 300)}…` : line, "div")),
      make("div", { class: "when" }, this.call.timed ? `at ${clock(at - this.call.begin, 0.001)}` : `event ${at}`),
    );
    this.tip.hidden = false;
    const left = Math.min(this.canvas.offsetLeft + event.offsetX + 14, this.canvas.offsetLeft + this.width - this.tip.offsetWidth - 4);
    this.tip.style.left = `${Math.max(4, left)}px`;
    this.tip.style.top = `${this.canvas.offsetTop + event.offsetY + 18}px`;
    return undefined;
  }

  hideTip() {
    this.tip.hidden = true;
  }
}

function turnTip(turn) {
  return [
    `${turn.id}: ${verdict(turn)}${turn.error ? `, ${turn.error}` : ""}`,
    `first audio after ${seconds(turn.first)}`,
    turn.attempts.length > 1 ? `${turn.attempts.length} attempts, ${seconds(turn.lost)} lost` : "",
    turn.broken.length ? `breaks ${turn.broken.join(", ")}` : "",
    turn.words ? `the user: “${turn.words}”` : "",
  ];
}
