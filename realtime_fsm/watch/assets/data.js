// What the hub tells of one call, put together as a report has it.

class LiveData {
  constructor(speed) {
    this.speed = speed || 1;
    this.over = false;
    this.reset();
  }

  reset() {
    this.version = 0;
    this.lines = 0;
    this.call = {
      mode: "", timed: true, words: false, begin: 0, end: 0, about: [], has: [],
      turns: [], user: [], connections: [], marks: [], machines: [],
    };
    this.headed = false;
    this.sounding = null;
    this.missing = [];
    this.zero = null;
    this.known = null;
  }

  // One of the hub's messages, which holds what is new since the one before.
  take(news) {
    if (news.from <= 1) this.reset();
    const { call } = this;
    if (news.head) {
      Object.assign(call, news.head);
      this.headed = true;
    }
    for (const name of ["turns", "user", "connections", "marks", "machines"]) {
      for (const [number, value] of news[name] || []) call[name][number] = value;
    }
    for (const [number] of news.turns || []) call.turns[number].number = number;
    if (news.has) call.has = news.has;
    call.end = news.end;
    this.version = news.version;
    this.lines = news.lines;
    this.sounding = news.sounding;
    this.missing = news.missing;
    this.known = null;
    // The hub hears of a moment late, now more and now less: the least delay is right.
    const zero = performance.now() / 1000 - news.end / this.speed;
    this.zero = this.zero === null || zero < this.zero || zero > this.zero + 5 ? zero : this.zero;
  }

  // How far the call is, in its own seconds.
  now() {
    if (this.over || this.zero === null) return this.call.end;
    return Math.max(this.call.end, (performance.now() / 1000 - this.zero) * this.speed);
  }

  // The call with everything that goes on ended at a time. Of a long call only what ends after *from*.
  drawn(t, from) {
    const { call } = this;
    const ended = (span) => (span[1] === null ? [span[0], Math.max(span[0], t), ...span.slice(2)] : span);
    const start = from === null ? 0 : first(call.turns, (turn) => (turn.end ?? t) >= from);
    const turns = call.turns.slice(start).map((turn) => {
      const sounds = this.soundingIn(turn);
      if (!sounds && !turn.generation.some((span) => span[1] === null)) return turn;
      const messages = turn.messages.map((message, n) => (n === sounds - 1
        ? { ...message, heard: [...message.heard, [this.sounding[0], Math.max(t, this.sounding[0])]] } : message));
      return { ...turn, generation: turn.generation.map(ended), messages };
    });
    return { ...call, end: Math.max(t, call.end), turns, user: call.user.map(ended), connections: call.connections.map(ended) };
  }

  // Which message of a turn sounds now, from 1; 0: none.
  soundingIn(turn) {
    if (!this.sounding) return 0;
    const item = this.sounding[1];
    if (item !== null) return turn.messages.findIndex((message) => message.id === item) + 1;
    if (turn.number !== this.call.turns.length - 1) return 0;
    const next = turn.messages.findIndex((message) => !message.heard.length);
    return next >= 0 ? next + 1 : turn.messages.length;
  }

  turnAt(t) {
    const { turns } = this.call;
    for (let n = turns.length - 1; n >= 0; n -= 1) {
      if (turns[n].start <= t) return turns[n];
    }
    return null;
  }

  // Everything that can be stepped to, in order: when, and what.
  steps() {
    if (this.known) return this.known;
    const { call } = this;
    const found = [];
    for (const turn of call.turns) {
      for (const [t, source, event, dest] of turn.moves) found.push([t, `${turn.id}: ${named(event)}, ${arrow(source, dest)}`]);
      if (!turn.moves.length) {
        for (const [t, , label] of turn.states) found.push([t, `${turn.id}: ${label}`]);
      }
      turn.messages.forEach((message, n) => {
        for (const [from, to] of message.heard) {
          found.push([from, `${turn.id}: message ${n + 1} is heard`], [to, `${turn.id}: message ${n + 1} is heard no more`]);
        }
      });
    }
    for (const [t, machine, , , source, event, dest] of call.machines) {
      if (source) found.push([t, `${machine}: ${named(event)}, ${arrow(source, dest)}`]);
    }
    for (const [t, , text] of call.marks) found.push([t, text]);
    found.sort((a, b) => a[0] - b[0]);
    this.known = found;
    return found;
  }
}

function named(event) {
  return event.toLowerCase().replaceAll("_", " ");
}

function arrow(source, dest) {
  return source === dest ? `stays ${named(dest)}` : `${named(source)} → ${named(dest)}`;
}
