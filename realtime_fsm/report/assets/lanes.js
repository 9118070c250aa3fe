// What stands in which lane: bars {from, to, kind, what, text, tip, turn} and marks {at, ...}.

function words(message) {
  return message.words ? [`“${message.words}”`] : [];
}

function messageBar(turn, number, message, from, to, more) {
  return {
    from, to, turn: turn.number, text: `M${number + 1}`,
    ...more,
    tip: [`${turn.id}, message ${number + 1}`, ...more.tip, ...words(message)],
  };
}

function laneOfTurns(call) {
  const bars = [];
  const rows = [];
  for (const turn of call.turns) {
    const end = turn.end ?? call.end;
    // Turns may overlap: one waits while another is cancelled.
    let row = rows.findIndex((until) => until <= turn.start);
    if (row < 0) row = rows.length < 3 ? rows.length : 2;
    rows[row] = end;
    bars.push({ from: turn.start, to: end, turn: turn.number, row, whole: turn });
  }
  return { name: "Turn: its states", bars, rows: Math.max(1, rows.length), height: 34, of: "turn" };
}

function laneOfAttempts(call) {
  const bars = [], marks = [];
  for (const turn of call.turns) {
    if (turn.attempts.length < 2 && !turn.backoffs.length) continue;
    for (const [t, number] of turn.attempts) {
      marks.push({
        at: t, kind: "attempt", text: String(number), turn: turn.number,
        tip: [`${turn.id}: attempt ${number}`],
      });
    }
    for (const [from, to, why] of turn.backoffs) {
      bars.push({
        from, to, kind: "recovery", what: "hatched", turn: turn.number, text: why,
        tip: [`${turn.id}: waits ${seconds(to - from)} to ask again`, why],
      });
    }
  }
  bars.sort((a, b) => a.from - b.from);
  marks.sort((a, b) => a.at - b.at);
  return { name: "Attempts, backoffs", bars, marks };
}

function lanesOfMessages(call) {
  const received = [], heard = [], remembered = [];
  for (const turn of call.turns) {
    let until = turn.start;
    turn.messages.forEach((message, number) => {
      if (message.received) {
        received.push(messageBar(turn, number, message, ...message.received, {
          kind: "normal", what: "light",
          tip: [`${ms(message.ms)} of audio received in ${seconds(message.received[1] - message.received[0])}`],
        }));
      }
      message.heard.forEach(([from, to]) => {
        heard.push(messageBar(turn, number, message, from, to, {
          kind: "normal", what: "full", cut: message.cut,
          text: message.words ? `M${number + 1} ${message.words}` : `M${number + 1}`,
          tip: [`${ms(message.heardMs)} of ${ms(message.ms)} heard${message.cut ? ", then cut off" : ""}`],
        }));
      });
      // One that was not heard stands behind what is remembered before it.
      const start = message.heard.length ? message.heard[0][0] : message.received ? Math.max(until, message.received[0]) : null;
      if (start === null || (!message.keptMs && !message.heardMs && message.right !== false)) return;
      const wrong = message.right === false;
      until = start + message.keptMs / 1000;
      remembered.push(messageBar(turn, number, message, start, start + message.keptMs / 1000, {
        kind: wrong ? "failure" : "normal", what: wrong ? "hatched" : "light",
        text: `${wrong ? "≠ " : ""}M${number + 1}`,
        tip: [
          `${ms(message.keptMs)} remembered (${message.how}), ${ms(message.heardMs)} heard`,
          ...(wrong ? ["not what was heard"] : []),
        ],
      }));
    });
  }
  const sorted = (bars) => bars.sort((a, b) => a.from - b.from);
  return [
    { name: "Audio received", bars: sorted(received), of: "server" },
    { name: "Audio heard", bars: sorted(heard), of: "playback" },
    { name: "Remembered", bars: sorted(remembered), of: "server" },
  ];
}

function laneOfGeneration(call) {
  const looks = names({
    completed: ["normal", "full"], incomplete: ["recovery", "light"], cancelled: ["cancel", "dotted"],
    failed: ["failure", "hatched"], lost: ["failure", "outline"],
  });
  const bars = [];
  for (const turn of call.turns) {
    for (const [from, to, status, id] of turn.generation) {
      const [kind, what] = looks[status] || ["normal", "outline"];
      bars.push({
        from, to, kind, what, turn: turn.number, text: status === "completed" ? "" : status || "open",
        tip: [`${turn.id}: ${id}`, `${status || "no end"} after ${seconds(to - from)}`],
      });
    }
  }
  return { name: "Server generates", bars: bars.sort((a, b) => a.from - b.from), of: "server" };
}

function lanesOf(call) {
  const marks = (kinds) => call.marks
    .filter(([, kind]) => kinds.includes(kind))
    .map(([at, kind, text, turn, line]) => ({ at, kind, turn, tip: [text, `line ${line}`] }));
  const user = call.user.map(([from, to]) => ({
    from, to, kind: "user", what: "full", text: "", turn: null,
    tip: [`the user speaks for ${seconds(to - from)}`],
  }));
  const connections = call.connections.map(([from, to, number]) => ({
    from, to, kind: "muted", what: "outline", text: `connection ${number}`, turn: null,
    tip: [`connection ${number}`],
  }));
  return [
    { name: "User speaks", bars: user, marks: marks(["asked"]), of: "user" },
    laneOfTurns(call),
    laneOfAttempts(call),
    laneOfGeneration(call),
    ...lanesOfMessages(call),
    { name: "Cancels, cuts, deletions", bars: [], marks: marks(["cancel", "truncate", "delete"]) },
    { name: "Errors, breaches", bars: [], marks: marks(["error", "stale", "lost", "broken"]) },
    { name: "Connection", bars: connections, height: 24 },
  ];
}

// A lane without bars is empty for one of two reasons.
function absence(lane, call) {
  if (lane.bars.length || (lane.marks && lane.marks.length)) return "";
  const missing = { user: ["user", "server"], turn: ["turn", "server", "client"], playback: ["playback"], server: ["server"] };
  const needs = missing[lane.of];
  return needs && !needs.some((by) => call.has.includes(by)) ? "not in this trace" : "none";
}
