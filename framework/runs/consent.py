"""The user's own record of the runs and sweeps that their commands and scripts have made.

Code that such a run names or holds needs no consent. The record lies in the user's state folder,
outside the run, so that nothing in a run's folder can grant it.
"""

import hashlib
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from firstlight.support.files import PathLike, write_json


def remember(folder: PathLike, code: Mapping[str, Any]) -> None:
    """Record that this user has made a run's, or sweep's, folder with this code."""
    if code:
        record = record_path(folder)
        record.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_json(record, {"folder": str(Path(folder).resolve()), "code": code})


def recorded(folder: PathLike | None) -> dict[str, Any]:
    """Return the code that `remember` noted for a folder; {} for another user's."""
    if folder is None:
        return {}
    try:
        found = json.loads(record_path(folder).read_text(encoding="utf-8"))
        same = found["folder"] == str(Path(folder).resolve())
        return dict(found["code"]) if same else {}
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def record_path(folder: PathLike) -> Path:
    """Return the file of the record of a folder."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    name = hashlib.sha256(str(Path(folder).resolve()).encode()).hexdigest()
    return Path(state) / "firstlight" / "trusted" / f"{name}.json"
