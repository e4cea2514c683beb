"""Work in processes that outlive this one: after a command, its user need not wait for it."""

import os
import subprocess
import sys

# A batch job or a container ends with its first process.
ENDS_WITH_COMMAND = ("SLURM_JOB_ID", "PBS_JOBID", "LSB_JOBID", "CI")
ONE_THREAD = {f"{name}_NUM_THREADS": "1" for name in ("OMP", "OPENBLAS", "MKL")}

_started: list[subprocess.Popen[bytes]] = []  # one that is deleted while it runs causes a warning


def start(code: str, *words: str) -> bool:
    """Run Python code in a process of its own, with one thread and a low priority.

    It runs in the root folder, since this process's folder may be deleted meanwhile.

    Parameters
    ----------
    code : str
    *words : str
        ``sys.argv[1:]`` of the code.

    Returns
    -------
    bool
        False if the process could not outlive this one, or FIRSTLIGHT_BACKGROUND is 0: then nothing
        was started.
    """
    fleeting = any(name in os.environ for name in ENDS_WITH_COMMAND) or os.getpid() == 1
    if fleeting or os.environ.get("FIRSTLIGHT_BACKGROUND") == "0" or not sys.executable:
        return False
    command = [
        sys.executable,
        "-P",
        "-c",
        f"import os\nif hasattr(os, 'nice'): os.nice(10)\n{code}",
    ]
    options = {"stdin": subprocess.DEVNULL, "stdout": subprocess.DEVNULL}
    options |= {"stderr": subprocess.DEVNULL, "env": {**os.environ, **ONE_THREAD}, "cwd": os.sep}
    if os.name == "nt":
        options["creationflags"] = (
            subprocess.BELOW_NORMAL_PRIORITY_CLASS | subprocess.CREATE_NO_WINDOW
        )
    try:
        _started.append(
            subprocess.Popen([*command, *words], start_new_session=True, **options)  # no Ctrl-C
        )
    except OSError:  # no memory, too many processes
        return False
    return True
