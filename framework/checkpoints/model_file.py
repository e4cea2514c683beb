"""The file of one model, which `Module.save` writes and `firstlight.load` reads.

It is a safetensors file. The arrays have the names of `Module.state_dict`, so that other programs
can read them. The metadata have a checksum and, as JSON, the version of the format, the model's
class with its arguments (see `firstlight.runs.values`), the script of that class, and the
preprocessing of the data that the model was trained on.
"""

from __future__ import annotations

import hashlib
import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from firstlight.checkpoints.format import checksum
from firstlight.runs import consent, sources
from firstlight.runs.masking import masked
from firstlight.runs.values import encode, secrets, unkept_places
from firstlight.support.array import Array
from firstlight.support.files import PathLike, forgiving, replacing
from firstlight.support.reading import parse_json

if TYPE_CHECKING:
    from firstlight.module import Module

VERSION = 1
ENTRY = "firstlight_model"  # of the metadata
SUFFIX = ".safetensors"


def write(model: Module, path: PathLike) -> None:
    """Write a model to a file, atomically; see `firstlight.Module.save`.

    Raises
    ------
    ValueError
        The file could not be loaded again: its name does not end in ``.safetensors``, or an
        argument of the model cannot be written.
    OSError
        As the system reports it.
    """
    from safetensors import SafetensorError
    from safetensors.numpy import save_file

    who = f"{type(model).__name__}.save"
    path = Path(path).expanduser()
    if path.suffix != SUFFIX:
        raise ValueError(
            f"{who}: expected a file name that ends in {SUFFIX}, got {str(path)!r}; in a layer, a "
            "text for backward is pushed together with others: self.save(x, mode)"
        )
    text = json.dumps(_record(model, who))
    arrays = model.state_dict()
    metadata = {ENTRY: text, "checksum": checksum(arrays, text)}
    path.parent.mkdir(parents=True, exist_ok=True)
    with replacing(path) as temporary:
        try:
            save_file(arrays, temporary, metadata=metadata)
        except SafetensorError as error:  # e.g. a full disk
            raise OSError(f"{who}: {path} cannot be written: {error}") from error
    if names_code(json.loads(text)):
        with forgiving(f"the note that {path} is yours"):
            consent.remember(path, {"model": digest(text)})


def _record(model, who):
    """Return the JSON part of the file."""
    encoded = masked(encode(model))
    advice = "; or keep the arrays alone: safetensors.numpy.save_file(model.state_dict(), path)"
    for place, text in unkept_places(encoded, "model"):
        raise ValueError(
            f"{who}: {place} is {text}, from which a file cannot create the model again; pass "
            f"numbers, texts, lists, small arrays, functions of a module or other modules{advice}"
        )
    for place in secrets(encoded, "model"):
        raise ValueError(f"{who}: {place} is a secret, which a file does not keep{advice}")
    kept = model._preprocessing
    of_script = f"{sources.MAIN}:" in json.dumps(encoded)
    script = getattr(sys.modules.get(sources.MAIN), "__file__", None) if of_script else None
    return {
        "version": VERSION,
        "model": encoded,
        "script": script and os.path.basename(script),
        "preprocessing": kept and kept.to_dict(),
    }


def digest(text: str) -> str:
    """Return a hash of the JSON part."""
    return hashlib.sha256(text.encode()).hexdigest()


def names_code(record: dict[str, Any]) -> bool:
    """Return whether a model's class or arguments name code that is not firstlight's."""
    return not all(n.startswith(sources.OWN_CLASSES) for n in sources.references(record["model"]))


def read(path: PathLike) -> tuple[dict[str, Any], dict[str, Array], str]:
    """Return the JSON part of a model's file, its arrays by name, and the text of the JSON part.

    Raises
    ------
    FileNotFoundError
        There is no such file.
    ValueError
        It is damaged, has no model of firstlight, or a newer version of the format.
    """
    from safetensors import safe_open

    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(f"there is no file {path}; write it with model.save({str(path)!r})")
    try:
        with safe_open(path, framework="numpy") as file:
            metadata = file.metadata() or {}
            arrays = {name: np.array(file.get_tensor(name)) for name in file.keys()}  # noqa: SIM118
    except Exception as error:  # damaged files raise many kinds
        raise ValueError(
            f"{path} is damaged, or no safetensors file: {error}; take another copy"
        ) from error
    if ENTRY not in metadata:
        kind = "a checkpoint outside of its run" if "firstlight" in metadata else "a foreign file"
        raise ValueError(
            f"{path} does not say which model its arrays belong to ({kind}); create the model, and "
            "pass them to its load_state_dict"
        )
    text = metadata[ENTRY]
    damaged = f"{path} is damaged: {{}}; take another copy"
    try:
        record = parse_json(text)
        version = record["version"]
    except (ValueError, TypeError, KeyError) as error:
        raise ValueError(damaged.format("its metadata are no record of a model")) from error
    if version != VERSION:
        raise ValueError(
            f"{path} has version {version!r} of the format of models, and this firstlight reads "
            f"version {VERSION}; install the firstlight that wrote it, or a newer one"
        )
    if metadata.get("checksum") != checksum(arrays, text):
        raise ValueError(damaged.format("its checksum does not match"))
    return record, arrays, text
