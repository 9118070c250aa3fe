"""Function calls."""

from __future__ import annotations

from .facts import Closed, Fact, Look, SpeechDone, ToolBegan, ToolRan
from .format import Line
from .kept import Kept
from .rule import GONE, Rule, on
from .wire import Create, Response

__all__ = ["ToolOnce"]


class ToolOnce(Rule):
    """G17: each function call that arrived whole got one output, unless the user or the client cut
    in, the connection was lost, nobody is to answer it, or no tool was to be called; and the create that follows waits for
    the calling response's end."""

    id, name = "G17", "tool once"

    def begin(self) -> None:
        #: Outputs by call id, and by their own id: replayed after a reconnect it has the same.
        self._outputs: Kept[str, dict[str, Line]] = Kept()
        self._waiting: dict[str, Line] = {}
        self._calls: Kept[str, tuple[Response | None, Line]] = Kept()
        self._ran: Kept[str, Fact] = Kept()
        self._began: Kept[str, Fact] = Kept()

    @on(*GONE, "server input_audio_buffer.speech_started", "server session.created", Closed)
    def _cut_in(self, each: Line | Fact) -> None:
        self._calls.clear()

    @on(SpeechDone)
    def _speech_done(self, each: SpeechDone) -> None:
        if each.interrupted:
            self._calls.clear()

    @on("server response.output_item.done")
    def _item_done(self, each: Line) -> None:
        item = each.body("item")
        call_id = str(item.get("call_id"))
        if item.get("type") != "function_call" or item.get("status") != "completed":
            return
        response = self.wire.responses.get(str(each.event.get("response_id")))
        known = self.wire.items.get(str(item.get("id")))
        if known is not None:
            response = known.response
        create = None if response is None else response.create
        if create is not None and create.forbids_tools:
            return  # nobody asked for it
        if call_id not in self._outputs:
            self._calls[call_id] = (response, each)

    @on("client conversation.item.delete")
    def _deleted(self, each: Line) -> None:
        """A call of a response whose beginning never came is nobody's; it may be asked for again."""
        for call_id, (response, done) in tuple(self._calls.items()):
            named = done.body("item").get("id") == each.event.get("item_id")
            if named and (response is None or response.created is None):
                del self._calls[call_id]

    @on("client conversation.item.create")
    def _output(self, each: Line) -> None:
        item = each.body("item")
        if item.get("type") != "function_call_output":
            return
        call_id = str(item.get("call_id"))
        given = self._outputs.setdefault(call_id, {})
        given.setdefault(str(item.get("id") or each.event.get("event_id")), each)
        if len(given) == 2:
            self.broken(f"function call {call_id} got 2 outputs", list(given.values()))
        self._calls.pop(call_id, None)
        self._waiting[call_id] = each

    @on("client response.create")
    def _create(self, each: Line) -> None:
        if Create(each).outside:
            return
        for known in [i for i in self.wire.items.values() if i.call_id in self._waiting]:
            cancels = known.response.cancels
            given_up = cancels and not self.story.recent(cancels[0].t, self.settings.patience)
            over = known.response.over or given_up  # a cancel without an answer: as in G5
            if not over and known.added.connection == each.connection:
                text = f"the create after a tool left before the end of {known.response.id}"
                self.broken(text, [known.added, self._waiting[str(known.call_id)], each])
        self._waiting.clear()

    @on(ToolBegan)
    def _begins(self, each: ToolBegan) -> None:
        self._once(each, each.call_id, self._began)

    @on(ToolRan)
    def _executed(self, each: ToolRan) -> None:
        self._once(each, each.call_id, self._ran)
        if each.reply is False:
            self._calls.pop(each.call_id, None)
        elif each.call_id in self._calls:
            self._look_later(each)

    def _look_later(self, each: ToolRan) -> None:
        self.story.later(self.story.now + self.settings.settle, lambda: self._look(each))

    def _look(self, each: ToolRan) -> None:
        """LiveKit sends it when all that was asked for before is over, if nobody has cut in since."""
        if each.call_id not in self._calls:
            return
        if not self.story.still or self.story.recent(self.story.acted_at, self.settings.settle):
            self._look_later(each)
            return
        _, call = self._calls.pop(each.call_id)
        self.broken(f"the output of {each.call_id} was not sent", [call, each])

    def _once(self, each: Fact, call_id: str, known: Kept[str, Fact]) -> None:
        if call_id in known:
            text = f"function call {call_id} was executed twice"
            self.broken(text, [known[call_id], each])
        known[call_id] = each

    def rest(self, look: Look) -> None:
        self.end()

    def end(self) -> None:
        for call_id, (response, each) in self._calls.items():
            cut = response is not None and (response.cancels or response.status == "cancelled")
            if not cut and call_id not in self.story.running:
                self.broken(f"function call {call_id} got 0 outputs", [each])
        self._calls.clear()
