"""tensorboardX's formats, without the package around them.

``import tensorboardX`` takes half a second, and over two where PyTorch is installed, which its
writer imports. The formats alone take 0.05 s.
"""

import sys
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from importlib.util import find_spec
from types import ModuleType, SimpleNamespace

PACKAGE = "tensorboardX"


@cache
def formats():
    """Return tensorboardX's message types by name, and its checksum."""
    with _bare_package():
        event, summary, tensor, graph, hparams, pr_curve = (
            import_module(f"{PACKAGE}.proto.{name}_pb2")
            for name in ("event", "summary", "tensor", "graph", "plugin_hparams", "plugin_pr_curve")
        )
        checksum = import_module(f"{PACKAGE}.record_writer").masked_crc32c
    return SimpleNamespace(
        Event=event.Event,
        SessionLog=event.SessionLog,
        Summary=summary.Summary,
        HistogramProto=summary.HistogramProto,
        SummaryMetadata=summary.SummaryMetadata,
        TensorProto=tensor.TensorProto,
        GraphDef=graph.GraphDef,
        SessionStartInfo=hparams.SessionStartInfo,
        SessionEndInfo=hparams.SessionEndInfo,
        HParamsPluginData=hparams.HParamsPluginData,
        PrCurvePluginData=pr_curve.PrCurvePluginData,
        checksum=checksum,
    )


@contextmanager
def _bare_package():
    """Let modules of the package be imported without its own first lines.

    Later imports of the package find nothing of this, and are complete.
    """
    if PACKAGE in sys.modules:
        yield
        return
    bare = ModuleType(PACKAGE)
    bare.__path__ = list(find_spec(PACKAGE).submodule_search_locations)
    sys.modules[PACKAGE] = bare
    try:
        yield
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == PACKAGE]:
            del sys.modules[name]
