"""What shapes that do not fit tell about a backward."""

import re
import traceback

SHAPE = re.compile(r"\((\d+(?:,\s*\d+)*,?|)\)")


def explain_shapes(got, expected, samples):
    """Return ``(kind, words)`` for an array that came in another shape than it should."""
    came = f"it has shape {tuple(got)} instead of {tuple(expected)}"
    if len(got) > len(expected) and tuple(got[len(got) - len(expected) :]) == tuple(expected):
        return "batch-sum", f"{came}: sum over the axes in front, the batch"
    if sorted(got) == sorted(expected) and tuple(got) != tuple(expected):
        return "transpose", f"{came}: a transpose is missing"
    if len(expected) == len(got) + 1 and tuple(expected[1:]) == tuple(got):
        return "batch-sum", f"{came}: it is summed over the batch, but each sample has its own"
    return "shape", came


def explain_error(error, samples):
    """Return ``(kind, words)`` for an exception that a backward raised."""
    text = " ".join(str(error).split())
    line = source_line(error)
    where = f" at `{line}`" if line else ""
    said = f"backward raises {type(error).__name__}{where}: {text[:160]}"
    if "cannot be replaced" in text:
        return "not-accumulated", f"{said}; add to it: p.grad += ..."
    if "no forward left to undo" in text:
        return "stack", f"{said}; it takes from the stack more often than forward saves"
    shapes = [
        tuple(int(n) for n in found.replace(" ", "").split(",") if n)
        for found in SHAPE.findall(text)
    ]
    if "matmul" in text or "not aligned" in text or "core dimension" in text:
        return "transpose", f"{said}; a transpose is missing, or the factors are in the wrong order"
    if len(shapes) >= 2:
        first, second = shapes[:2]
        pairs = [(second, first), (first, second)]
        if "from shape" in text:  # could not broadcast input array from shape A into shape B
            pairs = [(first, second)]
        for got, expected in pairs:
            kind, _ = explain_shapes(got, expected, samples)
            if kind != "shape":
                cure = "sum over the batch" if kind == "batch-sum" else "a transpose is missing"
                return kind, f"{said}; {cure}"
        if "broadcast" in text and samples in (*first, *second):
            return "batch-sum", f"{said}; sum over the batch"
    return "raises", said


def source_line(error):
    """Return the innermost line of a backward in a traceback."""
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if "backward" in f.name]
    return lines[-1] if lines else ""
