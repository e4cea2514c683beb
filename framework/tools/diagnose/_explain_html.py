"""The HTML page of a step-through; it needs no other files."""

from collections.abc import Sequence
from html import escape
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firstlight.tools.diagnose.explaining import ArraySummary, CallSummary, StepThrough

STYLE = Path(__file__).with_name("explain.css")


def page(step: "StepThrough") -> str:
    """Return the page as a string."""
    where = f" on {step.data}" if step.data else ""
    title = escape(f"{step.model}{where}, step by step")
    sections = [
        f"<h1>{title}</h1><p>One training step of a batch {escape(step.batch)}.</p>",
        "<h2>Forward</h2>",
        *(_section(part, part.formula, part.forward, "forward") for part in step.parts),
        f'<p class="loss">{escape(step.results)}</p>',
        "<h2>Backward</h2>",
        *(_section(part, part.gradient, part.backward, "back") for part in reversed(step.parts)),
    ]
    style = STYLE.read_text(encoding="utf-8")
    head = f'<meta charset="utf-8"><title>{title}</title><style>\n{style}</style>'
    body = "\n".join(sections)
    return f'<!doctype html>\n<html lang="en"><head>{head}</head>\n<body>{body}</body></html>\n'


def _section(part: "CallSummary", words: str, arrays: "Sequence[ArraySummary]", kind: str) -> str:
    name = escape(part.name or part.type)
    title = f"{name} <span>{escape(part.type)}</span>" if part.name else name
    formula = f"<pre>{escape(words)}</pre>" if words else ""
    heads = "".join(f"<th>{head}</th>" for head in ("", "shape", "norm", "mean", "from", "to"))
    rows = ""
    for one in arrays:
        numbers = "".join(f"<td>{v:.4g}</td>" for v in (one.norm, one.mean, one.low, one.high))
        rows += f"<tr><td>{escape(one.name)}</td><td>{one.dtype} {one.shape}</td>{numbers}</tr>"
    values = "\n\n".join(f"{one.name} =\n{one.corner}" for one in arrays)
    return (
        f'<section class="{kind}" style="margin-left:{1.5 * part.depth}em">'
        f"<h3>{title}</h3>{formula}<table><tr>{heads}</tr>{rows}</table>"
        f"<details><summary>values</summary><pre>{escape(values)}</pre></details></section>"
    )
