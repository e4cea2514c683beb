"""Node.js for tests: run JavaScript, and read what it returns as JSON."""

import json
import shutil
import subprocess

NODE = shutil.which("node")
NO_NODE = "Node.js (node) is not installed"


def returned(script):
    """Return what ``return`` in a script gives."""
    whole = f"console.log(JSON.stringify((() => {{ {script} }})()))"
    done = subprocess.run(
        [NODE, "-"], input=whole, capture_output=True, text=True, encoding="utf-8"
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)
