"""benchmarks/gpu_visit.py with short parts: what it keeps, and what it writes into a page."""

import json
import runpy
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[2] / "benchmarks" / "gpu_visit.py"
PAGE = "| layers | `layers`: not yet |\n| speed | `speed`: not yet |\n| sums | `sums`: not yet |\n"
PARTS = [
    ("facts", 20, "{", """echo '{"gpu": "H200"}'"""),
    ("layers", 20, " in ", "echo '| 258 passed in 9 s | 2 skipped |'; echo bye"),
    ("speed", 20, "|", "echo broken; exit 3"),
    ("sanitizer", 0.3, "ERROR", "sleep 60"),
]


@pytest.fixture
def script(tmp_path):
    names = runpy.run_path(str(SCRIPT))["main"].__globals__
    pages = tmp_path / "gpu.md", tmp_path / "benchmarks.md"
    pages[0].write_text(PAGE)
    pages[1].write_text("figures: none\n")
    names.update(PAGES=pages, LEAST=0.1, parts=lambda folder: PARTS)
    return names


def test_a_visit_keeps_what_each_part_said_and_how_it_ended(script, tmp_path):
    script["main"]([f"--out={tmp_path / 'visit'}"])
    found = json.loads((tmp_path / "visit" / "visit.json").read_text())
    assert found["facts"] == {"gpu": "H200"}
    assert {name: part["state"] for name, part in found["parts"].items()} == {
        "facts": "passed",
        "layers": "passed",
        "speed": "failed, exit 3",
        "sanitizer": "ended after 0 s",
    }
    assert found["parts"]["layers"]["last"] == "| 258 passed in 9 s | 2 skipped |"
    assert (tmp_path / "visit" / "speed.log").read_text() == "broken\n"


def test_only_rows_of_parts_that_passed_lose_their_not_yet(script, tmp_path):
    script["main"]([f"--out={tmp_path / 'visit'}"])
    (tmp_path / "visit" / "benchmarks.md").write_text("figures: some\n")
    script["main"]([f"--page={tmp_path / 'visit'}"])
    layers, speed, sums = script["PAGES"][0].read_text().splitlines()
    assert layers.startswith("| layers | `layers`: H200, 20")
    assert layers.endswith(": 258 passed in 9 s, 2 skipped |")
    assert [speed, sums] == PAGE.splitlines()[1:]
    assert script["PAGES"][1].read_text() == "figures: some\n"


def test_parts_for_which_no_time_is_left_are_named(script, tmp_path, capsys):
    script["main"]([f"--out={tmp_path / 'visit'}", "--seconds=0"])
    assert capsys.readouterr().out.count("left out, no time") == len(PARTS)


def test_the_parts_of_a_real_visit_are_those_that_the_page_waits_for():
    parts = [name for name, *_ in runpy.run_path(str(SCRIPT))["parts"](Path("visit"))]
    page = (SCRIPT.parents[1] / "docs" / "gpu.md").read_text()
    waiting = [name for name in parts if f"`{name}`: " in page]
    assert waiting == [name for name in parts if name != "facts"]


def test_what_is_done_is_kept_when_a_visit_is_interrupted(script, tmp_path):
    def interrupt(folder):
        yield from PARTS[:2]
        raise KeyboardInterrupt

    script["parts"] = interrupt
    with pytest.raises(KeyboardInterrupt):
        script["main"]([f"--out={tmp_path / 'visit'}"])
    found = json.loads((tmp_path / "visit" / "visit.json").read_text())
    assert found["facts"] == {"gpu": "H200"}
    assert found["parts"]["layers"]["state"] == "passed"


def test_without_a_gpu_a_visit_ends_at_once(script, tmp_path):
    script["parts"] = lambda folder: [("facts", 20, "{", "echo no CuPy; exit 1"), *PARTS[1:]]
    with pytest.raises(SystemExit, match="no GPU that CuPy can use; .*facts.log says why"):
        script["main"]([f"--out={tmp_path / 'visit'}"])
    found = json.loads((tmp_path / "visit" / "visit.json").read_text())
    assert list(found["parts"]) == ["facts"]
