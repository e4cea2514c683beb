"""``firstlight doctor``: find what is wrong with the environment."""

import json

from firstlight.support.printable import tell
from firstlight.tools.cli.command import JSON, RUNS_DIR, Args, Command, Options
from firstlight.tools.doctor import examine
from firstlight.tools.doctor.page import show


class Doctor(Command):
    """Find what is wrong with the environment: Python and its packages, NumPy, numba, the GPU, MPI,
    disk space and file systems, limits of a container or job, data sets, plugins, notebooks,
    Slurm. Each problem is shown with the reason why it matters, and its cure.

      firstlight doctor
      firstlight doctor --runs_dir /scratch/ada/runs
      firstlight doctor --json

    Exit code 1 if there is a fault; warnings alone are 0.
    """

    options: Options = (RUNS_DIR, JSON)

    def run(self, args: Args) -> int:
        """Examine the environment, and print the findings."""
        found = examine(args.runs_dir)
        if args.json:
            tell(json.dumps(found.to_dict(), indent=1))
        else:
            show(found)
        return int(not found.ok)
