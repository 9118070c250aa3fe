// Puts the page together. A call is built when it comes into view.

class CallView {
  constructor(root, view, detail) {
    this.root = root;
    this.call = data(document.getElementById(root.dataset.call));
    this.call.turns.forEach((turn, number) => { turn.number = number; });
    const open = (number, back) => detail.open(this, number, back);
    this.timeline = new Timeline(root.querySelector(".timeline"), this.call, view, open);
    this.table = new TurnTable(root.querySelector(".table"), this.call, open, root.dataset.name);
    for (const link of root.querySelectorAll("button[data-turn]")) {
      link.addEventListener("click", () => open(Number(link.dataset.turn), link));
    }
  }

  select(number) {
    this.timeline.select(number);
    this.table.select(number);
  }

  events(number) {
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

const detail = new Detail();
for (const group of document.querySelectorAll(".group")) {
  const roots = [...group.querySelectorAll(".call")];
  const view = new View(Math.max(...roots.map((root) => Number(root.dataset.seconds))));
  let looked = false;
  const observer = new IntersectionObserver((entries) => {
    for (const entry of entries) {
      if (!entry.isIntersecting) continue;
      observer.unobserve(entry.target);
      const made = new CallView(entry.target, view, detail);
      if (!looked) firstLook(view, made.call);
      looked = true;
    }
  }, { rootMargin: "600px" });
  for (const root of roots) observer.observe(root);
}
document.documentElement.dataset.ready = "yes";
