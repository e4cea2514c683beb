"""The file's content: a graph as an ONNX model, with metadata."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.tools.onnx.graph import Written
from firstlight.tools.tracing.symbolic import Dim

OPSET = 20
IR_VERSION = 9  # of ONNX 1.15, the first with this opset


def make_model(written: Written, module: Module, metadata: Mapping[str, str]) -> Any:
    """Return a graph as a checked model with metadata.

    Parameters
    ----------
    written : Written
    module : Module
    metadata : dict of str
        Entries in addition to the usual ones.
    """
    import onnx
    from onnx import helper, numpy_helper

    import firstlight

    graph = written.graph
    described = [list(map(_info, values)) for values in (written.inputs, written.outputs)]
    graph.drop_unused([value.name for value in written.outputs])
    constants = [numpy_helper.from_array(a, name) for name, a in graph.constants.items()]
    made = helper.make_graph(graph.nodes, type(module).__name__, *described, constants)
    model = helper.make_model(
        made,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="firstlight",
        producer_version=firstlight.__version__,
    )
    helper.set_model_props(
        model, _metadata(module, written.inputs, firstlight.__version__) | dict(metadata)
    )
    onnx.checker.check_model(model, full_check=True)
    return model


def _metadata(module, inputs, version):
    described = {v.name: {"shape": [*map(shown, v.shape)], "dtype": v.dtype.name} for v in inputs}
    entries = {
        "firstlight": version,
        "model": f"{type(module).__module__}:{type(module).__qualname__}",
        "inputs": json.dumps(described),
    }
    kept = module._preprocessing
    if kept is not None:
        entries["preprocessing"] = json.dumps(kept.to_dict())
        if kept.classes is not None:
            entries["classes"] = json.dumps(kept.classes)
    return entries


def _info(value):
    from onnx import helper

    kind = helper.np_dtype_to_tensor_dtype(np.dtype(value.dtype))
    return helper.make_tensor_value_info(value.name, kind, [shown(n) for n in value.shape])


def shown(size: Any) -> Any:
    """Return a size as a file has it: a number, or a name such as "N"."""
    return str(size) if isinstance(size, Dim) else int(size)
