"""Preprocessing: classes, columns, encoding and scale of training data, kept in a run's folder.

They are fitted to the training data of a network, and other data for it must use the same ones. A
run that was trained on `DataSplits` keeps them in ``preprocessing.json``. ``firstlight test`` and
``predict`` apply them, and data sets apply them with ``like=``, the run's folder.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from firstlight.data.dataset import ArrayDataset
from firstlight.data.labels import are_counted, renumbered
from firstlight.data.splits import DataSplits
from firstlight.data.transforms import Scale
from firstlight.support.array import Array
from firstlight.support.files import PathLike, write_json
from firstlight.support.reading import read_json

FILE = "preprocessing.json"  # the file in a run's folder
KINDS = ("classes", "values", "tokens", "none")


@dataclass
class Preprocessing:
    """Class numbers, columns, encoding and scale, fitted to training data, for other data.

    Attributes
    ----------
    input_shape : tuple of int
        Shape of one sample.
    target : {"classes", "values", "tokens", "none"}
        "values" is a regression, "none" has inputs only.
    classes : list of str or None
        In the order of their numbers.
    columns, target_column : list of str, str, or None
        Names of a table's inputs, in order, and of its target.
    encoding : list of dict or None
        How columns with words, dates or gaps become features; see
        `firstlight.data.encoding.Encoding.to_list`.
    bytes : bool
        Whether x is uint8 before it is scaled.
    transform : firstlight.data.transforms.Scale or None
    unknown : str
        The ``repr`` of a transform that cannot be saved in a file; "" for none.

    Examples
    --------
    >>> from firstlight.datasets import load
    >>> from firstlight.data.preprocessing import Preprocessing
    >>> kept = Preprocessing.of(load("digits"))
    >>> kept.target, len(kept.classes), kept.bytes
    ('classes', 10, True)
    >>> Preprocessing.from_dict(kept.to_dict()).transform
    Scale(high=16.0, mean=0.3053, std=0.3761)
    """

    input_shape: tuple[int, ...]
    target: str = "none"
    classes: list[str] | None = None
    columns: list[str] | None = None
    target_column: str | None = None
    encoding: list[dict[str, Any]] | None = None
    bytes: bool = False
    transform: Scale | None = None
    unknown: str = ""

    @classmethod
    def of(cls, splits: DataSplits) -> Preprocessing:
        """Return the preprocessing of `DataSplits`."""
        sample, info = splits.train[np.arange(1)], splits.info
        columns, column = info.get("columns"), info.get("target")
        target = "tokens" if splits.tokenizer is not None else "none"
        if target == "none" and len(sample) > 1:
            target = "values" if splits.classes is None else "classes"
        known = splits.transform is None or type(splits.transform) is Scale
        return cls(
            input_shape=tuple(int(n) for n in splits.input_shape),
            target=target,
            classes=None if splits.classes is None else [str(name) for name in splits.classes],
            columns=columns if isinstance(columns, list) else None,
            target_column=column if isinstance(column, str) else None,
            encoding=info.get("encoding"),
            bytes=_are_bytes(splits.train),
            transform=splits.transform if known else None,
            unknown="" if known else repr(splits.transform),
        )

    @classmethod
    def load(cls, path: PathLike) -> Preprocessing:
        """Read the preprocessing in a run's folder, or in the file itself.

        Raises
        ------
        FileNotFoundError
            There is no such file.
        ValueError
            It holds something else.
        """
        path = Path(path)
        path = path / FILE if path.is_dir() else path
        try:
            return cls.from_dict(read_json(path))
        except FileNotFoundError:
            raise FileNotFoundError(
                f"like: there is no {path}; name the folder of a run that keeps one"
            ) from None
        except (ArithmeticError, ValueError, TypeError, KeyError, AttributeError) as error:
            raise ValueError(
                f"{path}: not the preprocessing of a run ({type(error).__name__}: {error}); "
                "restore the file, or delete it to have it made from the run's own data"
            ) from error

    def save(self, path: PathLike) -> None:
        """Write ``preprocessing.json`` into a folder, atomically."""
        write_json(Path(path) / FILE, self.to_dict())

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able dict."""
        scale = self.transform
        if scale is not None:
            numbers = {"high": scale.high, "mean": scale.mean, "std": scale.std}
            scale = {name: np.asarray(n, "float64").tolist() for name, n in numbers.items()}
        inputs = {"shape": list(self.input_shape), "bytes": self.bytes, "scale": scale}
        target = {"kind": self.target}
        if self.unknown:
            inputs["unknown"] = self.unknown
        if self.columns is not None:
            inputs["columns"], target["column"] = self.columns, self.target_column
        if self.encoding is not None:
            inputs["encoding"] = self.encoding
        if self.classes is not None:
            target["classes"] = self.classes
        return {"inputs": inputs, "target": target}

    @classmethod
    def from_dict(cls, content: dict[str, Any]) -> Preprocessing:
        """Return the preprocessing of a dict of `to_dict`."""
        inputs, target = content["inputs"], content["target"]
        if target["kind"] not in KINDS:
            raise ValueError(f"unknown kind of target {target['kind']!r}")
        scale, shape = inputs["scale"], tuple(int(n) for n in inputs["shape"])
        if scale is not None:
            parts = [np.asarray(scale[name], "float64") for name in ("high", "mean", "std")]
            if not all(np.isfinite(part).all() for part in parts):
                raise ValueError("the scale is not finite")
            if np.broadcast_shapes(shape, *(part.shape for part in parts)) != shape:
                raise ValueError(f"the scale does not fit samples of shape {shape}")
        if inputs.get("encoding") is not None:
            _check_encoding(inputs["encoding"], shape)
        return cls(
            input_shape=shape,
            target=target["kind"],
            classes=_names(target.get("classes"), "classes"),
            columns=_names(inputs.get("columns"), "columns"),
            target_column=target.get("column"),
            encoding=inputs.get("encoding"),
            bytes=bool(inputs["bytes"]),
            transform=None if scale is None else Scale(scale["high"], scale["mean"], scale["std"]),
            unknown=str(inputs.get("unknown", "")),
        )

    def differences(self, other: Preprocessing) -> list[str]:
        """Return the names of the entries that differ from another one's."""
        mine, theirs = self.to_dict(), other.to_dict()
        return [
            f"{part} {name}"
            for part in mine
            for name in dict.fromkeys((*mine[part], *theirs[part]))
            if name != "unknown" and mine[part].get(name) != theirs[part].get(name)
        ]

    @classmethod
    def of_run(cls, folder: PathLike) -> Preprocessing | None:
        """Read the preprocessing in a run's folder, None if it has none."""
        return cls.load(folder) if (Path(folder) / FILE).is_file() else None

    def check_resumed(self, folder: PathLike) -> None:
        """Raise a ValueError if the run to resume has other classes, columns or scale."""
        kept = self.of_run(folder)
        different = [] if kept is None else kept.differences(self)
        if different:
            raise ValueError(
                "resume: the data are not prepared as the run's were "
                f"({', '.join(different)} differ); load them as the run did, or with "
                f"like={str(folder)!r}, or start a new run"
            )

    def check_inputs(self, x: Array, who: str) -> None:
        """Raise a ValueError unless untransformed inputs have the run's shape and kind of dtype."""
        if x.shape[1:] != self.input_shape:
            raise ValueError(
                f"{who}: expected samples of shape {self.input_shape}, as the run was trained on, "
                f"got {x.shape[1:]}"
            )
        if (x.dtype == "uint8") != self.bytes:
            expected = "uint8 (0 ... 255)" if self.bytes else "numbers that are not uint8"
            raise ValueError(
                f"{who}: expected x as {expected}, as the run was trained on, got {x.dtype}; "
                "its scale would not fit"
            )

    def applied_to(self, splits: DataSplits) -> DataSplits:
        """Return splits with the class numbers and the scale of the run.

        Raises
        ------
        ValueError
            They have other shapes, classes or targets.
        """
        if self.target == "tokens":
            return splits  # the tokenizer has its own file
        own = Preprocessing.of(splits)
        if not self.differences(own):
            return splits
        if own.input_shape != self.input_shape:
            raise ValueError(
                f"{splits.name}: expected samples of shape {self.input_shape}, as the run was "
                f"trained on, got {own.input_shape}"
            )
        if {own.target, self.target} == {"classes", "values"}:
            meant = {"classes": "class labels", "values": "amounts"}
            raise ValueError(
                f"{splits.name}: the targets are {meant[own.target]}, and the run was trained on "
                f"{meant[self.target]}"
            )
        return replace(
            splits,
            **{s: self._applied(data, own, splits.name) for s, data in splits.parts.items()},
            transform=splits.transform if self.unknown or own.unknown else self.transform,
            classes=self.classes,
        )

    def _applied(self, data, own, who):
        """Return the arrays of one split with the run's labels, before scaling."""
        if type(data) is not ArrayDataset:
            raise ValueError(
                f"{who}: its classes or its scale are not the run's, and its samples are no arrays "
                "that could be changed"
            )
        x, *others = data.arrays
        if others and self.classes is not None and others[0].ndim == 1:
            others[0] = renumbered(others[0], own.classes, self.classes, who)
        if not self.unknown:
            self.check_inputs(x, who)
        return (x, *others)


def with_preprocessing(data: Any, kept: Preprocessing | None) -> Any:
    """Return splits with a network's classes and scale, if they differ.

    Arrays without a fitted scale are assumed to be scaled, and labels without names to be the
    network's class numbers. Data other than `DataSplits` of arrays pass unchanged.

    Parameters
    ----------
    data
        Argument of the Trainer, or a dict of such by name.
    kept : Preprocessing or None
        Preprocessing of the network's training data.
    """
    if isinstance(data, dict):
        return {name: with_preprocessing(one, kept) for name, one in data.items()}
    if kept is None or not isinstance(data, DataSplits) or data.is_nested:
        return data
    own = Preprocessing.of(data)
    if own.encoding is not None and own.encoding != kept.encoding:
        raise ValueError(
            f"{data.name}: its columns are encoded otherwise than those that the network was "
            "trained on; load it with like=, the folder of the run"
        )
    if (
        any(type(part) is not ArrayDataset for part in data.parts.values())
        or (own.input_shape, own.target, own.bytes) != (kept.input_shape, kept.target, kept.bytes)
        or (own.transform is None and kept.transform is not None)
    ):
        return data
    names = own.classes
    if names and kept.classes and are_counted(names) and not set(names) & set(kept.classes):
        data = replace(data, classes=kept.classes)
    return kept.applied_to(data)


def _are_bytes(data):
    return isinstance(data, ArrayDataset) and data.arrays[0].dtype == "uint8"


def _check_encoding(content, shape):
    """Raise an error unless it is an encoding of samples of a shape, (F,) or (window, F)."""
    from firstlight.data.encoding import Encoding  # imported where a table needs it

    features = Encoding.from_list(content).features
    if shape[-1:] != (len(features),):
        raise ValueError(f"the encoding has {len(features)} features, and samples shape {shape}")


def _names(names, what):
    if names is None or (isinstance(names, list) and all(isinstance(n, str) for n in names)):
        if len(set(names or ())) < len(names or ()):
            raise ValueError(f"{what}: {max(names, key=names.count)!r} occurs twice")
        return names
    raise TypeError(f"{what}: expected names, got {names!r}")
