"""One HTML file of the parts: network, data, words, styles and scripts."""

import html
import json
from pathlib import Path
from typing import Any

from firstlight.tools.demo.words import GERMAN

HERE = Path(__file__).parent / "page"
OF_KIND = {"image": ["pixels.js"], "text": ["tokenizer.js"]}


def page(language: str, kind: str, engine: str, network: Any, facts: dict[str, Any]) -> str:
    """Return the page as one text that needs no other file.

    Parameters
    ----------
    language : {"en", "de"}
    kind : {"image", "text", "curve", "table"}
    engine : str
        JavaScript that defines ``Model``.
    network : dict
        For ``Model``, JSON-able.
    facts : dict
        For the scripts of the page, JSON-able.
    """
    names = ["view.js", "layer_view.js", *OF_KIND.get(kind, ()), f"{kind}.js"]
    scripts = [_text(name) for name in names]
    words = GERMAN if language == "de" else {}
    known = {"kind": kind, "language": language, "words": words, **facts}
    parts = {
        "LANGUAGE": language,
        "TITLE": html.escape(str(facts["title"])),
        "STYLE": _text("demo.css"),
        "ENGINE": engine,
        "NETWORK": _json(network),
        "FACTS": _json(known),
        "SCRIPTS": "\n".join(scripts),
    }
    before, *rest = _text("demo.html").split("{{")
    filled = [before]
    for piece in rest:
        name, _, after = piece.partition("}}")
        filled += [parts[name], after]
    return "".join(filled)


def _text(name):
    return (HERE / name).read_text("utf-8")


def _json(value):
    """Return JSON that may stand in a <script>; NaN and infinity are errors."""
    text = json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False)
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")
