"""Profiles: every fact has a source, and the simulator and the controller read them."""

from __future__ import annotations

from pathlib import Path

import pytest

from realtime_fsm import InputError
from realtime_fsm._traits import ServerTraits
from realtime_fsm.conform.rules import ALL
from realtime_fsm.profiles import CAREFUL, Fact, Profile, dump, load, pick, shipped
from realtime_fsm.simulator import RULES, ServerConfig, configured
from realtime_fsm.simulator.profiled import switches

#: Profiles that were measured, with what was measured. Nothing else may claim a measurement.
MEASURED = {"speech-to-speech": "stubs"}


@pytest.mark.parametrize("profile", shipped().values(), ids=lambda profile: profile.name)
def test_what_is_shipped_is_about_rules_and_says_from_where(profile: Profile) -> None:
    assert set(profile.facts) <= set(ALL)
    for fact in profile.facts.values():
        rule = ALL[fact.rule]
        assert fact.value is None or fact.value in rule.alternatives
        if fact.source == "measured":
            assert MEASURED[profile.name] in fact.reference
        elif fact.source == "reported":
            assert "#" in fact.reference, "a public issue"
        if rule.source == "assumed" and profile.name == "openai":
            assert fact.source == "assumed", "nobody has measured it yet"
    assert ServerConfig(**switches(profile))


def test_the_switches_of_openai_are_the_defaults_of_the_simulator() -> None:
    assert configured(shipped()["openai"]) == ServerConfig()
    assert set(switches(shipped()["openai"])) == {rule.field for rule in RULES.values()} - {None}


def test_the_simulator_behaves_like_the_profile() -> None:
    assert configured(shipped()["xai"]).interrupted_done is False
    assert configured(shipped()["azure"]).dialect == "beta"
    assert configured(shipped()["azure"], dialect="ga", pace=0.5).dialect == "ga"
    assert configured(CAREFUL) == ServerConfig()


@pytest.mark.parametrize(
    ("host", "name"),
    [
        ("api.openai.com", "openai"),
        ("API.OpenAI.com:443", "openai"),
        ("my-thing.openai.azure.com", "azure"),
        ("api.x.ai", "xai"),
        ("openai.azure.com.evil.example", "careful"),
        ("127.0.0.1:8765", "careful"),
        ("unknown", "careful"),
        ("", "careful"),
    ],
)
def test_a_server_is_known_by_its_host(host: str, name: str) -> None:
    assert pick(host).name == name


def test_what_may_be_believed() -> None:
    assert CAREFUL.traits() == ServerTraits()
    assert not any((t := ServerTraits(), t.metadata_echo, t.conflict_ids, t.cancelled_ends)[1:])
    assert shipped()["openai"].traits() == ServerTraits(
        metadata_echo=True,
        unique_ids=True,
        conflict_ids=True,
        cancelled_ends=True,
        dropped_ends=True,
    )
    assert not shipped()["xai"].traits().dropped_ends
    assumed = Fact(rule="metadata", source="assumed", reference="why", value=True)
    careless = Profile(name="x", title="X", facts={"metadata": assumed})
    assert not careless.traits().metadata_echo, "an assumption is not believed"


GOOD = 'name = "x"\ntitle = "X"\n[facts.metadata]\nvalue = true\nsource = "reported"\n'


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("name = ", "x.toml"),
        ('title = "X"', "name is missing"),
        ('name = "X Y"\ntitle = "X"', "lower-case"),
        ('name = "x"\ntitle = "X"\nhosts = "h"', "hosts is 'h', expected a list"),
        ('name = "x"\ntitle = "X"\nnonsense = 1', "nonsense is 1, expected one of name, "),
        ('name = "x"\ntitle = "X"\nfacts = 1', "facts is 1, expected a table"),
        (GOOD, "facts.metadata.reference is missing"),
        (GOOD.replace("reported", "guessed"), "expected one of measured, documented"),
        (
            GOOD.replace("reported", "measured") + 'reference = "r"',
            "metadata.date is missing, expected .* version",
        ),
        (GOOD + 'reference = "r"\ndate = "2026-01-01"', "it was not measured"),
        (
            GOOD.replace("value = true", "") + 'reference = "r"',
            "metadata.value is missing, expected it, or kept",
        ),
        (
            GOOD.replace("true", "3") + 'reference = "r"',
            "value is 3, expected a text, or true or false",
        ),
        (GOOD + 'reference = "r"\nkind = "x"', "facts.metadata.kind is 'x', expected one of value"),
    ],
)
def test_a_file_that_is_no_profile_says_what_is_wrong(text: str, says: str, tmp_path: Path) -> None:
    file = tmp_path / "x.toml"
    file.write_text(text, "utf-8")
    with pytest.raises(InputError, match=says):
        load(file)


def test_a_value_that_the_rule_does_not_have_is_refused() -> None:
    odd = Fact(rule="rate-limits", source="reported", reference="a/b#1", value="sometimes")
    with pytest.raises(InputError, match=r"facts\.rate-limits\.value is 'sometimes'"):
        configured(Profile(name="x", title="X", facts={"rate-limits": odd}))


def test_texts_of_any_kind_survive_the_file(tmp_path: Path) -> None:
    fact = Fact(rule="pong", source="reported", reference='"\\\n\t\x7f ä ☎', kept=True)
    profile = Profile(name="x", title="X", hosts=("*.h",), about="a", facts={"pong": fact})
    file = tmp_path / "x.toml"
    file.write_text(dump(profile), "utf-8")
    assert load(file) == profile
