"""Every script in examples/ runs, and reaches what it should."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from campaigns import slow_but

EXAMPLES = Path(__file__).parents[2] / "examples"
ACCURACY = dict.fromkeys(("digits_module.py", "digits_by_hand.py", "digits_picture.py"), 0.96)


SCRIPTS = sorted(path.name for path in EXAMPLES.glob("*.py"))


@pytest.mark.parametrize("script", slow_but(SCRIPTS, "digits_by_hand.py"))
def test_example(script, tmp_path):
    lines = (EXAMPLES / script).read_text().splitlines()
    assert len(lines) <= 60, "an example is short"
    done = subprocess.run(
        [sys.executable, "-W", "error", EXAMPLES / script],
        capture_output=True,
        text=True,
        cwd=tmp_path,
    )
    assert done.returncode == 0, done.stderr
    last_number = float(re.findall(r"(?:acc\w*'?:? )([\d.]+)", done.stdout)[-1])
    assert last_number >= ACCURACY[script]
