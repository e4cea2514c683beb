"""Each kind of mistake names its own example, and is silent about the healthy counterpart."""

import pytest

from firstlight.tools.cli.main import main
from firstlight.tools.diagnose.kind import all_kinds
from firstlight.tools.language import speaking

KINDS = all_kinds()
WITH_EXAMPLE = [name for name, kind in KINDS.items() if kind.wrong]


def checked(script, capsys, *options):
    import json

    code = main(["check", str(script), "--json", *options])
    found = json.loads(capsys.readouterr().out)
    reports = found.get("reports", [found])  # one for each training
    return code, found | {"findings": [one for report in reports for one in report["findings"]]}


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_example_is_named(name, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(KINDS[name].wrong)
    code, report = checked(script, capsys)
    assert [one["kind"] for one in report["findings"]] == [name], report["findings"]
    assert code == 1


@pytest.mark.slow
@pytest.mark.parametrize("name", WITH_EXAMPLE)
def test_the_healthy_counterpart_is_not(name, tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(KINDS[name].right)
    code, report = checked(script, capsys)
    assert report["findings"] == []
    assert code == 0


@pytest.mark.parametrize("kind", KINDS.values(), ids=lambda kind: kind.name)
def test_sentences_are_in_both_languages(kind):
    for english, german in [kind.title, kind.look, *kind.says.values()]:
        assert bool(english) == bool(german)
        assert set(fields(english)) == set(fields(german))


def fields(text):
    import string

    return [name for _, name, _, _ in string.Formatter().parse(text) if name is not None]


def test_a_report_speaks_german(tmp_path, capsys):
    script = tmp_path / "train.py"
    script.write_text(KINDS["imbalance"].wrong)
    with speaking("de"):
        main(["check", str(script)])
    assert "ungleiche Klassen" in capsys.readouterr().out
