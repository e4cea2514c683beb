"""Short hashes of a model's state, to find the step at which two trainings diverge.

The callback ``fingerprints`` writes them to ``fingerprints.jsonl``, one line a step::

    {"step": 100, "hashes": {"body.0.weight": "5c1f0a92e3b4d781", ...}}
"""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import TYPE_CHECKING

from firstlight.support.backend import to_host
from firstlight.support.state import named_leaves

if TYPE_CHECKING:
    from firstlight.module import Module

FILE = "fingerprints.jsonl"


def fingerprint(module: Module) -> dict[str, str]:
    """Return ``{name: hash}`` of the bytes of each parameter and buffer.

    Examples
    --------
    >>> import firstlight as fl
    >>> from firstlight.checkpoints.fingerprints import fingerprint
    >>> layer = fl.nn.Linear(2, 1, bias=False)
    >>> layer.weight.data[...] = 0
    >>> fingerprint(layer)
    {'weight': 'ca08ea5bca49cc18'}
    """
    return {
        name: hashlib.blake2b(to_host(leaf.data).tobytes(), digest_size=8).hexdigest()
        for name, leaf in named_leaves(module).items()
    }


def first_difference(
    one: dict[int, dict[str, str]], other: dict[int, dict[str, str]]
) -> tuple[int, list[str]] | None:
    """Compare fingerprints at the steps that both have.

    Parameters
    ----------
    one, other : dict of int to dict
        ``{step: fingerprint}``.

    Returns
    -------
    (int, list of str) or None
        The first step with a difference, and the names that differ or are missing on one side.
    """
    for step in sorted(one.keys() & other.keys()):
        here, there = one[step], other[step]
        names = [n for n in {**here, **there} if here.get(n) != there.get(n)]
        if names:
            return step, names
    return None


def read_fingerprints(run: Path | str) -> dict[int, dict[str, str]]:
    """Return ``{step: fingerprint}`` of a run's folder; a torn last line is left out.

    Raises
    ------
    FileNotFoundError
        The run has none.
    ValueError
        A line is damaged.
    """
    path = Path(run) / FILE
    if not path.is_file():
        raise FileNotFoundError(
            f"{path} does not exist; train with --callback fingerprints to keep them"
        )
    found = {}
    *lines, _torn = path.read_text(encoding="utf-8", errors="replace").split("\n")
    for number, line in enumerate(lines, 1):
        try:
            record = json.loads(line)
            found[record["step"]] = record["hashes"]
        except (ValueError, TypeError, KeyError, RecursionError) as error:
            raise ValueError(
                f"{path}, line {number}: not a fingerprint: {error}; delete the line"
            ) from error
    return found
