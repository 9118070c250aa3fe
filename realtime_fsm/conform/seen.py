"""What a connection shows by the way, whatever was asked on it."""

from __future__ import annotations

from collections.abc import Mapping

from ..simulator import rules
from .errors import response_id
from .questions.ending import judge_failed_item, judge_several, judge_unbilled
from .talk import Talk

__all__ = ["judge_what_happened"]


def judge_what_happened(talk: Talk) -> None:
    """Judge what no client can ask for, where it happened by itself."""
    for event in talk.all("response.done"):
        response, answer_id = event.get("response"), response_id(event)
        if answer_id is None or not isinstance(response, Mapping):
            continue
        if response.get("status") == "failed" and rules.UNBILLED.id not in talk.answers:
            judge_unbilled(talk, response)
            judge_failed_item(talk, answer_id, response)
        output = response.get("output")
        listed = output if isinstance(output, list) else []
        items = [one for one in listed if isinstance(one, Mapping)]
        kinds = [item.get("type") for item in items]
        if "reasoning" in kinds and rules.REASONING.id not in talk.answers:
            talk.found(rules.REASONING, "item", "it is shown as an output item")
        if kinds.count("message") > 1 and response.get("status") == "completed":
            judge_several(talk, answer_id)
