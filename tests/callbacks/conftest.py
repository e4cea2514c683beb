"""A real TensorBoard to ask."""

import json
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request

import pytest


@pytest.fixture
def server(tmp_path):
    """Start TensorBoard on the runs folder; returns ``ask(path, body=None, text=False)``."""
    processes = []

    def start(folder):
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        command = [sys.executable, "-m", "tensorboard.main", "--logdir", str(folder)]
        command += ["--host", "127.0.0.1", "--port", str(port), "--load_fast", "false"]
        with (tmp_path / "tensorboard.log").open("w") as log:
            processes.append(subprocess.Popen(command, stdout=log, stderr=log))

        def ask(path, body=None, text=False):
            request = urllib.request.Request(
                f"http://127.0.0.1:{port}/data/{path}",
                data=None if body is None else json.dumps(body).encode(),
                headers={"Content-Type": "application/json"},
            )
            with urllib.request.urlopen(request) as answer:
                return answer.read().decode() if text else json.load(answer)

        while True:
            try:
                if ask("runs"):
                    return ask
            except (urllib.error.URLError, ConnectionError, TimeoutError):
                pass
            if processes[0].poll() is not None:
                pytest.fail((tmp_path / "tensorboard.log").read_text())
            time.sleep(0.1)

    yield start
    for process in processes:
        process.terminate()
        process.wait()
