"""The HTML page of a step-through; it needs no other files."""

from collections.abc import Sequence
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from firstlight.tools.diagnose.explaining import ArraySummary, CallSummary, StepThrough

STYLE = """
body { font: 15px/1.5 system-ui, sans-serif; max-width: 75em; margin: 2em auto; padding: 0 1em;
       color: #222; background: #fff; }
h1 { font-size: 1.5em; } h2 { margin-top: 2em; border-bottom: 1px solid #ccc; }
section { border-left: 3px solid #3a7ca5; padding: .2em 0 .2em 1em; margin: 1em 0; }
section.back { border-color: #b5446e; }
h3 { font-size: 1em; margin: .2em 0; } h3 span { color: #777; font-weight: normal; }
pre { background: #f5f5f2; padding: .6em; overflow-x: auto; font-size: 13px; margin: .4em 0; }
table { border-collapse: collapse; font-size: 13px; }
td, th { padding: .15em .8em .15em 0; text-align: right; vertical-align: top; }
td:first-child, th:first-child, td:nth-child(2), th:nth-child(2) { text-align: left; }
td:first-child { font-family: monospace; }
details { font-size: 13px; color: #555; } details pre { color: #222; }
.loss { font-size: 1.2em; }
@media (prefers-color-scheme: dark) {
  body { color: #ddd; background: #1c1c1c; } pre { background: #282826; }
  details pre { color: #ddd; } h2 { border-color: #555; } }
"""


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
    head = f'<meta charset="utf-8"><title>{title}</title><style>{STYLE}</style>'
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
