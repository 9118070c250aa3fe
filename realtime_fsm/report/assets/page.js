// Puts the page together. A call is built when it comes into view.

class CallView {
  constructor(root, view, detail) {
    this.root = root;
    this.call = data(document.getElementById(root.dataset.call));
    this.call.turns.forEach((turn, number) => { turn.number = number; });
    const open = (number, back) => detail.open(this, number, back);
    this.timeline = new Timeline(root.querySelector(".timeline"), this.call, view, open);
    this.table = new TurnTable(root.querySelector(".table"), this.call, open, root.dataset.name, (number) => this.turnEvents(number).ids);
    for (const link of root.querySelectorAll("button[data-turn]")) {
      link.addEventListener("click", () => open(Number(link.dataset.turn), link));
    }
  }

  select(number) {
    this.timeline.select(number);
    this.table.select(number);
  }

  turnEvents(number) {
    const size = Number(this.root.dataset.chunk);
    const script = document.getElementById(`${this.root.dataset.call}-events-${Math.floor(number / size)}`);
    return data(script)[number % size];
  }
}

// What is looked at first: all of a short call, of a long one the first trouble.
function firstLook(view, call) {
  if (view.length <= 90) return view.fit();
  const bad = call.turns.find(troubled) || call.turns[0];
  const at = bad ? bad.asked - call.begin : 0;
  return view.show(at - 10, at + 50);
}

// The address of a turn: #turn_7, or #call-1:turn_7 where there are several calls. It may name a response, a
// message or a frame as well.
const views = new Map(), builders = new Map();

function viewOf(root) {
  if (!views.has(root)) builders.get(root)(root);
  return views.get(root);
}

function setPlace(view, turn) {
  const many = document.querySelectorAll(".call").length > 1;
  try {
    const place = view ? `#${many ? `${view.root.dataset.call}:` : ""}${encodeURIComponent(turn.id)}` : "#";
    history.replaceState(null, "", place);
  } catch {
    // A page that is shown from memory has no address, nor has an id that is half a character.
  }
}

function placeOf(hash) {
  let name;
  try {
    name = decodeURIComponent(hash.slice(1));
  } catch {
    return null;
  }
  const [, call, id] = /^(?:(call-\d+):)?([^]*)$/.exec(name);
  if (!id) return null;
  for (const root of document.querySelectorAll(call ? `[data-call="${call}"]` : ".call")) {
    const view = viewOf(root);
    const turn = view.call.turns.find((each) => each.id === id)
      || view.call.turns.find((each) => view.table.hasId(each, id.toLowerCase()));
    if (turn) return { view, turn };
  }
  return null;
}

function goTo(hash) {
  const found = placeOf(hash);
  if (!found) return;
  found.view.root.scrollIntoView({ block: "nearest" });
  detail.open(found.view, found.turn.number);
}

const detail = new Detail();
for (const group of document.querySelectorAll(".group")) {
  const roots = [...group.querySelectorAll(".call")];
  const view = new View(Math.max(...roots.map((root) => Number(root.dataset.seconds))));
  let looked = false;
  const show = (root) => {
    if (views.has(root)) return;
    observer.unobserve(root);
    const made = new CallView(root, view, detail);
    views.set(root, made);
    if (!looked) firstLook(view, made.call);
    looked = true;
  };
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (entry.isIntersecting) show(entry.target);
    }
  }, { rootMargin: "600px" });
  for (const root of roots) {
    builders.set(root, show);
    observer.observe(root);
  }
}
window.addEventListener("hashchange", () => goTo(location.hash));
goTo(location.hash);
document.documentElement.dataset.ready = "yes";
