"""The actions and expectations of the level ``call``: how they read."""

from __future__ import annotations

from ..._input import InputError
from ._case import Case
from ._grammar import Form, match
from ._script import FAULTS, plan

__all__ = ["ACTIONS", "EXPECT", "USUAL", "check"]

ACTIONS: dict[str, tuple[Form, ...]] = {
    "U": (
        Form(
            "ask",
            "asks <name> [<text:text>] [interrupting]",
            "`session.generate_reply()`; nobody waits for it. Interrupting: after `session.interrupt()`",
        ),
        Form("run", "runs <name> <text:text>", "`session.run()`, as tests of agents do"),
        Form("raw", "asks the model <name>", "`generate_reply()` of the realtime session itself"),
        Form(
            "say",
            "says <name> <text:text> <seconds:s>",
            "the user speaks, and the next line comes when they stop",
        ),
        Form(
            "start",
            "starts <name> <text:text> <seconds:s>",
            "the same, and the next line comes at once",
        ),
        Form("interrupt", "interrupts [<name>]", "`session.interrupt()`, or of one speech"),
        Form("cut", "interrupts and waits", "until the session says that it is over"),
        Form("stray", "interrupts the model", "as LiveKit does by itself before a tool's reply"),
        Form("instructions", "updates instructions <text:text>"),
        Form("history", "updates history <text:text>", "adds a system message"),
        Form("commit", "commits", "`commit_audio()`"),
        Form("discard", "discards", "`session.clear_user_turn()`"),
        Form("hang_up", "hangs up", "`session.aclose()`, at most 20 s"),
    ),
    "P": (
        Form("pauses", "pauses", "the sink"),
        Form("resumes", "resumes"),
        Form("swaps", "swaps", "another sink takes the place of this one"),
    ),
    "T": (
        Form("wait", "<seconds:s>", "time passes"),
        Form("at", "at <seconds:s>", "of the call, counted from its first line"),
        Form("until_heard", "until heard <seconds:s>", "of the agent's sound, in all"),
        Form("until_sent", "until sent <type:any> [<count:n>]", "by the client"),
        Form("until_received", "until received <type:any> [<count:n>]", "by the client"),
        Form("until_done", "until done <name>", "that speech"),
        Form("until_tool", "until tool <tool>", "runs"),
        Form("until_idle", "until idle", "nothing is under way"),
    ),
}

EXPECT = (
    Form(
        "speeches",
        "speeches <fates:any*>",
        "of all, in order: ok, interrupted, `never done`, or why it failed",
    ),
    Form("answered", "<name> answered", "its speech is done, uncut, without exception"),
    Form("interrupted", "<name> interrupted"),
    Form("failed", "<name> failed [<code:any>]", "its speech has that exception"),
    Form("heard", "heard <seconds:s>", "seconds of sound, in all"),
    Form("hears", "hears <seconds:s*>", "of each message of which anything was heard, in order"),
    Form("shows", "shows <texts:text*>", "in a call by text"),
    Form("repeated", "<count:n> words repeated", "heard twice"),
    Form("silence", "silence <low:s> to <high:s>", "the longest"),
    Form("remembers", "remembers <texts:text*>", "the server's assistant messages, in order"),
    Form("history", "history <texts:text*>", "LiveKit's messages of both sides, in order"),
    Form("words", "<who:user|system> said <texts:text*>", "the server's messages of that role"),
    Form("items", "<count:n> messages", "of the assistant, on the server, empty ones included"),
    Form("creates", "<count:n> creates", "`response.create` on the wire"),
    Form("collisions", "<count:n> collisions", "of them met a taken slot"),
    Form("cancels", "<count:n> cancels"),
    Form("truncates", "<count:n> truncates"),
    Form("deletes", "<count:n> deletes"),
    Form("errors", "<count:n> errors", "`error` events of the session"),
    Form(
        "told",
        "told <errors:any*>",
        "these `error` events, in order; one that is not recoverable as `FATAL code`",
    ),
    Form("refused", "refused <errors:text*>", "what the session did not take, by its exception"),
    Form(
        "results",
        "results <results:text*>",
        "of each `session.run()`: `1 messages`, or its exception",
    ),
    Form("final", "<count:n> final reports", "`error` events that are not recoverable"),
    Form("connections", "<count:n> connections"),
    Form("at_most", "at most <count:n> connections"),
    Form("between", "<low:n> to <high:n> connections", "asked for"),
    Form("ran", "tool <tool> ran <count:n>"),
    Form("outputs", "<count:n> outputs", "function call outputs that the server knows"),
    Form("lives", "session lives"),
    Form("ends", "session ends", "`close` fired"),
    Form("open", "no close", "`close` has not fired"),
    Form("no_tool", "no tool ran"),
    Form("state", "agent is <state:listening|thinking|speaking>"),
    Form("over", "no sound begins while the user speaks"),
    Form("within", "over within <seconds:s>", "from the first event until all is quiet"),
    Form(
        "usual",
        "as usual",
        "unless the line says otherwise: nothing heard, no speech, 1 create, no collision, `error`, "
        "`close` or tool, nothing heard twice or refused, and the agent listens",
    ),
    Form("whatever", "whatever <what:creates|errors|state>", "there is: other than usual"),
)

#: What `as usual` means, each with the keys of the forms that say otherwise.
USUAL: tuple[tuple[str, frozenset[str]], ...] = (
    ("hears", frozenset({"hears", "heard"})),
    ("speeches", frozenset({"speeches", "answered", "interrupted", "failed"})),
    ("1 creates", frozenset({"creates"})),
    ("0 collisions", frozenset({"collisions"})),
    ("told", frozenset({"told", "errors"})),
    ("no close", frozenset({"ends", "lives"})),
    ("no tool ran", frozenset({"ran"})),
    ("agent is listening", frozenset({"state"})),
    ("0 words repeated", frozenset({"repeated"})),
    ("refused", frozenset({"refused"})),
)


def check(case: Case) -> None:
    """Raise :class:`InputError` if a line has no form."""
    plan(case)
    for line in case.body:
        if line.actor == "C":
            what = "U, S, P, N or T at the level call; what LiveKit sends is for expect"
            raise InputError("the actor", "C", what, line=line.number)
        if line.actor not in "SN":
            match(ACTIONS[line.actor], line.words, line.number, line.actor)
        elif line.actor == "N":
            match(FAULTS, line.words, line.number, "N")
    for line in (*case.expect, *case.plain, *case.newer):
        match(EXPECT, line.words, line.number, line.actor)
