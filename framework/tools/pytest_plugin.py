"""The pytest fixture ``check_network``, there wherever firstlight and pytest are installed."""

import pytest


@pytest.fixture
def check_network():
    """Give a function that fails the test if something is wrong with a network.

    It takes what `firstlight.tools.diagnose.check` takes, and returns its `Report`::

        def test_my_network(check_network):
            check_network(Net(), (x, y))           # all there is
            check_network(MyLayer(), x)            # backward only
    """

    def checked(model, data, **options):
        from firstlight.tools.diagnose import check

        report = check(model, data, **options)
        if not report.ok:
            pytest.fail(f"{len(report.findings)} finding(s)\n{report}", pytrace=False)
        return report

    return checked
