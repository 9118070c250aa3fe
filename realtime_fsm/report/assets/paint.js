// How things are painted: colours from the style sheet, patterns that say the same without colour.

const KINDS = ["normal", "recovery", "cancel", "failure"];

class Paint {
  constructor(element) {
    const style = getComputedStyle(element);
    const get = (name) => style.getPropertyValue(`--${name}`).trim();
    this.page = get("page");
    this.card = get("card");
    this.rule = get("rule");
    this.ink = get("ink");
    this.muted = get("muted");
    this.user = get("user");
    for (const kind of KINDS) {
      this[kind] = get(kind);
      this[`${kind}Fill`] = get(`${kind}-fill`);
    }
    this.font = style.fontFamily;
    this.patterns = new Map();
  }

  pattern(context, kind, what) {
    const key = `${kind} ${what}`;
    if (!this.patterns.has(key)) {
      const tile = document.createElement("canvas");
      tile.width = tile.height = 8;
      const ink = tile.getContext("2d");
      ink.fillStyle = this[`${kind}Fill`];
      ink.fillRect(0, 0, 8, 8);
      ink.strokeStyle = ink.fillStyle = this[kind];
      if (what === "hatched") {
        ink.lineWidth = 2;
        ink.beginPath();
        for (const x of [-8, 0, 8]) {
          ink.moveTo(x, 8);
          ink.lineTo(x + 8, 0);
        }
        ink.stroke();
      } else {
        for (const [x, y] of [[1, 1], [5, 5]]) ink.fillRect(x, y, 2, 2);
      }
      this.patterns.set(key, context.createPattern(tile, "repeat"));
    }
    return this.patterns.get(key);
  }

  // full, light, outline, hatched, dotted
  fill(context, kind, what) {
    if (what === "full") return this[kind];
    if (what === "outline") return this.page;
    if (what === "light") return this[`${kind}Fill`];
    return this.pattern(context, kind, what);
  }

  bar(context, x, y, width, height, kind, what) {
    const w = Math.max(width, 1.5);
    context.beginPath();
    if (w < 5) context.rect(x, y, w, height);
    else context.roundRect(x + 0.5, y + 0.5, w - 1, height - 1, Math.min(4, w / 3));
    context.fillStyle = w < 5 ? this[kind] : this.fill(context, kind, what);
    context.fill();
    if (w < 5) return;
    context.strokeStyle = this[kind];
    context.lineWidth = 1.2;
    context.stroke();
  }

  // Words within a bar, if there is room for them.
  label(context, text, x, y, width, { on = "ink", size = 11, weight = 600, align = "left" } = {}) {
    if (width < 12 || !text) return;
    context.font = `${weight} ${size}px ${this.font}`;
    context.fillStyle = this[on] || on;
    context.textAlign = align;
    context.textBaseline = "middle";
    const room = width - 6;
    let shown = text.length > 120 ? text.slice(0, 120) : text;
    if (context.measureText(shown).width > room) {
      let low = 0, high = shown.length;
      while (low < high) {
        const middle = (low + high + 1) >> 1;
        if (context.measureText(`${shown.slice(0, middle)}…`).width <= room) low = middle;
        else high = middle - 1;
      }
      if (low < 2) return;
      shown = `${shown.slice(0, low)}…`;
    }
    context.fillText(shown, align === "center" ? x + width / 2 : x + 4, y);
  }

  // A mark has a shape of its own: they are told apart without their colour.
  mark(context, kind, x, y) {
    const colour = { cancel: "cancel", truncate: "cancel", delete: "cancel", broken: "failure", stale: "muted", asked: "user" }[kind] || "failure";
    context.fillStyle = context.strokeStyle = this[colour];
    context.lineWidth = 2;
    context.beginPath();
    if (kind === "cancel") {
      context.fillRect(x - 4.5, y - 4.5, 9, 9);
    } else if (kind === "truncate") {
      context.moveTo(x, y - 7);
      context.lineTo(x, y + 7);
      context.moveTo(x - 5, y - 4);
      context.lineTo(x + 5, y + 4);
      context.stroke();
    } else if (kind === "delete") {
      context.arc(x, y, 5, 0, 7);
      context.moveTo(x - 3.5, y + 3.5);
      context.lineTo(x + 3.5, y - 3.5);
      context.stroke();
    } else if (kind === "asked") {
      context.moveTo(x - 4, y - 7);
      context.lineTo(x + 5, y);
      context.lineTo(x - 4, y + 7);
      context.closePath();
      context.fill();
    } else if (kind === "stale") {
      context.arc(x, y, 4.5, 0, 7);
      context.stroke();
    } else if (kind === "lost") {
      context.moveTo(x - 6, y);
      context.lineTo(x - 2, y);
      context.moveTo(x + 2, y);
      context.lineTo(x + 6, y);
      context.moveTo(x - 2, y - 5);
      context.lineTo(x - 2, y + 5);
      context.moveTo(x + 2, y - 5);
      context.lineTo(x + 2, y + 5);
      context.stroke();
    } else if (kind === "broken") {
      context.moveTo(x, y - 7);
      context.lineTo(x + 7, y + 5);
      context.lineTo(x - 7, y + 5);
      context.closePath();
      context.fill();
      context.fillStyle = this.page;
      context.fillRect(x - 0.9, y - 3, 1.8, 4.4);
      context.fillRect(x - 0.9, y + 2.3, 1.8, 1.8);
    } else {
      context.moveTo(x - 4.5, y - 4.5);
      context.lineTo(x + 4.5, y + 4.5);
      context.moveTo(x + 4.5, y - 4.5);
      context.lineTo(x - 4.5, y + 4.5);
      context.stroke();
    }
  }
}
