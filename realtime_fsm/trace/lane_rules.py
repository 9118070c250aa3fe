"""Rules of the lane: creates, cancels and what the server says to them."""

from __future__ import annotations

from typing import ClassVar

from .facts import Closed, ErrorTold, Fact, Look, SpeechDone, TurnOver, Waiting
from .format import Line
from .kept import Kept
from .rule import GONE, Rule, on
from .wire import (
    ACTIVE,
    ASKS_WHETHER_OVER,
    CONFLICTS,
    NOT_ACTIVE,
    Create,
    Response,
    body_of,
    text_of,
)

__all__ = [
    "BenignCancel", "CancelBarrier", "ConflictResync", "CreateSettles", "Orphan", "OwnerOfTurns",
    "SingleFlight",
]  # fmt: skip

_WAITED = 0.5  # seconds
#: Seconds: the other response is waited for, cancelled, and waited for again, 20 in all.
_ASKED_AGAIN = 20.5


class SingleFlight(Rule):
    """G1: no create leaves against evidence, received before, that the lane is taken.

    Evidence is a create that nothing has answered, and a response that was created and is not over.
    """

    id, name = "G1", "single flight"

    @on("client response.create")
    def _created(self, each: Line) -> None:
        if Create(each).outside:
            return
        for create in self.wire.asked(each.connection) if self.story.timed else ():
            if self._known(create.sent, each) and each.t - create.sent.t < self.settings.patience:
                text = f"a create left while the one of {create.sent.t:.3f} s was unanswered"
                self.broken(text, [create.sent, each])
        for response in self.wire.alive(each.connection):
            told = response.created
            asked = response.cancels[0].t if response.cancels else each.t
            if (
                told is not None
                and self._known(told, each)
                and self.story.recent(asked, self.settings.patience)
            ):
                text = f"a create left while {response.id} was alive"
                self.broken(text, [told, *response.cancels, each])

    def _known(self, earlier: Line, each: Line) -> bool:
        """What arrives in the same instant may not have been read, and is not held against it."""
        return not self.story.timed or each.t - earlier.t > self.settings.unread


class CreateSettles(Rule):
    """G2: each create has an id of its own, and is settled once: by one response, or a refusal."""

    id, name = "G2", "create settles"

    def begin(self) -> None:
        self._names: Kept[str, Line] = Kept()

    @on("client response.create")
    def _create(self, each: Line) -> None:
        name = text_of(each.event.get("event_id"))
        if name is None:
            return
        if name in self._names:
            self.broken("two creates have the same id", [self._names[name], each])
        self._names[name] = each

    @on("server response.created")
    def _created(self, each: Line) -> None:
        body = each.body("response")
        metadata = body_of(body.get("metadata"))
        if not metadata or str(body.get("id")) in self.wire.responses:
            return
        # An application may say the same of several.
        same = [c for c in self.wire.creates if c.metadata == metadata]
        same = [c for c in same if c.sent.connection == each.connection]
        settled = [a for create in same for a in create.answers if _settles(a, create)]
        if same and len(settled) >= len(same):
            self.broken("a create was settled twice", [same[-1].sent, *settled, each])

    @on("server error")
    def _error(self, each: Line) -> None:
        error = each.body("error")
        name = None if error.get("code") in (NOT_ACTIVE, ACTIVE) else error.get("event_id")
        for create in self.wire.creates:
            if name is not None and create.event_id == name and create.response is not None:
                created = create.response.created
                self.broken("a create was settled twice", [create.sent, created, each])

    def rest(self, look: Look) -> None:
        """In a call in which no speech is under way, what has no answer was given up."""
        for create in self.wire.creates if look.speeches != () else ():
            if not create.answers and self.story.recent(create.sent.t, self.settings.patience):
                self.broken("a create never settled", [create.sent])


def _settles(answer: Line, create: Create) -> bool:
    """Whether it names the create. "Nothing to cancel", in answer to a probe, only suggests that
    the create came to nothing, and a conflict of one that lives that its frame arrived twice."""
    if answer.type == "error":
        error = answer.body("error")
        return error.get("event_id") == create.event_id and error.get("code") != ACTIVE
    return answer.type == "response.created"


class Orphan(Rule):
    """G4: a create that was given up before its ``response.created`` is cancelled by its id when it
    comes to life after all.

    Given up is a create after which another one left, or a bare cancel, before it had any answer.
    """

    id, name = "G4", "orphan"

    def begin(self) -> None:
        self._given_up: Kept[int, tuple[Create, Line]] = Kept()
        self._late: Kept[str, tuple[Create, Line, Line]] = Kept()

    @on("client response.create", "client response.cancel")
    def _gave_up(self, each: Line) -> None:
        if each.event.get("response_id") is not None or Create(each).outside:
            return
        for create in self.wire.asked(each.connection):
            if create.metadata and each.t > create.sent.t:
                self._given_up.setdefault(id(create), (create, each))

    @on("server response.created")
    def _created(self, each: Line) -> None:
        body = each.body("response")
        metadata = body_of(body.get("metadata"))
        for create, by in list(self._given_up.values()):
            if create.sent.connection != each.connection:
                del self._given_up[id(create)]
            elif metadata and create.metadata == metadata:
                del self._given_up[id(create)]
                self._late[str(body.get("id"))] = (create, by, each)

    @on("server response.done")
    def _done(self, each: Line) -> None:
        response_id = str(each.body("response").get("id"))
        if response_id not in self._late:
            return
        create, by, created = self._late.pop(response_id)
        response = self.wire.responses.get(response_id)
        named = [] if response is None else response.cancels
        stopped = each.body("response").get("status") == "cancelled"
        if not named and not stopped and each.t - created.t > self.settings.unread:
            text = (
                f"{response_id} came to life after its create was given up, and was not cancelled"
            )
            self.broken(text, [create.sent, by, created, each])


class CancelBarrier(Rule):
    """G5: between a cancel and the end of its response no create leaves. A cancel without an answer
    is believed in for ``patience``."""

    id, name = "G5", "cancel barrier"

    @on("client response.create")
    def _create(self, each: Line) -> None:
        if Create(each).outside:
            return
        for response in self.wire.alive(each.connection):
            if response.cancels and self.story.recent(
                response.cancels[0].t, self.settings.patience
            ):
                text = f"a create left between the cancel of {response.id} and its end"
                self.broken(text, [response.cancels[0], each])


class BenignCancel(Rule):
    """G6: a cancel names its response, and is sent once for it; "nothing to cancel" is no error of
    the session. A bare cancel may only ask what became of a create without an answer. A second one
    that says so may ask whether the response is over, once, if that takes longer than it did before on
    the connection."""

    id, name = "G6", "benign cancel"

    def begin(self) -> None:
        self._refused: Line | None = None

    @on("client response.cancel")
    def _cancel(self, each: Line) -> None:
        named = text_of(each.event.get("response_id"))
        alive = self.wire.alive(each.connection)
        if named is None and (alive or not self._unsettled(each.connection)):
            what = f"while {alive[0].id} was alive" if alive else "with nothing to cancel"
            self.broken(f"a cancel that names no response, {what}", [each])
        known = None if named is None else self.wire.responses.get(named)
        if known is None or not (before := known.cancels):
            return
        asks = str(each.event.get("event_id")).startswith(ASKS_WHETHER_OVER)
        waited = each.t - before[0].t
        unread = known.done is not None and each.t - known.done.t <= self.settings.unread
        over = known.over and not unread
        if not asks or len(before) > 1 or over or waited <= self._slowest(known, each.connection):
            self.broken(f"{named} was cancelled again", [*before, each])

    def _slowest(self, asked: Response, connection: int) -> float:
        """The longest time in which another response ended that was cancelled; less than none if none
        did."""
        return max(
            (
                r.done.t - r.cancels[0].t
                for r in self.wire.responses.values()
                if r is not asked and r.cancels and r.status == "cancelled" and r.done is not None
                if r.created is not None and r.created.connection == connection
            ),
            default=-1.0,
        )

    def _unsettled(self, connection: int) -> bool:
        mine = (c for c in self.wire.creates if c.sent.connection == connection)
        return any(not create.settled and not create.outside for create in mine)

    @on("server error")
    def _server_error(self, each: Line) -> None:
        if each.body("error").get("code") == NOT_ACTIVE:
            self._refused = each

    @on(ErrorTold)
    def _error(self, each: ErrorTold) -> None:
        if each.code == NOT_ACTIVE:
            self.broken('"nothing to cancel" became an error event', [self._refused, each])


class ConflictResync(Rule):
    """G20: a conflict does not end the session, and what was refused for another active response is
    retried after that one, unless the user went on."""

    id, name = "G20", "conflict = resync"

    def begin(self) -> None:
        self._conflict: Line | None = None
        #: A create that was refused, and not retried.
        self._owed: tuple[Create, Line] | None = None
        self._recovers: Waiting | None = None

    @on(
        *GONE,
        "server session.created",
        "server input_audio_buffer.speech_started",
        "client response.create",
    )
    def _drop(self, each: Line) -> None:
        self._owed = None

    @on(SpeechDone)
    def _speech_done(self, each: SpeechDone) -> None:
        if each.interrupted or each.exception is not None:
            self._given_up(each, at_once=not each.interrupted)

    @on(TurnOver)
    def _ended(self, each: TurnOver) -> None:
        self._given_up(each, at_once=each.outcome == "failed")

    @on(Waiting)
    def _waits(self, each: Waiting) -> None:
        self._recovers = each

    def _given_up(self, each: Fact, *, at_once: bool) -> None:
        """A failure is no answer to a conflict, unless the other response was waited for, or it is
        one too many."""
        waited = self._recovers is not None and self.story.recent(
            self._recovers.t, self.settings.answer
        )
        if self._owed is not None and not (
            at_once and not waited and each.t - self._owed[1].t < _WAITED
        ):
            self._owed = None

    @on("server error")
    def _refused(self, each: Line) -> None:
        error = each.body("error")
        code, name = error.get("code"), error.get("event_id")
        if text_of(code) not in CONFLICTS:
            return
        self._conflict = each
        if code != ACTIVE or name is None:
            return
        refused = [c for c in self.wire.creates if c.event_id == name]
        if refused:
            self._owed = owed = (refused[-1], each)
            self.story.later(each.t + _ASKED_AGAIN, lambda: self._look(owed))

    def _look(self, owed: tuple[Create, Line]) -> None:
        if self._owed is not owed:
            return
        if self.wire.alive(owed[1].connection) or self.story.speaking:
            self.story.later(self.story.now + self.settings.answer, lambda: self._look(owed))
            return
        self._owed = None
        self.broken("a create was refused for another response, and never retried", [
            owed[0].sent, owed[1],
        ])  # fmt: skip

    @on(ErrorTold)
    def _error_told(self, each: ErrorTold) -> None:
        if each.code is not None and each.code not in CONFLICTS:
            self._conflict = None  # it is something else that ends the session
        elif each.recoverable is False:
            self._session_ended(each)

    @on(Closed)
    def _closed(self, each: Closed) -> None:
        self._owed = None
        if each.reason == "error":
            self._session_ended(each)

    def _session_ended(self, each: Fact) -> None:
        conflict, self._conflict = self._conflict, None
        if conflict is not None and each.t - conflict.t < 1.0:
            self.broken("a conflict ended the session", [conflict, each])


class OwnerOfTurns(Rule):
    """G24: where server VAD starts the responses, no create leaves from ``speech_started`` until
    VAD's own ``response.created``. That is expected for ``voice`` after the user's turn."""

    id, name = "G24", "owner of turns"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "time")

    def begin(self) -> None:
        self._since: Line | None = None
        self._stopped: Line | None = None

    @on("server input_audio_buffer.speech_started")
    def _started(self, each: Line) -> None:
        self._since, self._stopped = each, None

    @on("server input_audio_buffer.speech_stopped", "server input_audio_buffer.committed")
    def _ended(self, each: Line) -> None:
        if self._since is not None:
            self._stopped = each

    @on(
        "server input_audio_buffer.cleared",
        "client input_audio_buffer.clear",
        "server session.created",
    )
    def _over(self, each: Line) -> None:
        self._since = self._stopped = None

    @on("server response.created")
    def _answered(self, each: Line) -> None:
        metadata = body_of(each.body("response").get("metadata"))
        if not any(c.metadata == metadata for c in self.wire.creates if metadata):
            self._over(each)

    @on("server response.done")
    def _done(self, each: Line) -> None:
        """Some servers end a response that they never announced."""
        known = self.wire.responses.get(str(each.body("response").get("id")))
        if known is None or known.created is None:
            self._answered(each)

    @on("server error")
    def _refused(self, each: Line) -> None:
        """VAD's own create was refused: none comes."""
        error = each.body("error")
        unasked = error.get("code") == ACTIVE or not self.wire.asked(each.connection)
        if error.get("event_id") is None and self._stopped is not None and unasked:
            self._over(each)

    @on("client response.create")
    def _create(self, each: Line) -> None:
        if self._since is None or not self.story.server_creates or Create(each).outside:
            return
        if self._stopped is not None and each.t - self._stopped.t >= self.settings.voice:
            self._over(each)
            return
        if self._stopped is None and each.t - self._since.t >= 60.0:
            return
        if each.t - self._since.t > self.settings.unread:
            what = "spoke" if self._stopped is None else "had spoken, and VAD's response was due"
            self.broken(f"a create left while the user {what}", [self._since, self._stopped, each])
