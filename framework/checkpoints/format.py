"""The file of a checkpoint: arrays as safetensors, everything else as JSON; no pickle."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.support.arguments import for_json
from firstlight.support.array import Array
from firstlight.support.backend import to_host
from firstlight.support.files import inside, replacing

FORMAT = 1
ANOTHER = "take another one of the run, such as last or best"
LAST = "last.safetensors"
BEST = "best.safetensors"
EXCEPTION = "exception.safetensors"  # written in the middle of a step, for inspection only


@dataclass
class Checkpoint:
    """The state that the next step of a training depends on.

    Attributes
    ----------
    model : dict of str to array
        `Module.state_dict`.
    optimizer : dict
        `Optimizer.state_dict`; empty in a file of weights only.
    step, epoch : int
        Optimizer steps done, and the current or just completed epoch (counted from 1).
    progress : dict
        The state of `firstlight.training.progress.Progress`: position in the epoch, sums of the
        means, history, time.
    loaders : dict
        Positions of the training and the validation loader.
    rng : dict
        State of all random generators.
    callbacks : dict of str to dict
        State of every callback.
    config : dict
        Settings of the run.
    extra : dict
        For plugins; must be JSON-able.
    arrays : dict of str to array
        For plugins; names start with the plugin's name. Add copies: they are written later.
    files : dict of str to [int, str or None]
        Other checkpoints that callback states refer to: file name, relative to the run's folder of
        checkpoints, to step and checksum. The writer sets the checksum; None if the file belongs
        to another step.
    """

    model: dict[str, Array]
    optimizer: dict[str, Any] = field(default_factory=dict)
    step: int = 0
    epoch: int = 0
    progress: dict[str, Any] = field(default_factory=dict)
    loaders: dict[str, Any] = field(default_factory=dict)
    rng: dict[str, Any] = field(default_factory=dict)
    callbacks: dict[str, Any] = field(default_factory=dict)
    config: dict[str, Any] = field(default_factory=dict)
    extra: dict[str, Any] = field(default_factory=dict)
    arrays: dict[str, Array] = field(default_factory=dict)
    files: dict[str, Any] = field(default_factory=dict)

    def save(self, path: Path | str) -> str:
        """Write the file atomically: a failure leaves the old file unchanged.

        Returns
        -------
        str
            The checksum of the content, which is also stored in the file.

        Raises
        ------
        OSError
            As the system reports it.
        TypeError
            Something in the JSON part is not JSON-able.
        """
        from safetensors import SafetensorError
        from safetensors.numpy import save_file

        optimizer = dict(self.optimizer)
        named = {f"model/{name}": array for name, array in self.model.items()}
        named |= {f"optimizer/{n}": a for n, a in optimizer.pop("arrays", {}).items()}
        named |= {f"extra/{name}": array for name, array in self.arrays.items()}
        # safetensors writes the memory of a strided array in the wrong order (its issue #825).
        arrays = {name: np.asarray(to_host(a), order="C") for name, a in named.items()}
        meta = {**vars(self), "optimizer": optimizer}
        del meta["model"], meta["arrays"]
        text = json.dumps(meta, default=for_json)
        metadata = {
            "format": str(FORMAT),
            "checksum": checksum(arrays, text),
            "firstlight": text,
        }
        Path(path).parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as temporary:  # safetensors' `save` would copy all and hold the GIL
            try:
                save_file(arrays, temporary, metadata=metadata)
            except SafetensorError as error:  # e.g. a full disk
                raise OSError(str(error)) from error
        return metadata["checksum"]

    def weights(self) -> Checkpoint:
        """Return a checkpoint of the weights only; with Adam a third of the size."""
        return Checkpoint(
            self.model, step=self.step, epoch=self.epoch, config=self.config, files=self.files
        )

    @staticmethod
    def identity(path: Path | str) -> tuple[int, str] | None:
        """Return ``(step, checksum)`` from a file's header; None if it is no checkpoint.

        The arrays are not read; `load` detects damage to them.
        """
        from safetensors import safe_open

        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata()
            return json.loads(metadata["firstlight"])["step"], metadata["checksum"]
        except Exception:  # missing, damaged or foreign files raise many kinds
            return None

    @classmethod
    def load(cls, path: Path | str) -> Checkpoint:
        """Read a checkpoint and verify its content.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            Not a firstlight checkpoint, another format version, or damaged.
        """
        from safetensors import safe_open

        path = Path(path)
        if not path.is_file():
            raise FileNotFoundError(f"checkpoint {str(path)!r} does not exist")
        try:
            with safe_open(path, framework="numpy") as file:
                metadata = file.metadata() or {}
                arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118
        except Exception as error:  # damaged files raise many kinds
            raise ValueError(f"checkpoint {str(path)!r} is damaged: {error}; {ANOTHER}") from error
        if not {"firstlight", "format", "checksum"} <= set(metadata):
            raise ValueError(
                f"{str(path)!r} is a safetensors file, but not a firstlight checkpoint; {ANOTHER}"
            )
        if metadata["format"] != str(FORMAT):
            raise ValueError(
                f"checkpoint {str(path)!r} has format {metadata['format']}, this firstlight reads "
                f"format {FORMAT}; use the version that wrote it"
            )
        if metadata["checksum"] != checksum(arrays, metadata["firstlight"]):
            raise ValueError(
                f"checkpoint {str(path)!r} is damaged: its checksum does not match; {ANOTHER}"
            )
        try:
            checkpoint = cls(
                model=arrays_under(arrays, "model/"),
                arrays=arrays_under(arrays, "extra/"),
                **json.loads(metadata["firstlight"]),
            )
            for name in checkpoint.files:  # checked here, as the writer deletes obsolete files
                inside(root_of(path), name)
        except (TypeError, ValueError, RecursionError) as error:
            raise ValueError(
                f"checkpoint {str(path)!r} does not follow format {FORMAT}: {error}; use the "
                "version that wrote it"
            ) from error
        if checkpoint.optimizer:
            checkpoint.optimizer["arrays"] = arrays_under(arrays, "optimizer/")
        return checkpoint


def root_of(path: Path) -> Path:
    """Return the folder ``checkpoints`` above a file, at any depth, or else the file's folder."""
    return next((p for p in path.parents if p.name == "checkpoints"), path.parent)


def checksum(arrays: dict[str, Array], text: str) -> str:
    """Return a hash of a text and of the names, dtypes, shapes and bytes of arrays."""
    digest = hashlib.sha256(text.encode())  # twice as fast as BLAKE2 here
    for name, array in sorted(arrays.items()):
        digest.update(f"{name} {array.dtype} {array.shape} ".encode())
        digest.update(array.data if array.size else b"")
    return digest.hexdigest()


def arrays_under(arrays: dict[str, Array], prefix: str) -> dict[str, Array]:
    """Return the arrays whose names have a prefix; the prefix is removed."""
    return {n.removeprefix(prefix): a for n, a in arrays.items() if n.startswith(prefix)}
