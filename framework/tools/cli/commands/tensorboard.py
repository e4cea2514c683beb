"""``firstlight tensorboard``: TensorBoard on the runs."""

import os
import sys
from pathlib import Path

from firstlight.runs.find import run_paths
from firstlight.support.extras import require
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

SELECTED = 40  # runs up to which TensorBoard shows all by itself


class Tensorboard(Command):
    """Start TensorBoard on runs; Ctrl-C ends it."""

    options: Options = (
        option("runs_dir", "folder of runs, or a single run", "runs", nargs="?", type=Path),
        option("--port N", "port of the page", 6006),
    )

    def run(self, args: Args) -> int:
        """Replace this process by TensorBoard; return only if that fails."""
        folder = args.runs_dir
        if not folder.is_dir():
            raise UsageError(f"there is no folder {folder}; make a run with: firstlight fit")
        require("this command", "tensorboard", extra="tensorboard")
        tell(f"TensorBoard on {folder}: http://localhost:{args.port}", flush=True)
        if len(run_paths(folder)) > SELECTED:
            tell(
                f"it shows none of more than {SELECTED} runs at first: choose some on the left, or "
                "press TOGGLE ALL RUNS",
                flush=True,
            )
        command = [sys.executable, "-P", "-m", "tensorboard.main"]  # -P: not one in this folder
        command += ["--logdir", str(folder), "--port", str(args.port)]
        os.execv(sys.executable, command)
        return 1
