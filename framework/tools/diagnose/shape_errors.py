"""Explanations of arrays of the wrong shape, and of exceptions that backward raises."""

import re
import traceback
from collections.abc import Sequence

SHAPE = re.compile(r"\((\d+(?:,\s*\d+)*,?|)\)")


def explain_shapes(got: Sequence[int], expected: Sequence[int]) -> tuple[str, str]:
    """Return ``(kind, explanation)`` for an array of another shape than expected."""
    got, expected = tuple(got), tuple(expected)
    came = f"it has shape {got} instead of {expected}"
    if len(got) > len(expected) and got[len(got) - len(expected) :] == expected:
        return "batch-sum", f"{came}: sum over the axes in front, the batch"
    if sorted(got) == sorted(expected) and got != expected:
        return "transpose", f"{came}: a transpose is missing"
    if len(expected) == len(got) + 1 and expected[1:] == got:
        return "batch-sum", f"{came}: it is summed over the batch, but each sample has its own"
    return "shape", came


def explain_error(error: Exception, samples: int) -> tuple[str, str]:
    """Return ``(kind, explanation)`` for an exception of a backward on a batch of samples."""
    text = " ".join(str(error).split())
    line = source_line(error)
    where = f" at `{line}`" if line else ""
    said = f"backward raises {type(error).__name__}{where}: {text[:160]}"
    if "cannot be replaced" in text:
        return "not-accumulated", f"{said}; add to it: p.grad += ..."
    if "no forward left to undo" in text:
        return "stack", f"{said}; it takes from the stack more often than forward saves"
    if "matmul" in text or "not aligned" in text or "core dimension" in text:
        return "transpose", f"{said}; a transpose is missing, or the factors are in the wrong order"
    shapes = [tuple(map(int, re.findall(r"\d+", found))) for found in SHAPE.findall(text)]
    if len(shapes) >= 2:
        first, second = shapes[:2]
        pairs = [(second, first), (first, second)]
        if "from shape" in text:  # could not broadcast input array from shape A into shape B
            pairs = [(first, second)]
        for got, expected in pairs:
            kind, _ = explain_shapes(got, expected)
            if kind != "shape":
                cure = "sum over the batch" if kind == "batch-sum" else "a transpose is missing"
                return kind, f"{said}; {cure}"
        if "broadcast" in text and samples in (*first, *second):
            return "batch-sum", f"{said}; sum over the batch"
    return "raises", said


def source_line(error: Exception) -> str:
    """Return the innermost line of a backward in a traceback, "" without one."""
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if "backward" in f.name]
    return lines[-1] if lines else ""
