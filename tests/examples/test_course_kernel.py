"""The kernels of examples/course/4_kernel.py, and the findings that the chapter quotes."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight.tools.kernel_checker.compiling import compiler

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs" / "course" / "4-cupy.md").read_text(encoding="utf-8")


@pytest.mark.skipif(not compiler(), reason="needs g++")
def test_the_kernels_are_right_and_the_chapter_quotes_what_the_mistakes_bring(tmp_path):
    script = ROOT / "examples" / "course" / "4_kernel.py"
    done = subprocess.run(
        [sys.executable, "-W", "error", script], capture_output=True, text=True, cwd=tmp_path
    )
    assert done.returncode == 0, done.stderr
    first, *findings = done.stdout.splitlines()
    assert float(re.fullmatch(r"checker: largest difference from NumPy (\S+)", first)[1]) < 1e-4
    quoted = re.search(r"^```text\n(.*?)^```$", PAGE, re.M | re.S)[1]
    assert findings == [" ".join(text.split()) for text in quoted.strip().split("\n\n")]
