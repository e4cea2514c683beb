"""The model and data of a script's run, created again from the run's folder alone.

A class or function comes from where the training had it: the script's own modules from the copies
in the run, others from the installed packages. The data are made by the statements of the script
that made them; see `firstlight.runs.slices`.
"""

from __future__ import annotations

import contextlib
import json
import os
import sys
import warnings
from collections.abc import Iterator
from pathlib import Path
from types import NoneType
from typing import TYPE_CHECKING, Any

from firstlight import plugins
from firstlight.data.loader import DataLoader
from firstlight.data.splits import DataSplits
from firstlight.runs import consent, sources
from firstlight.runs.copies import Copies
from firstlight.runs.decoding import decode
from firstlight.runs.values import UnkeptError, plainly, secrets
from firstlight.support.files import from_here
from firstlight.support.rng import seed_everything
from firstlight.tools._script_names import ScriptNames
from firstlight.tools.cli.errors import UsageError, usage_errors
from firstlight.training import checks, recording

if TYPE_CHECKING:
    from firstlight.module import Module


OTHER_DATA = "give data with --data NAME, or a .csv, .npz or .txt file"
ENTRIES = {  # of rebuild.json
    **dict.fromkeys(("model", "samples", "modules", "left_out", "globals"), dict),
    **dict.fromkeys(("calls", "argv"), list),
    **{"data": (dict, NoneType), "cwd": str},
    **dict.fromkeys(("seed", "batch_size"), (int, NoneType)),
    "main": (str, NoneType),
}


class ScriptRun:
    """The record of a script's run.

    Parameters
    ----------
    folder : Path
        Of the run.
    trusted : bool
        Whether the user agreed to run code of the run that their own scripts have not recorded.

    Raises
    ------
    UsageError
        The record is missing or damaged, or its code needs consent.
    """

    def __init__(self, folder: Path, *, trusted: bool = False) -> None:
        self.folder, self.shown = folder, from_here(folder)
        where = f"{self.shown / sources.FOLDER}: "
        try:
            files = sources.read(folder)
        except FileNotFoundError as error:
            raise UsageError(
                f"{where}there is no {Path(error.filename).name}; restore it"
            ) from error
        except (OSError, ValueError) as error:
            raise UsageError(f"{where}{error}") from error
        if not files:
            raise UsageError(
                f"run {self.shown} was made by a script and keeps no record of its model; train "
                "again, or evaluate it there: Trainer().test(module, data, checkpoint=...)"
            )
        whole = dict(files)
        self.record: dict[str, Any] = json.loads(files.pop(sources.RECORD))
        damaged = [
            name
            for name, kind in ENTRIES.items()
            if name not in self.record or not isinstance(self.record[name], kind)
        ]
        named = self.record.get("data")
        if isinstance(named, dict) and not (
            isinstance(named.get("name"), str) and isinstance(named.get("arguments"), dict)
        ):
            damaged.append("data")
        if damaged:
            raise UsageError(
                f"{where}{sources.RECORD} is damaged in {', '.join(damaged)}; restore it"
            )
        with usage_errors(where, (TypeError, AttributeError)):
            code = sources.names_code(self.record)
        known = consent.recorded(folder).get(sources.FOLDER)
        if code and not trusted and known != sources.digest(whole):
            raise UsageError(
                f"{where}it was changed since the training, and its code would run with your "
                "rights; if you trust the changes, add --trust"
                if known
                else f"{where}it holds the source of a script, code that would run with your "
                "rights; if you trust where it comes from, add --trust"
            )
        modules = self.record["modules"]
        self._copies = Copies(folder / sources.FOLDER, modules, files)
        self._script = ScriptNames(folder / sources.FOLDER, self.record, files)

    def named_data(self) -> dict[str, Any]:
        """Return name and arguments of registered data, as options could give them; else {}."""
        named = self.record["data"]
        if named is None or ":" in named["name"] or any(sources.references(named["arguments"])):
            return {}
        arguments = {name: plainly(value) for name, value in named["arguments"].items()}
        for name, value in arguments.items():  # files of the script's working directory
            if (name == "path" or name.endswith("_path")) and isinstance(value, str):
                arguments[name] = os.path.join(self.record["cwd"], os.path.expanduser(value))
        return {"name": named["name"], **arguments}

    def model(self) -> Module:
        """Return the model, with the weights that its constructor draws."""
        with self._creating("the model of {} cannot be built again: {}; evaluate it in its script"):
            _refuse_secrets(self.record["model"], "model")
            model = decode(self.record["model"], self._script.find, "model")
        with usage_errors(f"{self.shown}: ", (TypeError,)):
            checks.module(model)
        return model

    def data(self) -> DataSplits:
        """Return the data of the training."""
        with self._creating("the data of {} cannot be made again: {}; " + OTHER_DATA):
            splits = self._named_data() if self.record["data"] else self._made_data()
            self._check(splits)
        return splits

    def _named_data(self):
        """Load registered data with the arguments of the training."""
        named = self.record["data"]
        function = plugins.registry("dataset").get(named["name"])
        arguments = named["arguments"].items()
        for name, value in arguments:
            _refuse_secrets(value, f"data.{name}")
        splits = function(**{n: decode(v, self._script.find, f"data.{n}") for n, v in arguments})
        splits.batch_size = self.record["batch_size"]
        return splits

    def _made_data(self):
        """Evaluate the arguments of `fit` in the script."""
        if not self.record["calls"]:
            reason = self.record["left_out"].get(sources.MAIN, "")
            told = "no script called fit whose code the run could keep"
            raise UnkeptError(f"{told}: {reason}" if reason else told)
        values = [
            self._script.argument(0, name, place) for place, name in ((2, "data"), (3, "val_data"))
        ]
        return _as_splits(*values)

    def _check(self, splits):
        """Raise an error unless the samples are those of the training."""
        now, then = recording.fingerprints(splits.parts), self.record["samples"]
        for split in then:
            if now.get(split) != then[split]:
                raise UnkeptError(
                    f"the script makes other {split} samples now than it did for the training: "
                    "it has no seed, or its files have changed, or a statement was left out that "
                    "draws random numbers or changes arrays within a function or a loop"
                )

    @contextlib.contextmanager
    def _creating(self, message: str) -> Iterator[None]:
        """Run code of the script, in its working directory; errors name the run."""
        place = self.record["cwd"]
        there = contextlib.chdir(place) if place and os.path.isdir(place) else None
        seed_everything(self.record["seed"])
        before, sys.argv = sys.argv, self.record["argv"]
        with self._copies.importing(), there or contextlib.nullcontext():
            try:
                yield
            except (SystemExit, Exception) as error:
                told = str(error) if isinstance(error, UnkeptError) else _told(error)
                raise UsageError(message.format(f"run {self.shown}", told)) from error
            finally:
                sys.argv = before


def _refuse_secrets(encoded, where):
    for place in secrets(encoded, where):
        raise UnkeptError(f"{place} was a secret, which a run does not keep")


def _as_splits(data: Any, val_data: Any) -> DataSplits:
    """Return the arguments of `fit` as `DataSplits`."""
    if isinstance(data, DataSplits) and val_data is None:
        return data
    whole = isinstance(data, DataSplits)
    size = data.batch_size if whole or isinstance(data, DataLoader) else None
    given = [data.train, val_data, data.test] if whole else [data, val_data, None]
    given[1] = val_data.val if isinstance(val_data, DataSplits) else val_data
    parts = [part.data if isinstance(part, DataLoader) else part for part in given]
    with warnings.catch_warnings(action="ignore"):  # the training has warned of uint8
        try:
            return DataSplits(*parts, batch_size=size)
        except TypeError as error:
            raise UnkeptError(
                f"they are batches from a {type(data).__name__}, of which a run knows no samples; "
                "train on arrays, DataSplits or a DataLoader"
            ) from error


def _told(error: BaseException) -> str:
    return f"{type(error).__name__}: {error}"
