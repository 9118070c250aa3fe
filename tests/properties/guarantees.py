"""G1 to G32 in one place: what each says, and what the random histories check of it.

The checks are in `watch.py`. `python -m tests.properties.page` prints ``docs/guarantees.md``.
"""

from __future__ import annotations

from typing import NamedTuple


class Guarantee(NamedTuple):
    """One line of the contract.

    Attributes:
        statement: In full.
        why: What happens to a call without it.
        watched: What holds in every random history, in words; empty where the controller alone
            cannot show it.
        judged: Where it is judged otherwise, in words.
    """

    id: str
    name: str
    statement: str
    why: str
    watched: str
    judged: str = ""


GUARANTEES = (
    Guarantee(
        "G1",
        "single flight",
        "At most one response is requested-or-alive at a time, whoever started it. We never send a `response.create` against evidence already received that the lane is taken.",
        "A second `response.create` is refused while a response is alive, and LiveKit drops the turn that sent it.",
        "no create leaves while a create or a response may be alive, by what was delivered before",
    ),
    Guarantee(
        "G2",
        "create settles",
        "Each `response.create` settles exactly once: created, rejected, timed out or connection lost.",
        "A request that settles twice speaks twice, or settles somebody else's; one that never settles holds every reply behind it.",
        "attempts are numbered without a gap, and none is asked for twice",
    ),
    Guarantee(
        "G3",
        "id-scoped",
        "A server event changes only the record that owns its response_id / item_id / error.event_id. A stale id is a no-op. Arrival order is not identity.",
        "Events of a response that is over arrive when the next one runs. Taken for its own they end, or cut, the wrong turn.",
        "late and doubled events of a response that ended change nothing; nothing of one is handed out",
    ),
    Guarantee(
        "G4",
        "orphan",
        "While its turn lives, a late `response.created` of any of its attempts is adopted, unless a newer one was acknowledged. A create whose turn ended stays tracked: when it appears it is cancelled by id, its events are swallowed, and the lane stays closed until its own terminal.",
        "A request that was given up may be accepted all the same: then a voice speaks that nobody waits for, in a slot that seems free.",
        "nothing of a cancelled turn is handed out, whenever its response shows itself",
    ),
    Guarantee(
        "G5",
        "cancel barrier",
        "Between `response.cancel` and that response's terminal no `response.create` leaves.",
        "The server ends a cancelled response a moment later. A create in that moment is refused, and the new question lost.",
        "no create leaves between a cancel and the end of its response, or of the time it may take",
    ),
    Guarantee(
        "G6",
        "benign cancel",
        'A cancel names its response (the probe excepted), is sent at most once for it, and "nothing to cancel" harms neither turn, session nor a newer response.',
        "A cancel without an id hits whatever is active when it arrives, which may be the next response; and one that came too late is no error.",
        "one cancel for a response, none for one that ended; a probe only where it can hit no response",
    ),
    Guarantee(
        "G7",
        "one terminal",
        "Each turn reaches exactly one of done / failed, and by that edge every stream, future, timer and waiter of it is closed.",
        "A turn that never ends blocks all that come after it: the agent is mute until somebody hangs up.",
        "one end for each turn, its streams end before it, nothing comes after it, no timer is left",
    ),
    Guarantee(
        "G8",
        "status-aware",
        "completed, incomplete, cancelled, failed are four outcomes; failed is visible: `turn.error`, one error event, `SpeechHandle.exception()` where a handle exists. A failure after a tool was handed out is not the handle's failure when the tool's reply will speak.",
        "The plugin closes the streams of a failed response as those of a complete one: the caller hears nothing, and nobody is told.",
        "a turn that fails or is cut short was reported; one whose failure was reported does not complete",
    ),
    Guarantee(
        "G9",
        "retry-safe",
        'A retry happens only while nothing of the attempt is exposed, unless `after_exposure="regenerate"`; it is bounded in number and in total time, backs off, keeps the turn\'s identity, waits for the lane, and never hands out a tool call twice.',
        "What was heard cannot be taken back: to repeat it says words twice, or books twice. Tries without an end are silence without an end.",
        "retries within number, backoff and deadline, and none after something was handed out unless the policy says so",
    ),
    Guarantee(
        "G10",
        "fatal stops",
        "A permanent error ends retry at once, with one report. It ends the session only where plain LiveKit's ends too; any other permanent-looking error fails its turn alone.",
        "A wrong key or an empty account does not get better by asking again; each try is silence, and hides the cause.",
        "no create, no retry and no new connection after a fatal error",
    ),
    Guarantee(
        "G11",
        "budget by progress",
        'Retry and reconnect budgets are reset by useful progress (a completed response, or 60 s of a healthy connection), never by "the socket opened". Connections without progress are made at a walk; what is asked on them is given up.',
        "A connection that opens and dies at once would reset its own budget, and be made again for ever.",
        "connections in a row without progress are not made at once",
    ),
    Guarantee(
        "G12",
        "one root, one report",
        "One root cause gives one terminal report, however many frames, closes and timeouts it causes.",
        "A broken socket shows as an error, a close and several timeouts. Counted one by one they end a session that could live.",
        "one report for a turn, one for the session",
    ),
    Guarantee(
        "G13",
        "message order",
        "Messages 1..N of a response play one after another, each with its own accounting; none dropped, none overlapping.",
        "An answer may have several messages. Played at once, or only the last of them, it is half an answer.",
        "messages are handed out once, in the order of their first output",
    ),
    Guarantee(
        "G14",
        "playback pairing",
        "Each message that was pulled gets exactly one outcome (full, partial, skipped); LiveKit's reports carry no id, so pairing is by serial order and pull/flush boundary; a missing report is bounded by a watchdog; surplus and stale reports are ignored.",
        "A report that is taken for another message's cuts the wrong one, or is waited for and never comes.",
        "each message that was handed out has one outcome when its turn has ended, whatever the sink reports",
    ),
    Guarantee(
        "G15",
        "truncate bounds",
        "`audio_end_ms` is an integer, per item, from audio heard in that item: 0 < x ≤ received. Heard 0 → delete. Fully heard → nothing. At most one per item.",
        "The server refuses a position outside of the audio, and goes on remembering what nobody heard.",
        "milliseconds heard are an integer, from 0 to what was received, also for NaN and beyond the end",
    ),
    Guarantee(
        "G16",
        "heard = history",
        "After each turn local history = server history = what was heard, for messages never started too.",
        'A model that remembers what nobody heard refers to it ("as I said"), and does not say it again.',
        "what was never heard is deleted once, what was heard never",
    ),
    Guarantee(
        "G17",
        "tool once",
        "Each function call received is handed downstream exactly once; nothing we send makes a server wait for, or repeat, a call; the follow-up create waits for the calling response's terminal.",
        "A tool that runs twice books twice; a call that is lost leaves the model waiting for its output.",
        "each call is handed out once",
    ),
    Guarantee(
        "G18",
        "turn not lost",
        "Each committed turn is answered or ends in an explicit, reasoned failure. If the server's own VAD create loses a race against ours, we issue the answer it owed.",
        "A question that nobody answers is what a caller notices: they speak into silence.",
        "when nothing happens any more but time, each turn has ended, and each committed one has a turn",
    ),
    Guarantee(
        "G19",
        "epoch",
        "Commands, timers, futures and events carry a connection epoch; nothing crosses a reconnect; what a reconnect or planned rollover discards is re-issued.",
        "A timer or an id of a dead connection would fail, or answer, a turn of the living one; what was asked on the dead one would be forgotten.",
        "no create and no cancel without a connection, and none for what ran on an older one",
    ),
    Guarantee(
        "G20",
        "conflict = resync",
        '"already active", "not active", "buffer empty" mean our picture is stale: resynchronise, keep the request, never end the session. A conflict with a null event_id settles nothing; wait for metadata or a terminal.',
        "Such an error is a race that was lost, not a broken call: to end the session over it makes a hang-up of a moment.",
        "a conflict never ends the session",
    ),
    Guarantee(
        "G21",
        "scoped interrupt",
        "An interrupt acts only on the turn that caused it, where the host tells which (the interrupted handle); the interrupts LiveKit issues on its own before a tool reply or handoff do not kill a recovery in progress.",
        "LiveKit interrupts by itself before a tool's reply and at a handoff. Taken for the user's wish, that drops the answer which is being recovered.",
        "an interrupt marks its own turn and no other",
    ),
    Guarantee(
        "G22",
        "derived state",
        "What we show (idle, requested, thinking, speaking, recovering) is computed from the turn table, so it cannot stick.",
        'A state that is set by events sticks when one of them is lost: an agent that is "speaking" for the rest of the call.',
        "the activity is idle exactly when no turn is alive that is not being cancelled",
    ),
    Guarantee(
        "G23",
        "atomic interrupt",
        "An interrupt is applied wholly or not at all; on a finished or protected turn it is a no-op, not an exception half way.",
        "An interrupt that raises half way leaves a model that talks on and a session that believes it stopped.",
        "an interrupt is applied, and on a turn that ended it changes nothing",
    ),
    Guarantee(
        "G24",
        "owner of turns",
        "Exactly one party (server VAD or client) starts responses, and the controller knows which: from `speech_started` until the VAD response's `created`, or bounded evidence that none comes, the lane counts as taken.",
        "Where both sides begin responses, a question is answered twice, or the two collide and it is not answered at all.",
        "no create from speech_started until server VAD's response, or until it cannot be expected any more",
    ),
    Guarantee(
        "G25",
        "total parser",
        "No server frame, however malformed, raises out of the controller or the adapter. It is counted, logged, and ignored or turned into a failed turn; an inner session that dies of it is replaced.",
        "One frame that cannot be read would end the receiving loop, and with it the call.",
        "malformed frames change nothing; no event reaches a turn in a state without a rule for it",
    ),
    Guarantee(
        "G26",
        "turn failure ≠ session failure",
        'Failed turns never end the session by default. With `on_exhausted="pipeline"` it ends at the failure after `max_unrecoverable_errors` in a row, reset when the agent speaks; with `"escalate"` the first is reported non-recoverable, which is what a fallback adapter around us needs. Errors that end plain LiveKit too always end it.',
        "After one lost answer the caller can ask again; after a hang-up they cannot. Where something else is to take over, the policy says so.",
        "the session ends by a fatal error only, or by spent connections where failures escalate",
    ),
    Guarantee(
        "G27",
        "never worse",
        "The same call, with the same replies and faults by question and attempt, is not worse than on plain LiveKit: no session lost, no question unheard, no words, tool or deed twice, no memory further from what was heard, no first sound more than 0.2 s later without one of three reasons.",
        "Whoever adds this to a call that works must not make it worse.",
        "",
        "each scenario, each call of the corpus, known calls by kind and random calls are lived twice and compared (`tests/compare`, `realtime-fsm simulate --compare`)",
    ),
    Guarantee(
        "G28",
        "actions count",
        "Every output item that acts or may act counts as handed out: function calls, what the server runs itself, and any kind that nobody knows but reasoning. Its response is never repeated; its progress is activity.",
        "To ask again makes the server book, pay or send a second time.",
        "",
        "the explorer lets the server act by itself in any response; kind C of the compared calls",
    ),
    Guarantee(
        "G29",
        "ready first",
        "What is ready to be heard does not wait behind what only waits for the lane, its creation or a retry. Order heard = order shown = order remembered.",
        "The host speaks in the order of its queue, and the head of that may wait for seconds while an answer is ready.",
        "",
        "calls in virtual time with the real queue; the clause of order in the compared calls",
    ),
    Guarantee(
        "G30",
        "nothing mutes",
        "A report that never comes, a pause, a replaced or dead sink delays later speeches by at most what is left to play and `playback_grace`, and never silences them.",
        "A host that waits for a report that a sink lost is mute until somebody hangs up.",
        "",
        "calls in virtual time with every kind of sink that does not report",
    ),
    Guarantee(
        "G31",
        "alive wire",
        "A connection that is dead, half-open or takes no more writes is noticed within 15 s of the last frame, also when nothing is asked of it, and replaced.",
        "A dead line shows nothing: the caller speaks into it for minutes.",
        "",
        "calls in virtual time and on sockets; kind D of the compared calls",
    ),
    Guarantee(
        "G32",
        "steps aside",
        "An internal error or a broken assertion of ours turns that session into plain LiveKit in mid-call, with one report; it never ends a call.",
        "A fault of ours must cost what we add, not the call.",
        "",
        "exceptions planted in every function of ours (`make inject`), a sample by default",
    ),
)
