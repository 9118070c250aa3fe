"""G27 with the real plugins: the same call, plain and controlled, is worse nowhere. Each is lived once."""

from __future__ import annotations

import pytest

from realtime_fsm.compare import judge
from realtime_fsm.lab.scenarios.providers.call import play
from realtime_fsm.lab.scenarios.providers.rows import ProviderRow
from realtime_fsm.lab.scenarios.providers.seen import Seen
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import Fake

from .installed import name_of, need, rows

#: Of each provider and each row some; `make providers` lives all.
sampled = pytest.mark.sampled(7, kind=lambda family, row: row.name)

PLAIN: dict[tuple[str, str], Seen] = {}


def played(fake: type[Fake], row: ProviderRow, *, controlled: bool) -> Seen:
    return run_virtual(
        lambda: play(fake, row.answers, row.row, controlled=controlled, tools=row.tools),
        limit=600,
    )


def plain_life(family: str, row: ProviderRow) -> Seen:
    fake, known = need(family), (family, row.name)
    if known not in PLAIN:
        PLAIN[known] = played(fake, row, controlled=False)
    return PLAIN[known]


@sampled
@pytest.mark.parametrize(("family", "row"), rows(), ids=name_of)
def test_plain(family: str, row: ProviderRow) -> None:
    """Each row comes to its end with nothing that the types do not know."""
    seen = plain_life(family, row)
    # Tasks and futures of LiveKit's and the plugins' may be left over; they are not judged here.
    unknown = [f for f in seen.faults if "ValidationError" in f or "Assertion" in f or "SDK" in f]
    assert not unknown
    healthy = row.name in ("asked", "spoken", "spoken, asked", "two at once")
    if healthy:
        assert all(question.times == 1 for question in seen.questions), seen
        assert seen.closed is None


@sampled
@pytest.mark.parametrize(("family", "row"), rows(), ids=name_of)
def test_g27_worse_nowhere(family: str, row: ProviderRow) -> None:
    plain = plain_life(family, row)
    ours = played(need(family), row, controlled=True)
    assert judge(plain.life, ours.life).worse == (), (plain, ours)
    if ours.turns:  # it is controlled, and does not pass through
        assert not ours.hangs
        assert row.name == "closes" or "never done" not in [s.ended for s in ours.speeches]
