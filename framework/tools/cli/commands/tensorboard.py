"""``firstlight tensorboard``: TensorBoard on the runs."""

import getpass
import os
import platform
import shlex
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

from firstlight.runs.find import run_paths
from firstlight.support.extras import require
from firstlight.tools.cli.command import Args, Command, Options, option
from firstlight.tools.cli.errors import UsageError
from firstlight.tools.cli.text import tell

WINDOWS = sys.platform == "win32"
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
        if line := tunnel(args.port, os.environ):
            tell(f"from your own computer, open that page through: {line}", flush=True)
        if len(run_paths(folder)) > SELECTED:
            tell(
                f"it shows none of more than {SELECTED} runs at first: choose some on the left, or "
                "press TOGGLE ALL RUNS",
                flush=True,
            )
        command = [sys.executable, "-P", "-m", "tensorboard.main"]  # -P: not one in this folder
        command += ["--logdir", str(folder), "--port", str(args.port)]
        if WINDOWS:  # execv would return to the prompt at once
            return subprocess.call(command)
        os.execv(sys.executable, command)
        return 1


def tunnel(port: int, variables: Mapping[str, str]) -> str | None:
    """Return the command that forwards a port of this machine to the user's own computer.

    Parameters
    ----------
    port : int
    variables : mapping of str to str
        Environment variables, by which ssh and Slurm tell that this machine is remote.

    Returns
    -------
    str or None
        None if this process was not started through ssh or Slurm.

    Examples
    --------
    >>> from firstlight.tools.cli.commands.tensorboard import tunnel
    >>> tunnel(6006, {"SSH_CONNECTION": "10.0.0.9 51034 10.0.0.1 22", "USER": "ada"})
    'ssh -N -L 6006:localhost:6006 ada@10.0.0.1'
    >>> job = {"SLURMD_NODENAME": "node7", "SLURM_SUBMIT_HOST": "login1", "USER": "ada"}
    >>> tunnel(6006, job)
    'ssh -N -L 6006:localhost:6006 -J ada@login1 ada@node7'
    """
    user = shlex.quote(variables.get("USER") or getpass.getuser())
    start = f"ssh -N -L {port}:localhost:{port}"
    if node := variables.get("SLURMD_NODENAME"):  # reached through the host of the login
        login = variables.get("SLURM_SUBMIT_HOST") or platform.node()
        return f"{start} -J {user}@{shlex.quote(login)} {user}@{shlex.quote(node)}"
    _, _, host, ssh_port = (*variables.get("SSH_CONNECTION", "").split(), *[""] * 4)[:4]
    if not host:
        return None
    return f"{start}{f' -p {ssh_port}' * (ssh_port != '22')} {user}@{shlex.quote(host)}"
