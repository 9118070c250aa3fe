"""Rules of turns: they move by their own responses, end once, and none is lost."""

from __future__ import annotations

from collections.abc import Callable
from typing import ClassVar

from .facts import AgentState, Fact, Look, Moved, SpeechCreated, TurnOver
from .format import Line
from .kept import Kept
from .questions import Question
from .rule import Rule, on

__all__ = ["IdScoped", "OneTerminal", "TurnNotLost"]

_ANSWERS = {
    "RESPONSE_COMPLETED": "completed",
    "RESPONSE_INCOMPLETE": "incomplete",
    "RESPONSE_CANCELLED": "cancelled",
    "RESPONSE_FAILED": "failed",
}


class IdScoped(Rule):
    """G3: a turn moves by what the server said of its own response, which no other turn has."""

    id, name = "G3", "id-scoped"
    needs: ClassVar[tuple[str, ...]] = ("server", "turn")

    def begin(self) -> None:
        self._owners: Kept[str, Moved] = Kept()

    @on(Moved)
    def _moved(self, each: Moved) -> None:
        response_id, turn = each.response, each.turn
        if response_id is None:
            return
        first = self._owners.setdefault(response_id, each)
        if first.turn != turn:
            text = f"{response_id} moved two turns, {first.turn} and {turn}"
            self.broken(text, [first, each])
        response = self.wire.responses.get(response_id)
        if response is None and self.story.partial:
            return  # of before
        if each.event == "RESPONSE_CREATED" and (response is None or response.created is None):
            self.broken(f"{turn} moved by a created of {response_id} that never came", [each])
        elif each.event in _ANSWERS and not (response is not None and response.over):
            self.broken(f"{turn} moved by a done of {response_id} that never came", [each])
        elif response is None or response.done is None:
            return  # that there was nothing to cancel says it as well
        elif _ANSWERS.get(each.event, response.status) != response.status:
            text = f"{turn} moved as if {response_id} were {_ANSWERS[each.event]}"
            self.broken(f"{text}, it is {response.status}", [response.done, each])


class OneTerminal(Rule):
    """G7: each turn ends once, nothing moves it after that, each speech is done, nothing goes on to
    sound, and the agent does not look busy without a speech."""

    id, name = "G7", "one terminal"
    needs: ClassVar[tuple[str, ...]] = ("session|turn",)

    def begin(self) -> None:
        self._live: Kept[str, Moved] = Kept()
        self._ended: Kept[str, TurnOver] = Kept()
        self._created: Kept[str, SpeechCreated] = Kept()

    @on(Moved)
    def _moved(self, each: Moved) -> None:
        if each.turn in self._ended:
            self.broken(f"turn {each.turn} moved after its end", [self._ended[each.turn], each])
        elif each.turn not in self._live:
            self._live[each.turn] = each
            self._watch(lambda: self._live.get(each.turn), f"turn {each.turn} has not ended")

    @on(TurnOver)
    def _end(self, each: TurnOver) -> None:
        self._live.pop(each.turn, None)
        if each.turn in self._ended:
            self.broken(f"turn {each.turn} ended twice", [self._ended[each.turn], each])
        self._ended[each.turn] = each

    @on(SpeechCreated)
    def _speech(self, each: SpeechCreated) -> None:
        self._created[each.speech] = each
        open_ = self.story.speeches
        self._watch(lambda: open_.get(each.speech), f"speech {each.speech} is not done")

    def _watch(self, still_open: Callable[[], Fact | None], text: str) -> None:
        def look() -> None:
            opened = still_open()
            if opened is None:
                return
            story, quiet = self.story, self.settings.quiet
            due = max(story.active_at, story.sounds_until, opened.t) + quiet
            if story.speaking or story.works:
                due = story.now + quiet
            if story.now < due:
                story.later(due, look)
            else:
                self.broken(f"{text}, and nothing has happened for {quiet:g} s", [opened])

        self.story.later(self.story.now + self.settings.quiet, look)

    @on(AgentState)
    def _state(self, each: AgentState) -> None:
        if each.new not in ("thinking", "speaking"):
            return

        def look() -> None:
            story, answer = self.story, self.settings.answer
            if story.agent is not each or story.speeches or story.sound.playing or story.works:
                return
            due = max(story.active_at, story.sounds_until) + answer
            if story.now < due:
                story.later(due, look)
            else:
                self.broken(f"the agent stays {each.new}, although no speech is under way", [each])

        self.story.later(each.t + self.settings.answer, look)

    def rest(self, look: Look) -> None:
        # A tool may wait for a task of its own, and its speech for the tool.
        speeches = () if self.story.works else look.speeches or ()
        for speech in speeches:
            self.broken(f"speech {speech} is not done", [self._created.get(speech)])
        if not (speeches or self.story.works) and look.agent in ("thinking", "speaking"):
            text = f"the agent is {look.agent}, although no speech is under way"
            self.broken(text, [self.story.agent])
        if look.playing:
            self.broken("audio is still playing", [*self.story.sound.playing.values()])
        self._left(look)

    def end(self) -> None:
        if self.story.closed is not None:
            self._left(self.story.closed)

    def _left(self, by: Fact) -> None:
        for turn, moved in self._live.items():
            self.broken(f"turn {turn} never ended", [moved, by])
        self._live.clear()


class TurnNotLost(Rule):
    """G18: what the user, or the application, asked is answered within ``answer`` seconds of its
    last sign of life, or ends in a failure that is told: a speech's exception, a turn that ended
    with an error, the session's end."""

    id, name = "G18", "turn not lost"
    needs: ClassVar[tuple[str, ...]] = ("server", "client", "session|turn", "time")

    @on("server input_audio_buffer.committed", "client response.create", SpeechCreated)
    def _asked(self, each: Line | Fact) -> None:
        """The question is known when this has taken effect."""
        self.story.later(self.story.now, self._begin)

    def _begin(self) -> None:
        questions = self.story.questions
        for question in questions.all if not questions.asked else ():
            if not question.watched:
                question.watched = True
                self._later(question, question.at + self.settings.answer)

    def _later(self, question: Question, t: float) -> None:
        self.story.later(t, lambda: self._look(question))

    def _look(self, question: Question) -> None:
        story = self.story
        if story.questions.asked or question.judged:
            return  # what was taken for a question
        if story.questions.answer(question).fate != "lost":
            return
        busy = (
            story.wire.alive(story.wire.connection)
            or story.speaking
            or story.works
            or story.sound.playing
        )
        due = max(story.active_at, story.sounds_until) + self.settings.answer
        # Who gave it up may be answered while they say the next thing.
        newest = question is story.questions.all[-1]
        if (question.over is None or newest) and (busy or story.now < due):
            self._later(question, max(story.now + 1.0, due))
        else:
            self._judge(question)

    def _judge(self, question: Question) -> None:
        answer = self.story.questions.answer(question)
        if answer.fate == "lost" and not question.judged:
            question.judged = True
            self.broken(f"a turn was lost: {answer.why}", [question.line])

    def rest(self, look: Look) -> None:
        for question in self.story.questions.all:
            self._judge(question)

    def end(self) -> None:
        for question in self.story.questions.all:
            if question.over is not None:
                self._judge(question)
