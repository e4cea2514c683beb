"""``firstlight tensorboard``: TensorBoard on the runs."""

import os
import sys
from pathlib import Path

from firstlight.runs.find import run_paths
from firstlight.support.extras import require
from firstlight.tools.cli.errors import Parser, UsageError
from firstlight.tools.cli.text import tell

SELECTED = 40  # runs up to which TensorBoard shows all by itself


def run(words):
    """Become TensorBoard; returns an exit code only if that fails."""
    parser = Parser("tensorboard", "Start TensorBoard on runs; Ctrl-C ends it.")
    parser.add_argument(
        "runs_dir",
        nargs="?",
        type=Path,
        default=Path("runs"),
        help="folder of runs, or a single run (default: runs)",
    )
    parser.add_argument("--port", type=int, default=6006, help="(default: 6006)")
    own = parser.parse_args(words)
    folder, port = own.runs_dir, str(own.port)
    if not folder.is_dir():
        raise UsageError(f"there is no folder {folder}; make a run with: firstlight fit")
    require("this command", "tensorboard", extra="tensorboard")
    tell(f"TensorBoard on {folder}: http://localhost:{port}", flush=True)
    if len(run_paths(folder)) > SELECTED:
        tell(
            f"it shows none of more than {SELECTED} runs at first: choose some on the left, or "
            "press TOGGLE ALL RUNS",
            flush=True,
        )
    command = [sys.executable, "-P", "-m", "tensorboard.main"]  # -P: not one in this folder
    command += ["--logdir", str(folder), "--port", port]
    os.execv(sys.executable, command)
    return 1
