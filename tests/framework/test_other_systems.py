"""What differs on Windows and macOS, simulated here: missing calls, open files, consoles."""

import ctypes
import os
import signal
import subprocess
import sys
from types import SimpleNamespace

import pytest
from campaigns import slow_but

from firstlight.runs import processes
from firstlight.support import files
from firstlight.tools.cli.commands import tensorboard
from firstlight.tools.sweeps import driver

# A command where the calls of POSIX are missing; packages of others are imported before.
WITHOUT_POSIX = """
import concurrent.futures, ctypes, multiprocessing, os, shutil, signal, ssl, subprocess, sys
import tempfile, time
import jsonargparse, matplotlib.pyplot, numpy, platformdirs, pluggy, rich.console, threadpoolctl

usage = shutil.disk_usage(".")
shutil.disk_usage = lambda path: usage  # it calls statvfs here
missing = {
    os: "fork forkpty getuid geteuid getgid setsid killpg getpgid sched_getaffinity statvfs "
        "register_at_fork nice getloadavg sysconf mkfifo chown O_DIRECTORY O_NOFOLLOW uname",
    signal: "SIGUSR1 SIGUSR2 SIGALRM SIGHUP setitimer pthread_sigmask",
    time: "clock_gettime CLOCK_BOOTTIME",
}
for module, names in missing.items():
    for name in names.split():
        if hasattr(module, name):
            delattr(module, name)
sys.modules |= dict.fromkeys(["fcntl", "resource", "pwd", "grp", "termios", "pty", "tty"])
from firstlight.__main__ import main
sys.exit(main())
"""
FIT = "fit --trainer.max_steps 2"


def run(*words, cwd, **environment):
    environment = {**os.environ, "PYTHONUTF8": "0", "PYTHONIOENCODING": "cp1252"} | environment
    return subprocess.run(
        [sys.executable, *words], cwd=cwd, capture_output=True, env=environment, encoding="cp1252"
    )


@pytest.mark.parametrize("commands", slow_but([f"{FIT}; runs list", "doctor --json"]))
def test_commands_run_without_the_calls_of_posix(commands, tmp_path):
    for command in commands.split("; "):
        done = run("-c", WITHOUT_POSIX, *command.split(), cwd=tmp_path)
        assert "Traceback" not in done.stderr
        assert done.returncode == 0 or command.startswith("doctor"), done.stderr
        assert "-broken" not in done.stdout


@pytest.mark.slow
def test_commands_run_on_a_console_of_windows(tmp_path):
    """An encoding without the letters of tables, bars and formulas."""
    commands = [FIT, "runs list", "runs show", "forms", "models", "check --model mlp", "doctor"]
    for command in commands:
        done = run("-m", "firstlight", *command.split(), cwd=tmp_path)
        assert done.returncode == 0 or command == "doctor", (command, done.stderr)
        assert "Traceback" not in done.stderr


class OpenProcess:
    """Of processes 7 and 8 it returns a handle; 9 is another user's, and there is no 10."""

    restype, error = None, 0

    def __call__(self, rights, inherit, pid):
        self.error = {9: processes.ACCESS_DENIED, 10: 87}.get(pid, 0)
        return pid if pid in (7, 8) else None


@pytest.mark.parametrize(("pid", "alive"), [(7, True), (8, False), (9, True), (10, False)])
def test_a_process_of_windows_gets_no_signal(pid, alive, monkeypatch):
    """There signal 0 is Ctrl-C, which would interrupt the training that is asked about."""
    closed = []
    system = SimpleNamespace(
        OpenProcess=OpenProcess(),
        WaitForSingleObject=lambda handle, _: processes.STILL_RUNS if handle.value == 7 else 0,
        CloseHandle=lambda handle: closed.append(handle.value),
    )
    monkeypatch.setattr(processes, "WINDOWS", True)
    monkeypatch.setattr(ctypes, "WinDLL", lambda *_, **__: system, raising=False)
    error = lambda: system.OpenProcess.error  # noqa: E731
    monkeypatch.setattr(ctypes, "get_last_error", error, raising=False)
    monkeypatch.setattr(os, "kill", lambda *_: pytest.fail("a signal"))
    assert processes.alive(pid) is alive
    assert closed == [pid] * (pid in (7, 8))


def refusing(times, calls):
    real = os.replace

    def replace(*paths):
        calls.append(paths)
        if len(calls) <= times:
            raise PermissionError(13, "the file is in use")
        real(*paths)

    return replace


@pytest.mark.parametrize(("times", "written"), [(2, True), (9, False)])
def test_a_file_that_is_being_read_is_replaced_a_little_later(
    times, written, tmp_path, monkeypatch
):
    calls, path = [], tmp_path / "summary.json"
    path.write_text("old")
    monkeypatch.setattr(files, "RETRIES", (0, 0, 0))
    monkeypatch.setattr(os, "replace", refusing(times, calls))
    if written:
        files.write_atomically(path, "new")
    else:
        with pytest.raises(PermissionError):
            files.write_atomically(path, "new")
    assert path.read_text() == ("new" if written else "old")
    assert len(calls) == (3 if written else 4)
    assert list(tmp_path.iterdir()) == [path]


def test_elsewhere_a_refusal_is_an_error_at_once(tmp_path, monkeypatch):
    calls = []
    monkeypatch.setattr(files, "RETRIES", ())
    monkeypatch.setattr(os, "replace", refusing(1, calls))
    with pytest.raises(PermissionError):
        files.write_atomically(tmp_path / "summary.json", "new")
    assert len(calls) == 1


@pytest.mark.parametrize("windows", [False, True])
@pytest.mark.parametrize("by_hand", [False, True])
def test_ctrl_c_on_windows_does_not_kill_what_saves(windows, by_hand, monkeypatch):
    sent = []

    class Process:
        def send_signal(self, number):
            sent.append(number)

        def wait(self):
            sent.append("waited")

    monkeypatch.setattr(driver, "WINDOWS", windows)
    sweep = driver.Driver.__new__(driver.Driver)
    sweep._running = {Process(): 1}
    sweep._stop(by_hand=by_hand)
    assert sent == [signal.SIGTERM] * (not (windows and by_hand)) + ["waited"]


def test_tensorboard_on_windows_keeps_the_prompt(tmp_path, monkeypatch):
    commands = []
    monkeypatch.setattr(tensorboard, "WINDOWS", True)
    monkeypatch.setattr(tensorboard.subprocess, "call", lambda c: commands.append(c) or 3)
    (tmp_path / "runs").mkdir()
    monkeypatch.chdir(tmp_path)
    assert tensorboard.Tensorboard()("tensorboard", []) == 3
    assert commands[0][2:4] == ["-m", "tensorboard.main"]
