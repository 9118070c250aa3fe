// The path that something took, on the map of its machine.

const SVG = "http://www.w3.org/2000/svg";

// Moves are [time, source, event, destination]: their numbers stand at the arrows.
function drawPath(map, moves) {
  const steps = new Map();
  moves.forEach(([, source, , dest], index) => {
    const key = `${source.toUpperCase()} ${dest.toUpperCase()}`;
    if (!steps.has(key)) steps.set(key, []);
    steps.get(key).push(index + 1);
  });
  const visited = new Set();
  for (const edge of map.querySelectorAll(".edge")) {
    const mine = steps.get(`${edge.dataset.source} ${edge.dataset.dest}`);
    if (!mine) continue;
    edge.classList.add("taken");
    visited.add(edge.dataset.source).add(edge.dataset.dest);
    map.querySelector(".steps").append(...badge(ranges(mine), Number(edge.dataset.x), Number(edge.dataset.y), edge.classList));
  }
  for (const state of map.querySelectorAll(".state")) {
    if (visited.has(state.dataset.state)) state.classList.add("visited");
  }
}

function badge(text, x, y, classes) {
  const kind = ["normal", "recovery", "cancel", "failure"].find((each) => classes.contains(each));
  const wide = Math.max(26, text.length * 8.5 + 14);
  const shape = document.createElementNS(SVG, "rect");
  const values = { x: x - wide / 2, y: y - 13, width: wide, height: 26, rx: 13, class: `badge ${kind}` };
  for (const [name, value] of Object.entries(values)) shape.setAttribute(name, value);
  const words = document.createElementNS(SVG, "text");
  words.setAttribute("x", x);
  words.setAttribute("y", y + 5.5);
  words.setAttribute("class", `number ${kind}`);
  words.textContent = text;
  return [shape, words];
}

// 1, 2, 3, 5 as 1–3, 5
function ranges(numbers) {
  const runs = [];
  for (const n of numbers) {
    const last = runs[runs.length - 1];
    if (last && last[1] === n - 1) last[1] = n;
    else runs.push([n, n]);
  }
  const told = runs.slice(0, 4).map(([a, b]) => (a === b ? String(a) : `${a}–${b}`));
  return told.join(", ") + (runs.length > 4 ? "…" : "");
}
