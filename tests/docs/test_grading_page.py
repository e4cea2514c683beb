"""The page on grading by pytest: its output is that of its example, wrong and right."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples" / "grading"
PAGE = (ROOT / "docs" / "howto" / "grading.md").read_text(encoding="utf-8")
SHOWN = re.findall(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)


def plain(text):
    """Return the lines of an output, without numbers that differ from run to run."""
    return re.sub(r"\d+e-\d+|[\d.]+ ?s\b", "#", text).splitlines()


@pytest.mark.parametrize(
    ("shown", "code"), list(zip(SHOWN, (1, 0), strict=True)), ids=["wrong", "right"]
)
def test_the_output_is_that_of_the_example(shown, code, tmp_path):
    solution = (EXAMPLE / "affine.py").read_text(encoding="utf-8")
    if code == 0:
        solution = solution.replace("dy.mean(axis=0)", "dy.sum(axis=0)")
    (tmp_path / "affine.py").write_text(solution, encoding="utf-8")
    (tmp_path / "test_affine.py").write_text((EXAMPLE / "test_affine.py").read_text())
    (tmp_path / "pytest.ini").write_text("[pytest]\n")  # the rootdir
    words = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "test_affine.py"]
    done = subprocess.run(words, cwd=tmp_path, capture_output=True, encoding="utf-8")
    assert done.returncode == code, done.stdout + done.stderr
    printed = iter(plain(done.stdout))
    for line in plain(shown):
        assert line == "..." or line in printed, f"{line}\n\n{done.stdout}"
