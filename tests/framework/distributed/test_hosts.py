"""Two machines: network namespaces with names of their own, joined by a virtual cable.

Each has its own network stack, host name and temporary folder, so that MPI starts a daemon on the
other one and the ranks speak TCP over the cable, not through shared memory.
"""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest
from waiting import until

PROGRAMS = Path(__file__).parent / "programs"


QUIET = {"OPENBLAS_NUM_THREADS": "1", "OMPI_MCA_mpi_yield_when_idle": "1"}
AGENT = """\
#!/bin/bash
# Takes the place of ssh: {agent} HOST COMMAND...
shift
exec ip netns exec {name}-b unshare --uts bash -c "hostname {name}-b; export TMPDIR={tmp}/b; $*"
"""


def ip(*words):
    subprocess.run(["ip", *words], check=True, capture_output=True)


@pytest.fixture(scope="module")
def across(tmp_path_factory, mpi_words, job):
    """A function that starts a program on two hosts, a rank on each, and returns the `Job`."""
    if "--oversubscribe" not in mpi_words:
        pytest.skip("starting ranks on other hosts is tested with Open MPI only")
    if shutil.which("ip") is None or shutil.which("unshare") is None:
        pytest.skip("needs the commands ip (iproute2) and unshare")
    name, tmp = f"firstlight{os.getpid()}", tmp_path_factory.mktemp("hosts")
    hosts, cable = (f"{name}-a", f"{name}-b"), (f"fa{os.getpid()}", f"fb{os.getpid()}")
    try:
        try:
            for host in hosts:
                ip("netns", "add", host)
            ip("link", "add", cable[0], "type", "veth", "peer", "name", cable[1])
        except subprocess.CalledProcessError as error:
            pytest.skip(f"network namespaces cannot be made here: {error.stderr.decode().strip()}")
        for number, (host, end) in enumerate(zip(hosts, cable, strict=True), 1):
            ip("link", "set", end, "netns", host)
            ip("-n", host, "addr", "add", f"10.213.77.{number}/24", "dev", end)
            ip("-n", host, "link", "set", "lo", "up")
            ip("-n", host, "link", "set", end, "up")
            (tmp / host[-1]).mkdir()
        agent = tmp / "agent"
        agent.write_text(AGENT.format(agent=agent, name=name, tmp=tmp))
        agent.chmod(0o755)

        def start(program, *args):
            one_each = [word for word in mpi_words if word != "--oversubscribe"]
            command = [
                *one_each,
                "--bind-to",
                "none",
                "--prtemca",
                "plm_ssh_agent",
                str(agent),
                "-n",
                "2",
            ]
            command += ["--host", "10.213.77.1:1,10.213.77.2:1", sys.executable]
            command += [str(PROGRAMS / program), *map(str, args)]
            inside = f'hostname {hosts[0]}; exec "$@"'
            return job(
                ["ip", "netns", "exec", hosts[0], "unshare", "--uts", "bash", "-c", inside, "-"]
                + command,
                env=os.environ | QUIET | {"TMPDIR": str(tmp / "a")},
            )

        yield start
    finally:
        for host in hosts:
            subprocess.run(["ip", "netns", "del", host], check=False, capture_output=True)


@pytest.mark.slow
def test_two_hosts_compute_what_one_process_does(across, tmp_path):
    alone, ranks = tmp_path / "alone.json", tmp_path / "ranks.json"
    program = [sys.executable, PROGRAMS / "equality.py", alone, "float64"]
    subprocess.run(program, check=True)
    code, _, err = across("equality.py", ranks, "float64").result()
    assert code == 0, err
    expected, found = json.loads(alone.read_text()), json.loads(ranks.read_text())
    assert found["ranks"] == found["hosts"] == 2
    for work in ("mlp-float64", "cnn-float64", "gpt-float64"):
        losses = found[work]["losses"], expected[work]["losses"]
        np.testing.assert_allclose(*losses, rtol=0, atol=1e-12)


def test_a_host_that_loses_its_rank_ends_the_job_on_the_other(across, tmp_path):
    runs = tmp_path / "runs"
    job = across("training.py", runs, 60, 20)
    files = [runs / f"pid.{rank}" for rank in range(2)]
    until(lambda: all(file.exists() and file.read_text() for file in files), job.process)
    time.sleep(0.5)
    pids = [int(file.read_text()) for file in files]
    os.kill(pids[1], signal.SIGKILL)
    assert job.result()[0] != 0
    until(lambda: not any(os.path.exists(f"/proc/{pid}") for pid in pids))
