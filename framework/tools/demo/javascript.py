"""The network in JavaScript: its description, the files that compute it, and a run in Node.js."""

import json
import re
import shutil
import subprocess
import tempfile
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.demo.encoding import Packer
from firstlight.tools.demo.known_layers import Description
from firstlight.tools.demo.trace import Graph

HERE = Path(__file__).parent
ENGINE = ("arrays.js", "window.js", "model.js")
RUN = """
const fs = require("fs"), [, , input, output, ...shape] = process.argv;
const bytes = fs.readFileSync(input), network = JSON.parse(fs.readFileSync(process.argv[1] + "on"));
const x = new Arr(shape.map(Number), new Float32Array(bytes.buffer, bytes.byteOffset, bytes.length / 4));
fs.writeFileSync(output, Buffer.from(new Model(network).forward(x).data.buffer));
"""


def network(graph: Graph, formats: dict[int, str] | None = None) -> dict[str, Any]:
    """Return a graph as JSON for ``Model`` of ``page/model.js``.

    Parameters
    ----------
    graph : Graph
    formats : dict, optional
        The format of arrays by their id; the others are float32.
    """
    packer, formats = Packer(), formats or {}

    def described(layer: Description) -> dict[str, Any]:
        arrays = layer.arrays.items()
        return {
            "type": layer.type,
            "settings": layer.settings,
            "arrays": {n: packer.add(a, formats.get(id(a), "float32")) for n, a in arrays},
            "parts": {name: described(part) for name, part in layer.parts.items()},
        }

    nodes = [
        {"path": node.path, "inputs": node.inputs, **described(node.description)}
        for node in graph.nodes
    ]
    return {
        "nodes": nodes,
        "output": graph.output,
        "tensors": packer.tensors,
        "weights": packer.base64(),
    }


@cache
def layer_files() -> dict[str, Path]:
    """Return the file of each layer in JavaScript by its type."""
    found = {}
    for file in sorted((HERE / "layers").glob("*.js")):
        for name in re.findall(r"^layers\.(\w+) =", file.read_text("utf-8"), re.M):
            found[name] = file
    return found


def engine(graph: Graph) -> str:
    """Return the JavaScript that computes a graph, with the files of its layers only."""
    types = set().union(*(node.description.types() for node in graph.nodes))
    files = {layer_files()[name] for name in types if name in layer_files()}
    paths = [*(HERE / "page" / name for name in ENGINE), *sorted(files)]
    return "\n".join(path.read_text("utf-8") for path in paths)


def node_js() -> str | None:
    """Return the path of Node.js, or None."""
    return shutil.which("node")


def run_in_node(graph: Graph, x: Array, formats: dict[int, str] | None = None) -> Array:
    """Return the output of a graph for x, computed by Node.js in float32.

    Raises
    ------
    RuntimeError
        JavaScript failed; the message is its error.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        script, given, made = (folder / name for name in ("run.js", "x.bin", "y.bin"))
        script.write_text(engine(graph) + RUN, "utf-8")
        Path(f"{script}on").write_text(json.dumps(network(graph, formats)), "utf-8")
        given.write_bytes(x.astype("<f4").tobytes())
        command = [node_js() or "node", str(script), str(given), str(made), *map(str, x.shape)]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if "Error" in line]
            raise RuntimeError(f"the network failed in Node.js: {(told or ['no message'])[0]}")
        flat = np.frombuffer(made.read_bytes(), "<f4")
    return flat.reshape(len(x), -1)
