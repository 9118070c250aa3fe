"""G27 with the real plugins: the same call, plain and controlled, is worse nowhere."""

from __future__ import annotations

import pytest

from realtime_fsm.compare import judge
from realtime_fsm.lab.scenarios.providers.call import play
from realtime_fsm.lab.scenarios.providers.rows import ProviderRow
from realtime_fsm.lab.scenarios.providers.seen import Seen
from realtime_fsm.testing import run_virtual
from realtime_fsm.testing.providers import Fake

from .installed import name_of, need, rows


def played(fake: type[Fake], row: ProviderRow, *, controlled: bool) -> Seen:
    return run_virtual(
        lambda: play(fake, row.answers, row.row, controlled=controlled, tools=row.tools),
        limit=600,
    )


@pytest.mark.parametrize(("family", "row"), rows(), ids=name_of)
def test_g27_worse_nowhere(family: str, row: ProviderRow) -> None:
    fake = need(family)
    plain = played(fake, row, controlled=False)
    ours = played(fake, row, controlled=True)
    assert judge(plain.life, ours.life).worse == (), (plain, ours)
    if ours.turns:  # it is controlled, and does not pass through
        assert not ours.hangs
        assert row.name == "closes" or "never done" not in [s.ended for s in ours.speeches]
