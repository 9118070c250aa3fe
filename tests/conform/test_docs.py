"""What the pages say of conform: the recipe, the profiles, the last time the service was asked."""

from __future__ import annotations

import importlib.util
import re
from types import ModuleType

import pytest
import yaml  # type: ignore[import-untyped]
from typer.main import get_command

from realtime_fsm.cli import app
from realtime_fsm.conform import Answer, Result
from realtime_fsm.profiles import shipped
from tests.docs.blocks import ROOT, blocks

PAGE = ROOT / "docs" / "conform.md"


def live() -> ModuleType:
    spec = importlib.util.spec_from_file_location("live_make", ROOT / "docs/live/make.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_page_of_the_real_service_says_when_it_was_asked() -> None:
    make = live()
    assert (ROOT / "docs/live.md").read_text("utf-8") == make.page(make.saved())
    if make.saved() is None:
        assert "Last asked: never." in make.page(None)
        assert all(fact.source != "measured" for fact in shipped()["openai"].facts.values())
    made = Result(url="wss://api.openai.com/v1/realtime", model="m", date="2026-12-24", version="1")
    made.answers["pong"] = Answer("pong", "kept", "a pong came")
    assert "Last asked: 2026-12-24." in make.page(made)
    assert "1 of 1 kept" in make.page(made)


def test_asking_the_real_service_needs_a_key(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    assert live().main() == 2
    assert "OPENAI_API_KEY is not set" in capsys.readouterr().err


def test_the_recipe_is_a_workflow_whose_options_exist() -> None:
    (block,) = blocks(PAGE, "yaml")
    workflow = yaml.safe_load(block.text)
    steps = workflow["jobs"]["conform"]["steps"]
    text = "\n".join(step.get("run", "") for step in steps)
    command = get_command(app).commands["conform"]  # type: ignore[attr-defined]
    known = {name for param in command.params for name in param.opts}
    used = set(re.findall(r"--[a-z-]+", re.search(r"realtime-fsm conform.*", text)[0]))  # type: ignore[index]
    assert used <= known
    assert {"--yes", "--json", "--badge"} <= used


def test_every_profile_is_on_the_page_with_where_it_comes_from() -> None:
    text = PAGE.read_text("utf-8")
    for name, profile in shipped().items():
        (row,) = re.findall(rf"^\| `{name}` \| (.*) \|$", text, re.MULTILINE)
        measured = any(fact.source == "measured" for fact in profile.facts.values())
        assert row.startswith("measured") is measured, name
