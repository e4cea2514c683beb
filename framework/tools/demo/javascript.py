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
const fs = require("fs"), folder = process.argv[2] + "/";
JSON.parse(fs.readFileSync(folder + "cases.json")).forEach(({ network, shape }, k) => {
  const bytes = Uint8Array.from(fs.readFileSync(folder + k + ".in"));
  const x = new Arr(shape, new Float32Array(bytes.buffer));
  fs.writeFileSync(folder + k + ".out", Buffer.from(new Model(network).forward(x).data.buffer));
});
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


def engine(*graphs: Graph) -> str:
    """Return the JavaScript that computes graphs, with the files of their layers only."""
    types = set().union(*(node.description.types() for graph in graphs for node in graph.nodes))
    files = {layer_files()[name] for name in types if name in layer_files()}
    paths = [*(HERE / "page" / name for name in ENGINE), *sorted(files)]
    return "\n".join(path.read_text("utf-8") for path in paths)


def node_js() -> str | None:
    """Return the path of Node.js, or None."""
    return shutil.which("node")


def run_in_node(*cases: tuple[Graph, Array, dict[int, str]]) -> list[Array]:
    """Return the outputs of networks, computed by Node.js in float32.

    Parameters
    ----------
    cases : tuples (graph, x, formats)
        As for `network`.

    Returns
    -------
    list of arrays, shape (N, -1)

    Raises
    ------
    RuntimeError
        JavaScript failed; the message is its error.
    """
    with tempfile.TemporaryDirectory() as name:
        folder, given = Path(name), []
        for k, (graph, x, formats) in enumerate(cases):
            given.append({"network": network(graph, formats), "shape": list(x.shape)})
            (folder / f"{k}.in").write_bytes(x.astype("<f4").tobytes())
        (folder / "cases.json").write_text(json.dumps(given), "utf-8")
        (folder / "run.js").write_text(engine(*(case[0] for case in cases)) + RUN, "utf-8")
        command = [node_js() or "node", str(folder / "run.js"), name]
        done = subprocess.run(command, capture_output=True, text=True, encoding="utf-8")
        if done.returncode:
            told = [line for line in done.stderr.splitlines() if "Error" in line]
            raise RuntimeError(f"the network failed in Node.js: {(told or ['no message'])[0]}")
        outputs = [(folder / f"{k}.out").read_bytes() for k in range(len(cases))]
    return [
        np.frombuffer(output, "<f4").reshape(len(x), -1)
        for output, (_, x, _) in zip(outputs, cases, strict=True)
    ]
