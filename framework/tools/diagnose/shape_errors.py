"""Explanations of exceptions that a module's backward raises."""

import traceback


def explain_error(error: Exception) -> tuple[str, str]:
    """Return ``(kind, explanation)`` for an exception of a backward."""
    text = " ".join(str(error).split())
    line = source_line(error)
    where = f" at `{line}`" if line else ""
    said = f"backward raises {type(error).__name__}{where}: {text[:160]}"
    if "cannot be replaced" in text:
        return "not-accumulated", f"{said}; add to it: p.grad += ..."
    if "no forward left to undo" in text:
        return "stack", f"{said}; it takes from the stack more often than forward saves"
    return "raises", said


def source_line(error: Exception) -> str:
    """Return the innermost line of a backward in a traceback, "" without one."""
    lines = [f.line for f in traceback.extract_tb(error.__traceback__) if "backward" in f.name]
    return lines[-1] if lines else ""
