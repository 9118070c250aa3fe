// One turn, opened: its figures, its path on the map of the machine, its messages, its events.

class Detail {
  constructor() {
    this.panel = document.getElementById("detail");
    this.view = null;
    document.addEventListener("keydown", (event) => {
      if (event.key === "Escape" && this.view) this.close();
    });
  }

  open(view, number, back) {
    if (this.view && this.view !== view) this.view.select(null);
    this.view = view;
    this.number = number;
    // Where the focus goes when this is closed; from within this panel it stays what it was.
    if (back && !this.panel.contains(back)) this.back = back;
    view.select(number);
    const turn = view.call.turns[number];
    this.panel.replaceChildren(...this.content(view, turn).filter(Boolean));
    this.panel.hidden = false;
    document.body.classList.add("open");
    setPlace(view, turn);
    this.panel.scrollTop = 0;
    this.panel.querySelector("h2").focus({ preventScroll: true });
  }

  close() {
    const { view, back, number } = this;
    this.panel.hidden = true;
    this.view = null;
    document.body.classList.remove("open");
    setPlace(null, null);
    view.select(null);
    // A row is drawn anew when it is selected: its successor gets the focus.
    const row = back && back.dataset && back.dataset.index;
    if (row !== undefined) view.table.focus(Number(row));
    else if (back && back.isConnected) back.focus({ preventScroll: true });
    else view.table.select(number);
  }

  content(view, turn) {
    const call = view.call;
    const button = (text, label, disabled, action) => {
      const made = make("button", { type: "button", "aria-label": label, title: label, disabled }, text);
      made.addEventListener("click", action);
      return made;
    };
    const heading = make("h2", { tabIndex: -1, id: "detail-title" }, `${sign(turn)} `, foreign(turn.id),
      " ", foreign(verdict(turn), "small"));
    return [
      make("div", { class: "bar" }, heading,
        button("‹", "Previous turn", turn.number === 0, () => this.open(view, turn.number - 1)),
        button("›", "Next turn", turn.number === call.turns.length - 1, () => this.open(view, turn.number + 1)),
        button("×", "Close (Escape)", false, () => this.close())),
      this.facts(call, turn),
      this.command(view, turn),
      ...this.path(call, turn),
      ...messagesOf(turn),
      ...this.events(view, call, turn),
    ];
  }

  facts(call, turn) {
    const list = make("dl", { class: "facts" });
    const add = (name, value, title) => {
      if (value === "" || value === null) return;
      list.append(make("div", {}, make("dt", title ? { title } : {}, name), make("dd", {}, value)));
    };
    const at = (t) => (call.timed ? clock(t - call.begin, 0.001) : `event ${t}`);
    add("Asked at", at(turn.asked));
    add("First audio after", seconds(turn.first));
    add("Lasted", turn.end === null ? "never ended" : seconds(turn.end - turn.start));
    add("Attempts", turn.attempts.length ? String(turn.attempts.length) : "");
    add("Lost to recovery", turn.lost ? seconds(turn.lost) : "");
    add("Error", turn.error ? foreign(turn.error) : "");
    add("Breaks", turn.broken.length ? `▲ ${turn.broken.join(", ")}` : "");
    add("The user said", turn.words ? foreign(turn.words) : "");
    const broken = call.marks.filter(([, kind, , number]) => kind === "broken" && number === turn.number);
    for (const [, , text, , line] of broken) add(`▲ line ${line}`, foreign(text));
    return list;
  }

  // How to have a test of it.
  command(view, turn) {
    const { file } = view.root.dataset;
    if (!file) return null;
    return make("p", { class: "note" }, "As a test: ", foreign(`realtime-fsm case ${file} --turn ${turn.id}`, "code"));
  }

  path(call, turn) {
    if (!turn.moves.length) {
      const why = turn.derived
        ? "This trace has no turns of a controller: what you see is a response, and the request for it."
        : "No transition of it is in the trace.";
      return [make("p", { class: "note" }, why)];
    }
    const map = document.getElementById("machine").content.firstElementChild.cloneNode(true);
    drawPath(map, turn.moves);
    const names = turn.states.map(([, , label]) => label).join(", ");
    map.setAttribute("aria-label", `Path on the state diagram: ${names}`);
    const begin = turn.moves[0][0];
    const items = turn.moves.map(([t, source, event, dest, attempt]) => {
      const what = source === dest ? `stays ${dest}` : `${source} → ${dest}`;
      return make("li", {},
        foreign(event.toLowerCase().replaceAll("_", " "), "b"), " ", foreign(what, "span"),
        make("small", {}, ` +${seconds(t - begin, 3)}${attempt > 1 ? `, attempt ${attempt}` : ""}`));
    });
    const list = make("ol", { class: "moves" }, ...items);
    return [make("details", { class: "path" }, make("summary", {}, `Path on the state diagram: ${turn.moves.length} transitions`), map, list)];
  }

  events(view, call, turn) {
    const { events, more } = view.turnEvents(turn.number);
    const rows = events.map(([line, t, by, type, text, count]) => make("tr", { class: `by-${KNOWN.has(by) ? by : "other"}` },
      make("td", {}, call.timed ? clock(t - call.begin, 0.001) : `event ${t}`),
      make("td", {}, foreign(by)),
      make("td", {}, foreign(type, "b"), count > 1 ? ` × ${count} ` : " ", foreign(text, "span")),
      make("td", {}, String(line))));
    const head = ["Time", "By", "What", "Line"].map((text) => make("th", { scope: "col" }, text));
    return [make("h3", {}, "Events"),
      make("div", { class: "wide" },
        make("table", { class: "plain events" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows))),
      more ? make("p", { class: "note" }, `and ${more} more`) : null];
  }
}

const KNOWN = new Set(["server", "client", "net", "playback", "user", "turn", "session"]);

// The messages of a turn: received, heard, remembered.
function messagesOf(turn) {
  if (!turn.messages.length) return [];
  const head = ["Message", "Received", "Heard", "Remembered"].map((text) => make("th", { scope: "col" }, text));
  const rows = turn.messages.map((message, index) => {
    const kept = `${message.right === false ? "≠ " : ""}${ms(message.keptMs)} (${message.how})`;
    const row = make("tr", { class: message.right === false ? "wrong" : "" },
      make("th", { scope: "row" }, `M${index + 1} `, foreign(message.id, "small")),
      make("td", {}, ms(message.ms)),
      make("td", {}, `${ms(message.heardMs)}${message.cut ? ", cut off" : ""}`),
      make("td", {}, kept));
    if (!message.words) return [row];
    const unheard = message.unheardWords ? [" ", foreign(message.unheardWords, "s")] : [];
    return [row, make("tr", {}, make("td", { colSpan: 4, class: "words" }, foreign(message.heardWords), ...unheard))];
  });
  return [make("h3", {}, "Messages"),
    make("div", { class: "wide" }, make("table", { class: "plain" }, make("thead", {}, make("tr", {}, ...head)), make("tbody", {}, ...rows.flat())))];
}
