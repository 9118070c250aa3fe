"""The link to a session that shows its raw events: the OpenAI plugin and its relatives.

Correlation comes from the wire: our creates are recognised as they leave, everything else by the
ids the server sends. The inner session's own idea of a current generation is not asked, and it is
shown one response at a time (`realtime_fsm.livekit._gate`).
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Any, cast

from livekit.agents import APIConnectionError, APIError, llm, utils

from .._core import events as ev
from .._core.connection import SILENT
from .._core.errors import ErrorInfo
from .._core.frames import output_of, parse, sign_of_life
from .._core.records import Response
from .._core.states import ErrorKind, Origin
from .._redact import named
from ._announcements import Announcements
from ._corrections import Corrections
from ._creates import Creates
from ._deletes import Deletes
from ._doubt import Doubt
from ._driver import Driver
from ._echo import Echo
from ._ends import Ends
from ._failures import OUTPUT_LEFT_OUT, QUESTION_LOST
from ._foreign import Foreign
from ._guard import Guard
from ._history import History
from ._inner_session import close
from ._link import Source
from ._listener import Listeners, hear_first
from ._log import get_logger
from ._pulse import Pulse
from ._reader import Reader
from ._repair import Repair
from ._reply_request import ReplyRequest
from ._sight import HIDDEN, Sight
from ._sound import Sound
from ._turn_output import Item
from ._unbegun import Unbegun
from ._unsaid import UnsaidEnd

SERVER_EVENT = "openai_server_event_received"
CLIENT_EVENT = "openai_client_event_queued"

_LOST = ErrorInfo(
    kind=ErrorKind.TRANSIENT, code="connection_lost", message="the connection was lost"
)
#: What more than the controller follows here.
_FOLLOWED = frozenset(
    {
        *(ev.ResponseCreated, ev.ResponseDone, ev.ErrorReceived, ev.SessionConfigured),
        *(ev.SpeechStarted, ev.SpeechStopped, ev.InputCommitted, ev.InputIdle),
        *(ev.ItemTruncated, ev.ItemDeleted),
    }
)

_NOTHING: Mapping[str, str] = {}

#: Events that go through as they come.
_FORWARDED = (
    "input_speech_started",
    "input_speech_stopped",
    "input_audio_transcription_completed",
    "metrics_collected",
)


class RawLink:
    """See `realtime_fsm.livekit._link.Link`.

    Args:
        listeners: The application's, to the inner session's raw events: told first, by us.
        unwanted: Items that were to be deleted in the session it takes the place of.
        told: Nothing has to be told to the inner session before anything is asked of it.
        echo: Puts back the metadata that a server leaves out.
        repair: Puts back what else it leaves out; the session's, over its inner sessions.
        ends: Asks whether a cancelled response is over.
    """

    def __init__(
        self,
        inner: Any,
        driver: Driver,
        history: History,
        listeners: Listeners,
        guard: Guard,
        unwanted: Mapping[str, str] = _NOTHING,
        *,
        told: bool,
        echo: Echo,
        repair: Repair,
        ends: Ends,
    ) -> None:
        self._inner = inner
        self._driver = driver
        self._listeners = listeners
        self._guard = guard
        self._echo = echo
        self.repair = repair
        self._unsaid = UnsaidEnd()
        self._unbegun = Unbegun(self._unseen)
        self._ends = ends
        self._doubt = Doubt(
            driver.controller.policy,
            driver.receive,
            self._forwarder("error"),
            guard,
            self._only_asked,
            lambda: echo.certain,
        )
        self._pulse = Pulse(
            driver.controller.policy,
            inner.send_event,
            self._dead,
            lambda: self.holds_a_question,
            guard,
        )
        self.history = history
        history.on_restored = self._restored
        history.on_dropped = self._dropped
        history.on_stray = self._discard
        history.blame.on_suspected = driver.item_suspected
        history.blame.on_proven = driver.item_left_out
        self._log = get_logger()
        self._more_output = driver.controller.more_output
        self._goes_on = driver.controller.goes_on
        self._time = asyncio.get_running_loop().time
        #: Where the items of each turn's newest response come from; and what is being read, for whom.
        self.readers: dict[str, Source] = {}
        #: The wire tells of a response before the inner session does.
        self.beginning: object = None
        self._reading: dict[Reader, str] = {}
        self._creates = Creates(inner, driver, guard)
        self._announcements = Announcements(driver, history)
        self._sight = Sight(inner, driver, self.readers, guard)
        self._gate = self._sight.gate
        self._sound = Sound(inner)
        self._corrections = Corrections(
            inner.send_event,
            self.restore,
            driver.controller.generates,
            lambda: self._pulse.seen,
            guard,
        )
        self._deletes = Deletes(inner, unwanted)
        #: Something left. Before that nothing can be lost: a first handshake that fails leaves
        #: what there is to send queued.
        self._was_up = False
        #: The inner session has the conversation, or is told of it now: what is asked comes behind that.
        self._told = told
        #: Something came of it.
        self._heard = False
        #: The inner session reports right after a frame what that frame told us already.
        self._error_reported = False
        self._refused = False
        handlers: dict[str, Callable[[Any], None]] = {
            SERVER_EVENT: self._on_server_event,
            CLIENT_EVENT: self._on_client_event,
            "generation_created": self._on_generation,
            "remote_item_added": self._on_item_added,
            "session_reconnected": self._on_reconnected,
            "error": self._on_error,
        }
        for name in _FORWARDED:
            handlers[name] = self._forwarder(name)
        hearing = {name: self._guarded(name, h) for name, h in handlers.items()}
        self._hear_no_more = hear_first(inner, hearing, changes=True)

    # --- down

    def create(self, turn_id: str, attempt: int, ask: ReplyRequest) -> None:
        turn = self._driver.controller.find(turn_id)
        owed = turn is not None and turn.origin is Origin.SERVER_VAD
        if self.history.questions.is_gone(ask, owed=owed):
            self._driver.refuse(turn_id, attempt, QUESTION_LOST)
            return
        if ask.output in self.history.blame.out:
            self._driver.refuse(turn_id, attempt, OUTPUT_LEFT_OUT)
            return
        self._pulse.created()
        self._creates.make(turn_id, attempt, ask)

    def cancel(self, response_id: str, event_id: str) -> None:
        self._inner.send_event(
            {
                "type": "response.cancel",
                "response_id": self.repair.original(response_id),
                "event_id": event_id,
            }
        )

    def check(self, event_id: str) -> None:
        self._pulse.ask(event_id)

    def probe(self, event_id: str) -> None:
        self._inner.send_event({"type": "response.cancel", "event_id": event_id})

    def withdraw(self, turn_id: str) -> None:
        pass  # when it shows itself, it is cancelled by its id

    def delete(self, item_id: str, event_id: str) -> None:
        if not self.history.forgotten(item_id):
            self._deletes.ask(item_id, event_id)

    def truncate(self, item_id: str, audio_end_ms: int, event_id: str) -> None:
        message = self._driver.controller.message(item_id)
        if message is None or self.history.moved(item_id):
            return  # this connection holds no audio of it
        self.history.cut_back(message)
        self._inner.send_event(
            {
                "type": "conversation.item.truncate",
                "item_id": item_id,
                "content_index": 0,
                "audio_end_ms": audio_end_ms,
                "event_id": event_id,
            }
        )

    def restore(self, item_id: str) -> None:
        message = self._driver.controller.message(item_id)
        if message is not None and not message.released:
            self.history.restore(message)

    def replace(self, item_id: str) -> bool:
        message = self._driver.controller.message(item_id)
        if message is None or message.released or message.transcript is None:
            return False
        self._corrections.replace(item_id)
        return True

    def _restored(self, item_id: str, ms: int) -> None:
        self._driver.receive(ev.ItemTruncated(item_id=item_id, audio_end_ms=ms))

    def _dropped(self, item_id: str) -> None:
        self._driver.receive(ev.ItemDeleted(item_id=item_id))

    def withheld(self, item_id: str, *, forward: bool) -> None:
        if not forward:
            self.history.unheard(item_id)
        self._announcements.settle(item_id, forward=forward)

    def _discard(self, item_id: str) -> None:
        """Nobody was given anything of this item, or will be."""
        if item_id not in self._deletes.open:
            self._driver.speeches.unshow(item_id)
            self.withheld(item_id, forward=False)
            self.delete(item_id, utils.shortuuid("rfsm_delete_"))

    def say_nothing_more(self) -> None:
        self._sight.foreigners.interrupted()

    def outside(self, item_id: str) -> bool:
        return self._sight.outside(item_id)

    @property
    def held(self) -> Mapping[str, llm.RemoteItemAddedEvent]:
        return self._announcements.held

    @property
    def may_be_replaced(self) -> bool:
        return self.history.questions.has_words

    @property
    def holds_a_question(self) -> bool:
        questions = self.history.questions
        return questions.is_at_stake and self._driver.is_to_answer(questions.current)

    @property
    def spoken(self) -> Sequence[Foreign]:
        return self._sight.foreigners.announced

    def veil(self, frame: dict[str, Any]) -> None:
        if str(frame.get("type")).startswith("input_audio_buffer."):
            self._echo.reset()  # nobody follows any more whether server VAD answers
        self._echo.came(frame)
        self._sight.veil(frame)

    def stop_reading(self, turn_id: str) -> None:
        for reader, owner in self._reading.items():
            if owner == turn_id:
                reader.stop()

    def all_told(self) -> None:
        """The conversation is on its way to the inner session."""
        if not self._told:
            self._told = True
            if self._heard:
                self._driver.frame_received()

    @property
    def unwanted(self) -> Mapping[str, str]:
        """Items that were to be deleted, which the server has not confirmed, with the event ids."""
        return self._deletes.open

    def reading(self, turn_id: str) -> bool:
        return turn_id in self._reading.values()

    def detach(self) -> None:
        """Hear no more of the inner session, and read nothing more from it."""
        self._hear_no_more()
        self._doubt.reset()
        self._pulse.stop()
        self._corrections.lost()
        self._ends.reset()
        for reader in self._reading:
            reader.stop()
        self._sight.aclose()

    async def aclose(self) -> None:
        await close(self._inner)
        self.detach()
        await utils.aio.cancel_and_wait(*[t for r in self._reading for t in r.tasks])

    # --- up

    def _on_server_event(self, frame: Any) -> None:
        self._error_reported = False
        now = self._time()
        self._pulse.came(frame, now)
        output = output_of(frame)
        if output is not None:
            item_id, audio_ms = output
            if frame["response_id"] == self._gate.slot and self._more_output(
                item_id, audio_ms, now
            ):
                if not audio_ms:
                    self.history.said(item_id, frame["delta"])
                elif self._sound.takes(item_id, frame):
                    frame["type"] = HIDDEN
                return
        elif (
            (alive := sign_of_life(frame)) is not None
            and (response_id := frame["response_id"]) == self._gate.slot
            and self._goes_on(response_id, alive, now)
        ):
            return
        if (unsaid := self._unsaid.before(frame)) is not None:
            self._take(unsaid)
        for unseen in self._unbegun.before(frame):
            self._take(unseen, unseen=True)
        self._take(frame)

    def _only_asked(self) -> str | None:
        """Event id of the create that is on the wire and not answered, if there is just one."""
        response = self._driver.controller.lane.only_pending
        return None if response is None else response.event_id

    def _unseen(self) -> str | None:
        """Which create a response answers that was not seen to begin; ``""``: what the user said."""
        answered = self._driver.controller.lane.answered_next
        if isinstance(answered, Response):
            return answered.event_id if self._echo.certain else None
        return None if answered is None else ""

    def _take(self, frame: object, *, unseen: bool = False) -> None:
        self._ends.came(frame)
        self.history.complete(frame)
        if isinstance(frame, dict) and self.history.is_over(frame):
            frame["type"] = HIDDEN
        self.repair.came(frame)
        self._echo.came(frame)
        event = parse(frame)
        if (follow_ups := self._driver.follow_ups) is not None:
            follow_ups.came(frame)
        followed = type(event) in _FOLLOWED
        if event is not None and followed:
            self._echo.heard(event)
            self.repair.heard(event)
            event = self._follow_corrections(self._sight.placed(event), frame)
        elif isinstance(event, ev.CallReceived) and not _is_call(frame):
            event = ev.ResponseActivity(response_id=event.response_id)  # nobody can run it
        again = isinstance(frame, dict) and self._follow_history(frame)
        self._heard = True
        if self._told:
            self._driver.frame_received()
        if isinstance(event, ev.ResponseCreated):
            # Timed out below in this very step of the loop, which stood still: it is not shown to us.
            self._creates.settle()
        event = self._doubt.named(event)
        doubted = followed and self._doubt.holds(event)
        known = event is not None and not doubted and self._driver.receive(event)
        if followed and (refused_by := self._doubt.refused_by(event)) is not None:
            self._driver.receive(refused_by)
        if isinstance(event, ev.Unreadable):
            self._log.debug("frame ignored", reason=event.reason, type=_kind(frame))
        refused = isinstance(event, ev.ErrorReceived)
        failed = isinstance(event, ev.ResponseDone) and event.status is ev.ResponseStatus.FAILED
        self._error_reported = again or self._refused or (known and (refused or failed))
        self._refused = False
        if isinstance(event, ev.ItemStarted):
            self._sound.ends()  # the engine may make it anew
        if isinstance(event, ev.ResponseDone) and not event.out_of_band:
            self._corrections.go_on()
            for item_id in self.history.unseen(cast("dict[str, Any]", frame)):
                self._discard(item_id)
        if isinstance(frame, dict) and str(frame.get("type")).startswith("response."):
            self._sight.let_through(frame, event, known, unseen=unseen)

    def _follow_corrections(self, event: ev.Event | None, frame: object) -> ev.Event | None:
        """What a server's answer to a correction means; None: it was dealt with here."""
        if isinstance(event, ev.ItemTruncated):
            self.history.truncated(event.item_id, event.audio_end_ms)
            heard = self._corrections.confirmed(event.item_id, event.audio_end_ms)
            return ev.ItemTruncated(item_id=event.item_id, audio_end_ms=heard)
        if isinstance(event, ev.ItemDeleted):
            self._corrections.gone(event.item_id)
            return None if self.history.replaces(event.item_id) else event
        if isinstance(event, ev.ErrorReceived):
            error = cast("dict[str, Any]", frame)["error"]
            if self._corrections.refused(error) or self._deletes.refused_without_a_name(error):
                self._refused = True
                return None
        return event

    def _follow_history(self, frame: Mapping[str, Any]) -> bool:
        kind = frame.get("type")
        if kind == "conversation.item.deleted":
            self._deletes.confirmed(str(frame.get("item_id")))
        elif kind == "error" and isinstance(frame.get("error"), dict):
            self._deletes.refused(frame["error"].get("event_id"))
        elif kind == "response.done":
            self.history.generated(frame)
        return self.history.server_frame(frame)

    def _on_client_event(self, frame: dict[str, Any]) -> None:
        self._was_up = True
        self._creates.frame_left(frame)
        self._echo.left(frame)
        kind = frame.get("type")
        if kind == "input_audio_buffer.append":
            return  # ten a second, and of no turn or item
        self.repair.left(frame)
        self._unsaid.left(frame)
        self._ends.left(frame)
        if kind == "conversation.item.truncate":
            self._corrections.sent(frame)
        self.history.client_frame(frame)
        if kind != "response.create":
            return
        self._sight.create_left(frame)
        if (whose := self._creates.whose(frame)) is not None:
            event_id, (turn_id, attempt) = frame["event_id"], whose
            self._doubt.left(event_id)
            self._driver.receive(ev.CreateSent(turn_id=turn_id, attempt=attempt, event_id=event_id))

    def _on_generation(self, generation: llm.GenerationCreatedEvent) -> None:
        response_id = generation.response_id
        if not isinstance(response_id, str):
            response_id = ""  # as the server sent it, the plugin does not check
        attempt = self._driver.controller.owner_of(response_id)
        if attempt is None or attempt.turn is None:
            self._driver.forward("generation_created", generation)  # nothing that we know of
            return
        turn = attempt.turn
        if generation.user_initiated and attempt.event_id is None:
            # Somebody awaits it who did not ask through us: say().
            self._driver.pass_through(turn.id)
            self._driver.forward("generation_created", generation)
        elif attempt.wanted:
            self._read(turn.id, generation)

    def _read(self, turn_id: str, generation: llm.GenerationCreatedEvent) -> None:
        def deliver(item_id: str, item: Item) -> None:
            self._sound.begins(item_id, item)
            self._driver.generated(turn_id, item_id, item)

        reader = Reader(generation, deliver, lambda: self._on_read(reader), self._guard)
        find = self._driver.controller.find
        for ended in [t for t, r in self.readers.items() if r.over and find(t) is None]:
            del self.readers[ended]
        self.readers[turn_id] = reader
        self._reading[reader] = turn_id

    def _on_read(self, reader: Reader) -> None:
        turn_id = self._reading.pop(reader)
        if not self.reading(turn_id):
            self._driver.all_read(turn_id)

    def _on_item_added(self, announcement: llm.RemoteItemAddedEvent) -> None:
        item_id = announcement.item.id
        if (event_id := self._deletes.open.get(item_id)) is not None:
            # The connection broke before the delete was confirmed, and the replay has it again.
            self.delete(item_id, event_id)
            return
        self._announcements.take(announcement)

    def _on_reconnected(self, event: llm.RealtimeSessionReconnectedEvent) -> None:
        self._echo.reset()
        self.repair.reset()
        self._unsaid = UnsaidEnd()
        self._unbegun = Unbegun(self._unseen)
        self._ends.reset()
        self._doubt.reset()
        self._pulse.stop()
        self._sight.reset()
        self._corrections.lost()
        self.history.replayed(self._deletes.open)
        self._driver.receive(ev.ConnectionReady())
        self._driver.forward("session_reconnected", event)

    def _on_error(self, report: llm.RealtimeModelError) -> None:
        reported, self._error_reported = self._error_reported, False
        dead = self._driver.controller.dead is not None
        # It told so to a request that plain LiveKit never makes: that one failed alone (G27).
        survived = reported and self._driver.failures.final is None
        verdict = dead or (_is_verdict(report) and not survived)
        if not report.recoverable and verdict:
            self._driver.session_failed(report)
            return
        if not report.recoverable:
            # It died of what the provider did not mean as an end: a malformed frame, or a
            # response that failed while a rollover waited for it. Another will do.
            report = report.model_copy(update={"recoverable": True})
            broken = type(report.error).__name__
            info = ErrorInfo(kind=ErrorKind.SESSION_END, code="broken", message=broken)
            reported = self._lost(info, True) or survived
            # The response that a rollover waited for was reported when it failed (G12).
            reported = reported or isinstance(report.error, llm.RealtimeError)
        elif isinstance(report.error, APIConnectionError):
            reported = self._lost(_LOST, False)
        elif not reported and self._doubt.reported(report):
            return
        if not reported and self._driver.failures.final is None:
            self._driver.forward("error", report)

    def _lost(self, error: ErrorInfo, for_good: bool) -> bool:
        """Returns whether a turn that failed of it has reported it (G12)."""
        self._pulse.stop()
        self._ends.reset()
        told = self._driver.failures.count
        self._creates.take_back()
        if self._was_up:
            self.history.lost(hung_up=error is not SILENT)
            self._corrections.lost()
        self._driver.receive(ev.ConnectionLost(error=error, for_good=for_good))
        return self._driver.failures.count > told

    def _dead(self) -> None:
        self._lost(SILENT, True)

    def _guarded(self, name: str, handler: Callable[[Any], None]) -> Callable[[Any], None]:
        """G25: nothing a server sends may raise through the plugin's receive loop. The application
        hears raw events first, whatever becomes of them here."""
        guard, listeners = self._guard, self._listeners
        is_raw = name in (SERVER_EVENT, CLIENT_EVENT)

        def guarded(event: Any) -> None:
            if is_raw and name in listeners:
                listeners.show(name, event)
            if not guard.off:
                try:
                    handler(event)
                    return
                except Exception as e:
                    guard.failed(e)
            guard.plain(name, event)

        return guarded

    def _forwarder(self, name: str) -> Any:
        def forward(event: object) -> None:
            self._driver.forward(name, event)

        return forward


def _is_verdict(report: llm.RealtimeModelError) -> bool:
    """Whether the inner session gave up on the provider's word, or on its connection."""
    return isinstance(report.error, APIError)


def _is_call(frame: Any) -> bool:
    """Whether the plugin can make a function call of a ``response.output_item.done``."""
    item = frame["item"]
    return all(isinstance(item.get(key), str) for key in ("call_id", "name", "arguments"))


def _kind(frame: object) -> str | None:
    return named(frame.get("type")) if isinstance(frame, dict) else type(frame).__name__
