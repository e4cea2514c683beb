"""The pytest fixture ``check_network``, available wherever firstlight and pytest are installed."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from firstlight.tools.diagnose.report import Report


@pytest.fixture
def check_network() -> Callable[..., Report]:
    """Return a function that fails the test if something is wrong with a network.

    It takes the arguments of `firstlight.tools.diagnose.check`, and returns its `Report`::

        def test_my_network(check_network):
            check_network(Net(), (x, y))           # all checks
            check_network(MyLayer(), x)            # backward only
    """

    def checked(model: Any, data: Any, **options: Any) -> Report:
        from firstlight.tools.diagnose import check

        report = check(model, data, **options)
        if not report.ok:
            pytest.fail(f"{len(report.findings)} finding(s)\n{report}", pytrace=False)
        return report

    return checked
