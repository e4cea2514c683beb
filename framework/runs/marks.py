"""Marks: tags and a note that somebody gives a run; in a file of their own, ``marks.json``.

A training that still runs writes its ``summary.json`` and knows nothing of them.
"""

import re
from pathlib import Path

from firstlight.runs.sound import read_dict
from firstlight.support.files import write_json

FILE = "marks.json"


def read_marks(run):
    """Return ``{"tags": [...], "note": "..."}`` of a run's folder; empty where it has none."""
    found = read_dict(Path(run) / FILE)
    tags, note = found.get("tags"), found.get("note")
    return {
        "tags": list(map(str, tags)) if isinstance(tags, list) else [],
        "note": note if isinstance(note, str) else "",
    }


def tag(run, add=(), remove=()):
    """Give a run tags, take others away, and return those it has then.

    Raises
    ------
    ValueError
        A tag that is no single word.
    """
    for word in add:
        if not re.fullmatch(r"[\w.+=-]+", word):
            raise ValueError(f"tag: expected letters, digits and . _ + = -, got {word!r}")
    marks = read_marks(run)
    marks["tags"] = [t for t in dict.fromkeys([*marks["tags"], *add]) if t not in remove]
    write_json(Path(run) / FILE, marks)
    return marks["tags"]


def note(run, text):
    """Replace the note of a run; "" takes it away."""
    write_json(Path(run) / FILE, read_marks(run) | {"note": text})
