"""Seeds of doctor's tests: fake packages, programs and folders, made for real where possible."""

import json
import os
import shutil
import subprocess
import sys

LAUNCH = "import sys; from firstlight.tools.doctor.examination import report; report(*sys.argv[1:])"
DRIVER = """
int cuDriverGetVersion(int *number) {{ *number = {version}; return 0; }}
int cuInit(unsigned flags) {{ return {code}; }}
"""


def package(site, name, version="1.0", *requires, code=None, points="", origin=None):
    """Write a package's metadata, and its module if there is code, into a folder."""
    info = site / f"{name.replace('-', '_')}-{version}.dist-info"
    info.mkdir(parents=True)
    lines = ["Metadata-Version: 2.1", f"Name: {name}", f"Version: {version}"]
    lines += [f"Requires-Dist: {need}" for need in requires]
    (info / "METADATA").write_text("\n".join(lines) + "\n")
    if points:
        (info / "entry_points.txt").write_text(f"[firstlight]\n{points}\n")
    if origin is not None:
        text = json.dumps({"url": origin.as_uri(), "dir_info": {"editable": True}})
        (info / "direct_url.json").write_text(text)
    if code is not None:
        folder = site / name
        folder.mkdir()
        (folder / "__init__.py").write_text(code)
    return site


def program(folder, name, says="", code=0):
    """Write a program that says something and ends with a code."""
    folder.mkdir(exist_ok=True)
    path = folder / name
    path.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{says}\nEND\nexit {code}\n")
    path.chmod(0o755)
    return folder


def kernel(folder, name, python):
    """Write a kernel of Jupyter that starts a Python; returns the folder for JUPYTER_PATH."""
    place = folder / "kernels" / name
    place.mkdir(parents=True)
    argv = [str(python), "-m", "ipykernel_launcher"]
    (place / "kernel.json").write_text(json.dumps({"argv": argv}))
    return folder


def driver(folder, version=12040, code=0):
    """Compile a driver's library that reports a CUDA version and how it starts."""
    folder.mkdir(exist_ok=True)
    source = folder / "driver.c"
    source.write_text(DRIVER.format(version=version, code=code))
    target = str(folder / "libcuda.so.1")
    subprocess.run([shutil.which("gcc"), "-shared", "-o", target, str(source)], check=True)
    return folder


def in_process(group, runs_dir="runs", limits=(), **environment):
    """Return the kinds and findings of a group, examined in a process with settings of its own."""

    def restrict():
        import resource

        for name, value in limits:
            resource.setrlimit(getattr(resource, name), (value, value))

    kept = {name: value for name, value in os.environ.items() if name not in environment}
    done = subprocess.run(
        [sys.executable, "-P", "-c", LAUNCH, str(runs_dir), group],
        capture_output=True,
        text=True,
        errors="replace",
        env=kept | {name: str(value) for name, value in environment.items() if value is not None},
        preexec_fn=restrict if limits else None,
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout.rpartition("findings of firstlight doctor: ")[2])[1]
