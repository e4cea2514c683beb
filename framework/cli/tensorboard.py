"""``firstlight tensorboard``: TensorBoard on the runs."""

import importlib.util
import os
import sys
from pathlib import Path

from firstlight.cli.errors import UsageError
from firstlight.cli.words import BARE, split

HELP = """\
usage: firstlight tensorboard [RUNS_DIR] [--port N]

Start TensorBoard on a folder of runs (default: runs) or a single run; Ctrl-C ends it.
"""


def run(argv):
    """Become TensorBoard; returns an exit code only if that fails."""
    positionals, pairs = split(argv)
    flags = dict(pairs)
    if "help" in flags:
        print(HELP, end="")
        return 0
    for flag in flags:
        if flag != "port":
            raise UsageError(f"unknown argument --{flag}")
    port = flags.get("port", "6006")
    if port is BARE or not port.isdigit():
        raise UsageError(f"--port: expected int, got {'nothing' if port is BARE else port}")
    if len(positionals) > 1:
        raise UsageError(f"expected one folder, got {' '.join(positionals)}")
    folder = Path(positionals[0] if positionals else "runs")
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; make a run with: firstlight fit")
    if importlib.util.find_spec("tensorboard") is None:
        raise RuntimeError(
            "TensorBoard is not installed; install it with: pip install 'firstlight[tensorboard]'"
        )
    print(f"TensorBoard on {folder}: http://localhost:{port}", flush=True)
    command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder), "--port", port]
    os.execv(sys.executable, command)
    return 1
