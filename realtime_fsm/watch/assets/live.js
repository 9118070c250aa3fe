// Puts the page together: the connection to the hub, what is looked at, and where in time.

const WIDE = 12; // seconds that are in view at first
const TOKEN = new URLSearchParams(location.search).get("token") || "";

function address(path) {
  return `/${path}?token=${encodeURIComponent(TOKEN)}`;
}

// The address is the call's, not the turn's.
function setPlace() {}

class Live {
  constructor() {
    this.state = document.getElementById("state");
    this.trouble = document.getElementById("trouble");
    this.stage = document.getElementById("stage");
    this.detail = new Detail();
    this.list = new CallList(document.getElementById("list"), (id) => this.choose(id, true), address);
    this.panels = new Map();
    this.view = this.newView();
    this.following = true;
    this.newest = true;
    this.cursor = 0;
    this.failures = 0;
    this.drawn = 0;
    this.connect();
    const place = /^#call=(.+)$/.exec(location.hash);
    if (place) {
      this.newest = false;
      this.wanted = decodeURIComponent(place[1]);
    }
    this.controls();
    document.addEventListener("keydown", (event) => this.key(event));
    document.addEventListener("visibilitychange", () => this.draw());
    setInterval(() => {
      if (performance.now() - this.drawn > 80) this.draw(); // what goes on grows without any news
    }, 100);
    document.documentElement.dataset.ready = "yes";
  }

  newView() {
    const view = new View(WIDE);
    view.listeners.push(() => this.moved());
    return view;
  }

  // --- the hub

  connect() {
    const socket = new WebSocket(`${location.protocol === "https:" ? "wss" : "ws"}://${location.host}${address("live")}`);
    this.socket = socket;
    socket.addEventListener("open", () => {
      this.failures = 0;
      this.fresh = true;
      this.watch();
    });
    socket.addEventListener("message", (event) => this.take(JSON.parse(event.data)));
    socket.addEventListener("close", () => this.lost());
  }

  lost() {
    this.failures += 1;
    this.trouble.hidden = false;
    this.trouble.textContent = this.failures < 4
      ? "The connection to the hub is lost. Looking for it again…"
      : "The hub does not answer: it has ended, or its address is another one. If it was started anew, open the address that it printed.";
    this.state.textContent = "Not connected.";
    for (const panel of this.panels.values()) panel.data.over = true; // time stands still where nothing is heard
    setTimeout(() => this.connect(), Math.min(3000, 300 * this.failures));
  }

  watch() {
    if (this.socket.readyState === WebSocket.OPEN) this.socket.send(JSON.stringify({ watch: [...this.panels.keys()] }));
  }

  take(told) {
    if (told.rows) {
      if (this.fresh) this.list.clear();
      this.fresh = false;
      this.trouble.hidden = true;
      this.list.take(told.rows, told.gone);
      this.state.textContent = this.list.rows.size ? "Connected." : "Connected. No call has begun yet.";
      for (const row of told.rows) {
        const panel = this.panels.get(row.id);
        if (panel) panel.row(row);
      }
      this.pick();
    }
    const panel = told.news && this.panels.get(told.call);
    if (!panel) return;
    panel.take(told.news);
    this.soon();
  }

  // --- what is looked at

  // The call of the address, or else the newest that runs; the one that is looked at stays when it ends.
  pick() {
    if (this.wanted && this.list.rows.has(this.wanted)) {
      const id = this.wanted;
      this.wanted = "";
      this.choose(id, false);
      return;
    }
    const [newest] = this.list.sorted();
    if (!newest) return;
    const shown = this.list.rows.get(this.list.chosen);
    if (!shown || (this.newest && !ENDED.has(newest.state) && !this.list.shown(newest.id))) this.choose(newest.id, false);
    else if (this.list.beside(shown.id).some((row) => !this.panels.has(row.id))) this.choose(shown.id, false);
  }

  choose(id, byHand) {
    const rows = this.list.beside(id);
    if (byHand) {
      this.newest = false;
      this.newestBox.checked = false;
      history.replaceState(null, "", `#call=${encodeURIComponent(id)}`);
    }
    this.list.select(id);
    const kept = rows.some((row) => this.panels.has(row.id));
    if (!kept) {
      this.view = this.newView();
      this.following = true;
      if (this.detail.view) this.detail.close();
    }
    const panels = rows.map((row) => [row.id, this.panels.get(row.id) || new LivePanel(row, this.view, this.detail, address)]);
    this.panels = new Map(panels);
    this.sides.className = `sides${rows.length > 1 ? " two" : ""}`;
    this.sides.replaceChildren(...panels.map(([, panel]) => make("div", { class: "side" }, panel.root)));
    this.watch();
    this.showControls();
    this.soon();
  }

  // --- where in time

  controls() {
    const button = (text, label, action) => {
      const made = make("button", { type: "button", title: label, "aria-label": label }, text);
      made.addEventListener("click", action);
      return made;
    };
    this.playing = button("Pause", "Pause, or follow the call (space)", () => this.toggle());
    this.where = make("span", { class: "where" });
    this.said = make("span", { class: "unseen", role: "status" }); // not ten times a second
    this.newestBox = make("input", { type: "checkbox", id: "newest", checked: this.newest });
    this.newestBox.addEventListener("input", () => {
      this.newest = this.newestBox.checked;
      if (this.newest) {
        history.replaceState(null, "", location.search);
        this.pick();
      }
    });
    this.bar = make("div", { class: "film", role: "group", "aria-label": "Where in time" },
      this.playing, button("‹ step", "One step back (comma)", () => this.step(-1)), button("step ›", "One step on (full stop)", () => this.step(1)),
      button("Follow", "Follow the call again (f)", () => this.follow()), this.where, this.said,
      make("label", { for: "newest" }, this.newestBox, " always the newest call"));
    this.sides = make("div", { class: "sides" });
    this.stage.append(this.bar, this.sides);
    this.showControls();
  }

  showControls() {
    this.bar.hidden = !this.panels.size;
    this.playing.textContent = this.following ? "Pause" : "Go on";
  }

  // How long the longest of what is shown is by now, in seconds.
  length() {
    return Math.max(0, ...[...this.panels.values()].map((panel) => panel.length()));
  }

  toggle() {
    if (this.following) this.pause(this.length());
    else this.follow();
  }

  pause(at, what = "") {
    this.following = false;
    this.cursor = at;
    this.what = what;
    this.said.textContent = `stopped at ${clock(at, 0.001)}${what ? `: ${what}` : ""}`;
    this.showControls();
    this.soon();
  }

  follow() {
    this.following = true;
    this.said.textContent = "following";
    this.showControls();
    this.soon();
  }

  // To the next thing that happened in any of the calls that are shown, or the one before.
  step(direction) {
    const at = this.following ? this.length() : this.cursor;
    let best = null;
    for (const panel of this.panels.values()) {
      const begin = panel.call.begin, steps = panel.data.steps();
      const after = (time) => first(steps, ([t]) => t - begin > time + 1e-6);
      // Of what happens in one moment the last is told, from either side.
      const next = steps[after(at)];
      const found = direction < 0 ? steps[first(steps, ([t]) => t - begin >= at - 1e-6) - 1] : next && steps[after(next[0] - begin) - 1];
      if (!found) continue;
      const t = found[0] - begin;
      if (!best || (direction > 0 ? t < best.t : t > best.t)) best = { t, text: found[1] };
    }
    if (!best) return direction > 0 ? this.follow() : undefined;
    this.pause(best.t, best.text);
    this.hold(() => this.view.reveal(best.t - 0.5, best.t + 0.5));
    return undefined;
  }

  key(event) {
    const { target } = event;
    const typing = target instanceof HTMLInputElement || target instanceof HTMLSelectElement;
    if (typing || event.ctrlKey || event.metaKey || event.altKey || !this.panels.size) return;
    const pressed = target instanceof HTMLButtonElement || target instanceof HTMLAnchorElement || target.closest("tr, summary");
    if (event.key === " " && !pressed) this.toggle();
    else if (event.key === ",") this.step(-1);
    else if (event.key === ".") this.step(1);
    else if (event.key === "f") this.follow();
    else return;
    event.preventDefault();
  }

  // Move the view ourselves: that the reader moves it means to stop here.
  hold(move) {
    this.holding = true;
    move();
    this.holding = false;
  }

  moved() {
    if (this.holding || !this.following) return;
    const now = this.length();
    if (now < this.view.from || now > this.view.to + 1) this.pause(Math.min(now, this.view.to));
  }

  // --- drawing

  soon() {
    if (this.asked) return;
    this.asked = requestAnimationFrame(() => {
      this.asked = null;
      this.draw();
    });
  }

  draw() {
    this.drawn = performance.now();
    if (document.hidden || !this.panels.size) return;
    const length = this.length();
    this.view.length = Math.max(length, WIDE);
    if (this.following) {
      const width = this.view.to - this.view.from;
      const to = Math.max(length + width * 0.06, width);
      this.hold(() => this.view.show(to - width, to));
    }
    const at = this.following ? length : this.cursor;
    for (const panel of this.panels.values()) {
      const t = panel.call.begin + Math.min(at, panel.length());
      panel.draw(t, this.following ? null : panel.call.begin + at);
    }
    const told = this.following ? `at ${clock(length, 0.1)}` : `stopped at ${clock(at, 0.001)} of ${clock(length, 0.1)}${this.what ? `: ${this.what}` : ""}`;
    if (this.where.textContent !== told) this.where.replaceChildren(foreign(told));
  }
}

const NEEDS = ["WebSocket", "ResizeObserver", "fetch", "CSS"];
const lacks = NEEDS.filter((name) => !(name in window));
if (!("roundRect" in CanvasRenderingContext2D.prototype)) lacks.push("roundRect");
if (lacks.length) {
  document.getElementById("state").textContent = `This browser is too old to show calls live: it has no ${lacks.join(", ")}.`;
} else {
  new Live();
}
