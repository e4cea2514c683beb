"""Create the model in a single file again, with consent where it names code; for `load`."""

from __future__ import annotations

import importlib
import importlib.util
import operator
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from firstlight.checkpoints import model_file
from firstlight.data.preprocessing import Preprocessing
from firstlight.parameter import Parameter
from firstlight.runs import consent, sources
from firstlight.runs.decoding import decode
from firstlight.support import rng
from firstlight.support.array import Array
from firstlight.support.state import named_leaves, restore
from firstlight.tools._script_names import ScriptNames

if TYPE_CHECKING:
    from firstlight.module import Module


class MissingClassError(ValueError):
    """A class or function that a file names is not here."""


def load_file(path: Path, *, trust: bool) -> Module:
    """Return the model in a file that `Module.save` wrote; see `firstlight.load`."""
    record, arrays, text = model_file.read(path)
    try:
        mine = consent.recorded(path).get("model") == model_file.digest(text)
        if model_file.names_code(record) and not (trust or mine):
            names = [n for n in sources.references(record["model"]) if not _is_own(n)]
            raise MissingClassError(
                f"it names {names[0]}, code that would run with your rights; if you trust where "
                "the file comes from, pass trust=True"
            )
        before = rng.state_dict()
        try:  # the constructor draws weights, which are then replaced
            model = decode(record["model"], _Names(record["script"]).find, "model")
        finally:
            rng.load_state_dict(before)
        _fill(model, arrays)
        kept = record["preprocessing"]
        model._preprocessing = None if kept is None else Preprocessing.from_dict(kept)
    except MissingClassError as error:
        raise ValueError(f"{path}: {error}") from error
    except (SystemExit, Exception) as error:  # of a user's class
        raise ValueError(
            f"{path}: the model cannot be created again: {type(error).__name__}: {error}; if its "
            "class has changed, or layers were exchanged after it was created, create it in code, "
            "and pass safetensors.numpy.load_file(path) to its load_state_dict"
        ) from error
    return model.eval()


def _is_own(name):
    return name.startswith(sources.OWN_CLASSES)


def _fill(model: Module, arrays: Mapping[str, Array]) -> None:
    """Copy arrays into a model, which gets their dtypes."""
    for name, leaf in named_leaves(model).items():
        if name in arrays and arrays[name].dtype != leaf.data.dtype:
            data = leaf.data.astype(arrays[name].dtype)
            if isinstance(leaf, Parameter):
                leaf.bind(data, leaf.grad.astype(data.dtype))
            else:
                leaf.data = data
    restore(model, arrays)


class _Names:
    """Find what a file names: in packages and modules, or in the script that wrote it.

    Parameters
    ----------
    script : str or None
        File name of the script whose classes are in ``__main__``.
    """

    def __init__(self, script: str | None) -> None:
        self._script = script

    def find(self, name: str) -> Any:
        """Return the object of ``"module:Class"``."""
        module, _, attribute = name.partition(":")
        if module == sources.MAIN:
            return self._of_script(attribute)
        try:
            found = operator.attrgetter(attribute)(importlib.import_module(module))
        except ImportError as error:
            raise MissingClassError(
                f"{name} cannot be imported ({error}); install its package, or add the folder of "
                f"{module.partition('.')[0]} to sys.path"
            ) from error
        except AttributeError as error:
            raise MissingClassError(
                f"{module} has no {attribute} any more ({error}); it was renamed or removed after "
                "the model was saved"
            ) from error
        if module.startswith("firstlight.") and found.__module__ != module:
            raise MissingClassError(f"{name} does not belong to {module}")  # nn.linear:np.save
        return found

    def _of_script(self, attribute):
        """Return what the running script has, or make it from the script that wrote the file."""
        try:
            return operator.attrgetter(attribute)(sys.modules[sources.MAIN])
        except AttributeError:
            pass
        stem = Path(self._script or "").stem
        advice = "define it in a module, such as net.py, and import it from there to save the model"
        if not self._script:
            raise MissingClassError(
                f"{attribute} was defined in a notebook, and is not defined here; define it, or "
                f"{advice}"
            )
        is_name = stem and "." not in stem  # 01-train, too, which no import statement can name
        spec = importlib.util.find_spec(stem) if is_name else None
        if spec is None or spec.origin is None or Path(spec.origin).name != self._script:
            raise MissingClassError(
                f"{attribute} was defined in the script {self._script}, which is not on sys.path; "
                f"add its folder, or {advice}"
            )
        record = {
            **{"modules": {sources.MAIN: self._script}, "main": spec.origin},
            **{"left_out": {}, "globals": {}},
        }
        texts = {self._script: sources.read_source(spec.origin)}
        return ScriptNames(Path(spec.origin).parent, record, texts).find(
            f"{sources.MAIN}:{attribute}"
        )
