"""A real Slurm on this machine for a test: munged, slurmctld and two slurmd of the present user.

Everything is in one folder, on free ports; nothing of the system's own Slurm is used or changed.
"""

import getpass
import os
import platform
import secrets
import shutil
import signal
import socket
import subprocess
from contextlib import suppress
from pathlib import Path

from waiting import until

PROGRAMS = ("munged", "slurmctld", "slurmd", "sbatch", "srun", "scontrol", "squeue")
PLACES = os.pathsep.join((os.environ["PATH"], "/usr/sbin", "/usr/local/sbin"))
OVER = {"COMPLETED", "FAILED", "TIMEOUT", "CANCELLED", "NODE_FAIL", "OUT_OF_MEMORY"}

# cred_expire: seconds until a job that is queued again may start; less than 5 would mean 120.
# KillWait: seconds from SIGTERM, at a time limit, to SIGKILL.
CONFIG = """\
ClusterName=small
SlurmctldHost={host}(127.0.0.1)
SlurmctldPort={ports[0]}
SlurmUser={user}
SlurmdUser={user}
AuthType=auth/munge
CredType=cred/munge
AuthInfo=socket={folder}/munge.socket,cred_expire=5
StateSaveLocation={folder}/state
SlurmdSpoolDir={folder}/spool-%n
SlurmctldPidFile={folder}/slurmctld.pid
SlurmdPidFile={folder}/slurmd-%n.pid
SlurmctldLogFile={folder}/slurmctld.log
SlurmdLogFile={folder}/slurmd-%n.log
ProctrackType=proctrack/linuxproc
TaskPlugin=task/none
JobAcctGatherType=jobacct_gather/none
SelectType=select/cons_tres
SelectTypeParameters=CR_Core
SlurmdParameters=config_overrides
SchedulerParameters=batch_sched_delay=0,sched_interval=1,bf_interval=1
ReturnToService=2
KillWait=3
MpiDefault=none
NodeName=one NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[1]} CPUs=16
NodeName=two NodeHostname={host} NodeAddr=127.0.0.1 Port={ports[2]} CPUs=16
PartitionName=all Nodes=ALL Default=YES MaxTime=INFINITE State=UP
"""


def missing():
    """Return why there can be no Slurm here, or None."""
    lacking = [program for program in PROGRAMS if shutil.which(program, path=PLACES) is None]
    if lacking:
        return f"{lacking[0]} is not installed (apt-get install slurm-wlm munge)"
    return None


class SmallSlurm:
    """A cluster of two nodes on this machine, until `close`.

    Parameters
    ----------
    folder : pathlib.Path
        With a short path: munge's socket is in it.
    """

    def __init__(self, folder):
        self.folder, self._daemons = folder, {}
        self.environment = {
            name: value for name, value in os.environ.items() if not name.startswith("SLURM")
        } | {"SLURM_CONF": f"{folder}/slurm.conf", "PATH": PLACES}
        for name in ("state", "spool-one", "spool-two"):
            (folder / name).mkdir()
        (folder / "munge.key").write_bytes(secrets.token_bytes(128))
        (folder / "munge.key").chmod(0o600)
        (folder / "slurm.conf").write_text(
            CONFIG.format(
                host=platform.node().partition(".")[0],
                user=getpass.getuser(),
                folder=folder,
                ports=_free_ports(3),
            )
        )
        files = [f"--{name}-file={folder}/munge.{name}" for name in ("key", "log", "pid", "seed")]
        try:
            self._start("munged", "-F", "--force", f"--socket={folder}/munge.socket", *files)
            self._start("slurmctld", "-D", "-c")
            for node in ("one", "two"):
                self.start_node(node)
        except BaseException:
            self.close()
            raise

    def _start(self, program, *words, name=None):
        with open(self.folder / f"{name or program}.out", "a") as out:
            self._daemons[name or program] = subprocess.Popen(
                [shutil.which(program, path=PLACES), *words],
                env=self.environment,
                stdin=subprocess.DEVNULL,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def start_node(self, node):
        """Start the daemon of a node, and wait until jobs can start there."""
        self._start("slurmd", "-D", "-N", node, name=node)
        state = ("sinfo", "--noheader", f"--nodes={node}", "--format=%T")
        until(lambda: self.told(*state) in ("idle", "mixed"), *self._daemons.values())

    def fail_node(self, node):
        """Kill a node's daemon and all that runs on it, and report the node as down."""
        daemon = self._daemons.pop(node)
        daemon.kill()
        daemon.wait()
        self._kill_jobs(node)
        self.told("scontrol", "update", f"nodename={node}", "state=down", "reason=test")

    def told(self, *command):
        """Return the output of a command of Slurm, "" if it fails."""
        done = subprocess.run(command, env=self.environment, capture_output=True, text=True)
        return done.stdout.strip() if done.returncode == 0 else ""

    def start_now(self, number):
        """Let a job start that waits because it was queued again."""
        self.run("scontrol", "update", f"jobid={number}", "starttime=now")

    def run(self, *command, **options):
        """Run a command that must succeed, and return its output."""
        done = subprocess.run(
            command, env=self.environment, capture_output=True, text=True, **options
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def job(self, number):
        """Return what Slurm knows of a job, as a dict."""
        text = self.told("scontrol", "--oneliner", "show", "job", str(number))
        return dict(word.split("=", 1) for word in text.split() if "=" in word)

    def await_end(self, number):
        """Wait until a job is over, not queued again, and return its last state."""
        return until(lambda: self._over(self.job(number)), *self._daemons.values())

    @staticmethod
    def _over(job):
        # Between two attempts the state is COMPLETING or PENDING.
        return job["JobState"] if job.get("JobState") in OVER else None

    def close(self):
        """End all jobs and daemons."""
        if all(daemon.poll() is None for daemon in self._daemons.values()):
            self.told("scancel", "--me")
            until(lambda: not self.told("squeue", "--noheader"), *self._daemons.values())
        for daemon in reversed(self._daemons.values()):
            daemon.kill()
        for daemon in self._daemons.values():
            daemon.wait()
        for node in ("one", "two"):
            self._kill_jobs(node)

    def _kill_jobs(self, node):
        """Kill the steps of a node: each is a session of slurmstepd and its processes."""
        marks = {f"SLURM_CONF={self.folder}/slurm.conf", f"SLURMD_NODENAME={node}"}
        steps = set()
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):  # it has just ended, or is another user's
                if marks <= set((place / "environ").read_text(errors="replace").split("\0")):
                    steps.add(os.getsid(int(place.name)))
        for place in Path("/proc").glob("[0-9]*"):
            with suppress(OSError):
                if os.getsid(int(place.name)) in steps - {os.getsid(0)}:
                    os.kill(int(place.name), signal.SIGKILL)


def _free_ports(count):
    sockets = [socket.create_server(("127.0.0.1", 0)) for _ in range(count)]
    ports = [one.getsockname()[1] for one in sockets]
    for one in sockets:
        one.close()
    return ports
