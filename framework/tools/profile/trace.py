"""The spans of a profile as a trace for https://ui.perfetto.dev or chrome://tracing.

References
----------
Trace Event Format, Google, 2016: complete events ("X") with times in microseconds.
"""

from collections.abc import Sequence
from typing import Any

from firstlight.tools.profile.profile import Profile
from firstlight.tools.profile.recorder import Span

PROCESS = THREAD = 1


def chrome_trace(profile: Profile, steps: Sequence[tuple[float, list[Span]]]) -> dict[str, Any]:
    """Return a trace of the measured steps, one after the other, as a JSON-able dict.

    Parameters
    ----------
    profile : Profile
        Its values go to ``otherData``.
    steps : list of (float, list of Span)
        Seconds and spans of each step.

    Returns
    -------
    dict
        ``traceEvents``, ``displayTimeUnit`` and ``otherData``.
    """
    classes = {layer.name: layer.type for layer in profile.layers}
    events = [_metadata("process_name", "firstlight"), _metadata("thread_name", profile.device)]
    offset = 0.0
    for number, (seconds, spans) in enumerate(steps, 1):
        events.append(_event(f"step {number}", "step", offset, seconds))
        for span in spans:
            of_layer = span.phase in ("forward", "backward")
            name = span.name or (classes.get("", "") if of_layer else span.phase)
            name = f"{name} {span.phase}" if of_layer else name
            event = _event(name, span.phase, offset + span.start, span.end - span.start)
            if of_layer and span.name in classes:
                event["args"] = {"class": classes[span.name]}
            events.append(event)
        offset += seconds
    return {
        "traceEvents": events,
        "displayTimeUnit": "ms",
        "otherData": profile.to_dict(),
    }


def _event(name, category, start, seconds):
    return {
        "name": name,
        "cat": category,
        "ph": "X",
        "ts": round(1e6 * start, 3),
        "dur": round(1e6 * seconds, 3),
        "pid": PROCESS,
        "tid": THREAD,
    }


def _metadata(kind, name):
    place = {"pid": PROCESS, "tid": THREAD, "ts": 0}
    return {"name": kind, "ph": "M", **place, "args": {"name": name}}
