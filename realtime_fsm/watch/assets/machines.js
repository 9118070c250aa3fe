// The three machines: where each stands, and the path it took.

const MACHINES = [["turn", "machine", "Turn"], ["response", "machine-response", "Response"], ["playback", "machine-playback", "Playback"]];

class Machines {
  constructor(root) {
    this.figures = MACHINES.map(([name, template, title]) => {
      const map = document.getElementById(template).content.firstElementChild.cloneNode(true);
      const caption = make("figcaption", {});
      const figure = make("figure", { class: `machine of-${name}` }, caption, make("div", { class: "wide" }, map));
      root.append(figure);
      return { name, title, map, caption, figure, shown: "" };
    });
  }

  // As things stood at *t*, for that turn.
  show(data, turn, t) {
    for (const figure of this.figures) {
      const { of, moves, state } = this[figure.name](data.call, turn, t);
      const shown = JSON.stringify([of, moves.length, state, moves.length ? moves[0][0] : 0]);
      if (shown === figure.shown) continue;
      figure.shown = shown;
      this.draw(figure, of, moves, state);
    }
  }

  draw({ title, map, caption, figure }, of, moves, state) {
    for (const each of map.querySelectorAll(".taken, .visited, .lit")) each.classList.remove("taken", "visited", "lit");
    map.querySelector(".steps").replaceChildren();
    drawPath(map, moves.filter(([, source]) => source));
    const now = state && map.querySelector(`.state[data-state="${CSS.escape(state.toUpperCase())}"]`);
    if (now) now.classList.add("lit", "visited");
    figure.classList.toggle("none", !state);
    const told = state ? named(state) : "none yet";
    caption.replaceChildren(make("b", {}, title), " ", of ? foreign(of) : "", of ? ": " : "", make("span", {}, told));
    const path = moves.map(([, , , dest]) => named(dest)).join(", ");
    map.setAttribute("aria-label", `${title}: ${told}.${path ? ` Its path: ${path}.` : ""}`);
  }

  turn(call, turn, t) {
    if (!turn) return { of: "", moves: [], state: "" };
    const states = turn.states.filter(([at]) => at <= t);
    const last = states[states.length - 1];
    // Plain LiveKit has no machine: its frames tell the states.
    const moves = turn.moves.length
      ? turn.moves.filter(([at]) => at <= t)
      : states.map(([at, state], n) => [at, n ? states[n - 1][1] : "", "", state]).filter(([, source, , dest]) => source !== dest);
    return { of: turn.id, moves, state: last ? last[1] : "" };
  }

  response(call, turn, t) {
    const mine = newest(call.machines, t, (each) => each[1] === "response" && turn && (each[2] === turn.id || !each[2]));
    const name = mine.reduce((found, each) => each[3] || found, "");
    return { of: name, moves: mine.map(([at, , , , source, event, dest]) => [at, source, event, dest]), state: mine.length ? mine[mine.length - 1][6] : "" };
  }

  playback(call, turn, t) {
    const items = new Set(turn ? turn.messages.map((message) => message.id) : []);
    const all = upTo(call.machines, t).filter((each) => each[1] === "playback" && items.has(each[3]));
    const id = all.length ? all[all.length - 1][3] : "";
    const mine = all.filter((each) => each[3] === id);
    const number = turn ? turn.messages.findIndex((message) => message.id === id) + 1 : 0;
    return { of: number ? `message ${number}` : "", moves: mine.map(([at, , , , source, event, dest]) => [at, source, event, dest]), state: mine.length ? mine[mine.length - 1][6] : "" };
  }
}

// The last moves up to a time: more than a turn has.
function upTo(moves, t) {
  const end = first(moves, ([at]) => at > t);
  return moves.slice(Math.max(0, end - 400), end);
}

// The moves of the newest response: each attempt has one, which begins queued.
function newest(moves, t, holds) {
  const mine = upTo(moves, t).filter(holds);
  let begin = 0;
  mine.forEach(([, , , , source], n) => {
    const before = n ? mine[n - 1][6] : "";
    if (source === "queued" && before !== "queued") begin = n;
  });
  return mine.slice(begin);
}
