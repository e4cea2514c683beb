"""Where-expressions: filter and sort runs by their metrics, settings and status.

An expression compares the metrics, settings and status of a run with constants::

    val_acc > 0.9 and model.lr < 0.1
    val_loss/clean < best.val_loss/noisy
    status == "crashed" or "baseline" in tags
    name in ("mlp-digits", "cnn-digits") and not epochs < 5

It is parsed, never executed: only names, constants, comparisons, ``and``, ``or``, ``not``, ``in``
and signs are allowed. If a run lacks a name, or its value cannot be compared, the comparison is
false.
"""

import ast
import difflib
import operator
import re
from collections.abc import Callable, Sequence
from typing import Any

from firstlight.runs.folder import RunFolder

# Names in addition to metrics and settings.
FROM_DATA: dict[str, Callable[[RunFolder], Any]] = {
    "name": lambda run: run.name,
    "id": lambda run: run.id,
    "status": lambda run: run.status,
    "tags": lambda run: run.tags,
    "note": lambda run: run.note,
    "started": lambda run: run.summary.get("started", ""),
    "duration": lambda run: run.place["time"],
    "epochs": lambda run: run.place["epoch"],
    "steps": lambda run: run.place["step"],
}
COMPARISONS: dict[type[ast.cmpop], Callable[[Any, Any], Any]] = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
SIGNS: dict[type[ast.unaryop], Callable[[Any], Any]] = {
    ast.Not: lambda value: not _is_true(value),
    ast.USub: lambda value: value if value is MISSING else -1 * value,
    ast.UAdd: lambda value: value,
}
MISSING = object()


class Condition:
    """A compiled where-expression.

    Parameters
    ----------
    text : str

    Attributes
    ----------
    names : list of str
        All names in the expression.

    Raises
    ------
    ValueError
        Not an expression, or one with a construct that is not allowed.
    """

    def __init__(self, text: str) -> None:
        self.text: str = text.strip()
        self.names: list[str] = []
        try:
            tree = ast.parse(self.text, mode="eval")
        except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
            raise ValueError(
                f"where: {text!r} is no expression ({getattr(error, 'msg', error)}); e.g. "
                '"val_acc > 0.9 and model.lr < 0.1"'
            ) from error
        self._value = self._compiled(tree.body)

    def holds(self, run: RunFolder) -> bool:
        """Return whether a run satisfies the condition."""
        return bool(self._value(run))

    def keep(self, runs: Sequence[RunFolder]) -> list[RunFolder]:
        """Return the runs that satisfy the condition.

        Raises
        ------
        ValueError
            None of the runs has a name, which is most likely misspelled.
        """
        for name in self.names:
            check_known(name, runs, "where")
        return [run for run in runs if self.holds(run)]

    def _compiled(self, node):
        """Return a function of a run that evaluates a node: a value, or `MISSING`."""
        if isinstance(node, ast.BoolOp):
            parts = list(map(self._compiled, node.values))
            decide = all if isinstance(node.op, ast.And) else any
            return lambda run: decide(_is_true(part(run)) for part in parts)
        if isinstance(node, ast.UnaryOp) and isinstance(node.op, tuple(SIGNS)):
            operand, apply = self._compiled(node.operand), SIGNS[type(node.op)]
            return lambda run: apply(operand(run))
        if isinstance(node, ast.Compare):
            if not all(type(operation) in COMPARISONS for operation in node.ops):
                raise ValueError(f"where: {self.text!r}: compare with ==, not with 'is'")
            parts = list(map(self._compiled, (node.left, *node.comparators)))
            compare = [COMPARISONS[type(operation)] for operation in node.ops]

            def holds(run):
                values = [part(run) for part in parts]
                return all(map(_compare, compare, values, values[1:]))

            return holds
        if isinstance(node, (ast.Tuple, ast.List)):
            parts = list(map(self._compiled, node.elts))
            return lambda run: [part(run) for part in parts]
        if isinstance(node, ast.Constant):
            return lambda run: node.value
        if name := _dotted(node) or _of_a_set(ast.get_source_segment(self.text, node)):
            self.names += [name] * (name not in self.names)
            return lambda run: _looked_up(run, name)
        part = ast.get_source_segment(self.text, node) or type(node).__name__
        raise ValueError(
            f"where: {self.text!r}: {part!r} is not known here; there are names, numbers, texts in "
            "quotes, comparisons, and, or, not, in"
        )


def _of_a_set(text):
    """Return the name of a metric of validation data by name, such as val_loss/clean, or None."""
    return text if re.fullmatch(r"[^\W\d][\w.]*/[\w.-]+", text or "") else None


def lookup(run: RunFolder, name: str) -> Any:
    """Return a run's value of a name; None if it has none.

    Names are the keys of `FROM_DATA`, metrics (``val_acc`` for the last value; ``best.val_acc``,
    ``best.val_acc.epoch``), settings (``model.lr``, or ``lr`` if only one setting ends in it) and
    entries of the environment (``environment.python``).
    """
    if name in FROM_DATA:
        return FROM_DATA[name](run)
    if name in run.metrics:
        return run.metrics[name]
    head, _, rest = name.partition(".")
    if head == "best":
        metric, _, part = rest.partition(".")
        return run.best.get(metric, {}).get(part or "value")
    if head == "environment":
        return flat(run.environment).get(rest)
    settings = flat(run.config)
    if name in settings:
        return settings[name]
    if f"{name}.name" in settings:  # named like the flags --model, --data
        return settings[f"{name}.name"]
    ends = [key for key in settings if key.endswith(f".{name}")]
    return settings[ends[0]] if len(ends) == 1 else None


def flat(settings: dict[str, Any], prefix: str = "") -> dict[str, Any]:
    r"""Return nested settings as a flat dict, ``{"model.lr": 0.1}``; texts are on one line.

    Examples
    --------
    >>> from firstlight.runs.query import flat
    >>> flat({"model": {"lr": 0.1}, "data": "Sequential(\n  (0): ReLU()\n)"})
    {'model.lr': 0.1, 'data': 'Sequential((0): ReLU())'}
    """
    found = {}
    for name, value in settings.items():
        if isinstance(value, dict) and value:
            found |= flat(value, f"{prefix}{name}.")
        elif isinstance(value, str):  # e.g. the representation of a model
            one_line = re.sub(r"(?<=[(\[{])\s+|\s+(?=[)\]}])", "", " ".join(value.split()))
            found[f"{prefix}{name}"] = one_line
        else:
            found[f"{prefix}{name}"] = value
    return found


def sorted_by(key: str, runs: Sequence[RunFolder]) -> list[RunFolder]:
    """Return runs sorted by a name, descending if it begins with ``-``; see `list_runs`."""
    name = key.removeprefix("-")
    check_known(name, runs, "sort")
    values = [(lookup(run, name), run) for run in runs]
    known = [(value, run) for value, run in values if value is not None and value == value]
    known.sort(key=lambda pair: _sortable(pair[0]), reverse=key.startswith("-"))
    return [run for _, run in known] + [
        run for value, run in values if value is None or value != value
    ]


def check_known(name: str, runs: Sequence[RunFolder], who: str) -> None:
    """Raise a ValueError if none of the runs has a value of a name."""
    if not runs or name in FROM_DATA or any(lookup(run, name) is not None for run in runs):
        return
    known = [*FROM_DATA]
    for run in runs:
        settings = flat(run.config)
        if name in settings:
            return  # a setting of None
        known += [*run.metrics, *settings, *(f"best.{metric}" for metric in run.best)]
    known = list(dict.fromkeys(known))
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(known[:20])}"
    raise ValueError(f"{who}: no run has {name!r}; {hint}")


def _looked_up(run, name):
    """Return a run's value of a name: MISSING if it has none, None for a setting of None."""
    found = lookup(run, name)
    return MISSING if found is None and name not in flat(run.config) else found


def _compare(compare, a, b):
    if a is MISSING or b is MISSING:
        return False
    if isinstance(a, list) and isinstance(b, str):
        a = ",".join(map(str, a))  # model.hidden == "512,256"
    try:
        return bool(compare(a, b))
    except TypeError:
        return False


def _is_true(value):
    return value is not MISSING and bool(value)


def _dotted(node):
    """Return ``"a.b"`` for a name or attribute, "" for any other node."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def _sortable(value):
    """Return a key that sorts numbers before texts, and lists as texts."""
    if isinstance(value, (int, float)):
        return 0, value, ""
    return 1, 0, ",".join(map(str, value)) if isinstance(value, list) else str(value)
