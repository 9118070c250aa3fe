"""The user's speech, as far as the server tells, and what server VAD owes for it (G18, G24)."""

from __future__ import annotations

from .policy import RetryPolicy
from .states import SpeechState as S
from .states import Word


class SpeechEvent(Word):
    """What can happen to the user's speech."""

    STARTED = "input_audio_buffer.speech_started"
    STOPPED = "input_audio_buffer.speech_stopped"
    IDLE = "input_audio_buffer.timeout_triggered"
    COMMITTED = "input_audio_buffer.committed"
    CLEARED = "input_audio_buffer.cleared"
    #: Whoever asked for it, it answers what was committed before.
    ANSWERED = "response.created"
    #: Nobody here asked for it: it is the answer, unless the user speaks again already.
    ANSWERED_BY_SERVER = "response.created that nobody here asked for"
    TIMEOUT = "timer: its end, or the answer, is overdue"
    #: Its answer was refused, it goes with its connection, or the server answers no speech.
    DROPPED = "nothing more comes of it"


E = SpeechEvent

#: Where each event leads from each state; a state that is not named stays.
MOVES: dict[E, dict[S, S]] = {
    E.STARTED: {
        S.UNHEARD: S.SPEAKING,
        S.SILENT: S.SPEAKING,
        S.SPEAKING_ON: S.SPEAKING,
        S.ANSWER_DUE: S.SPEAKING,
        S.ANSWER_OWED: S.SPEAKING_OWED,
        S.ANSWER_MISSED: S.SPEAKING,
    },
    E.STOPPED: {
        S.SPEAKING: S.ANSWER_DUE,
        S.SPEAKING_ON: S.ANSWER_DUE,
        S.SPEAKING_OWED: S.ANSWER_OWED,
    },
    E.IDLE: {
        S.UNHEARD: S.ANSWER_DUE,
        S.SILENT: S.ANSWER_DUE,
        S.ANSWER_MISSED: S.ANSWER_DUE,
    },
    E.COMMITTED: {S.ANSWER_DUE: S.ANSWER_OWED},
    E.CLEARED: {
        S.SPEAKING: S.SILENT,
        S.SPEAKING_ON: S.SILENT,
        S.ANSWER_DUE: S.SILENT,
    },
    E.ANSWERED: {
        S.ANSWER_OWED: S.ANSWER_DUE,
        S.SPEAKING_OWED: S.SPEAKING,
    },
    E.ANSWERED_BY_SERVER: {
        S.ANSWER_DUE: S.SILENT,
        S.ANSWER_OWED: S.SILENT,
        S.ANSWER_MISSED: S.SILENT,
    },
    E.TIMEOUT: {
        S.SPEAKING: S.SPEAKING_ON,  # its end, late as it is, promises an answer
        S.SPEAKING_OWED: S.SPEAKING_ON,
        S.ANSWER_DUE: S.ANSWER_MISSED,
        S.ANSWER_OWED: S.ANSWER_MISSED,
    },
    E.DROPPED: {
        S.SPEAKING: S.SILENT,
        S.SPEAKING_ON: S.SILENT,
        S.SPEAKING_OWED: S.SILENT,
        S.ANSWER_DUE: S.SILENT,
        S.ANSWER_OWED: S.SILENT,
        S.ANSWER_MISSED: S.SILENT,
    },
}

#: Nothing waits for these.
_SETTLED = (S.UNHEARD, S.SILENT, S.SPEAKING_ON, S.ANSWER_MISSED)
_SPEAKING = (S.SPEAKING, S.SPEAKING_OWED, S.SPEAKING_ON)
_OWED = (S.ANSWER_OWED, S.SPEAKING_OWED)


class UserSpeech:
    """The user's speech.

    Attributes:
        state: Where it stands.
        server_answers: Server VAD starts responses by itself.
        until: Until when, at the latest, things are held up for it; None: they are not.
        since: Since when they are; None: they are not.
    """

    __slots__ = ("_policy", "server_answers", "since", "state", "until")

    def __init__(self, policy: RetryPolicy) -> None:
        self._policy = policy
        self.state = S.UNHEARD
        self.server_answers = False
        self.until: float | None = None
        self.since: float | None = None

    @property
    def speaking(self) -> bool:
        """Whether the user speaks."""
        return self.state in _SPEAKING

    @property
    def answer_owed(self) -> bool:
        """Whether server VAD committed a user turn and has not answered it yet (G18)."""
        return self.state in _OWED

    @property
    def held_up(self) -> bool:
        """Whether recovery waits for it: nothing talks over the user."""
        return self.state not in _SETTLED

    @property
    def answer_due(self) -> bool:
        """Whether server VAD's response to speech that ended is awaited."""
        return self.server_answers and self.state in (S.ANSWER_DUE, S.ANSWER_OWED)

    @property
    def answer_missed(self) -> bool:
        """Whether server VAD's response is not awaited any more, and did not come."""
        return self.server_answers and self.state is S.ANSWER_MISSED

    @property
    def answer_may_begin(self) -> bool:
        """Whether server VAD's response may begin now: to what is still being said none does."""
        return self.held_up and self.state is not S.SPEAKING

    @property
    def answer_may_come(self) -> bool:
        """Whether server VAD's response to speech that ended may still come, however late."""
        return self.server_answers and self.state in (S.ANSWER_DUE, S.ANSWER_OWED, S.ANSWER_MISSED)

    @property
    def may_be_answered(self) -> bool:
        """Whether server VAD may have begun a response that did not show itself."""
        return self.server_answers and self.state is not S.SILENT

    @property
    def closes_lane(self) -> bool:
        """Whether server VAD's own response may come at any time (G24)."""
        return self.server_answers and self.held_up

    def happened(self, event: E, now: float) -> float:
        """Apply an event. Returns for how many seconds it held things up, if it no longer does."""
        if event is E.COMMITTED and not self.answer_due:
            event = E.ANSWERED  # the client's own commit, which server VAD does not answer
        self.state = MOVES[event].get(self.state, self.state)
        if event is E.STARTED:
            self.until = now + self._policy.speech_timeout
            self.since = now if self.since is None else self.since
        elif event is E.STOPPED or event is E.IDLE:
            self.until = now + self._policy.timeout
            self.since = now if self.since is None else self.since
        return self._settled(now) if self.state in _SETTLED else 0.0

    def _settled(self, now: float) -> float:
        held = 0.0 if self.since is None else now - self.since
        self.until = self.since = None
        return held
