"""Where-expressions: which runs to keep, and in which order, told in words of their own.

An expression compares what is known of a run with constants::

    val_acc > 0.9 and model.lr < 0.1
    status == "crashed" or "baseline" in tags
    name in ("mlp-digits", "cnn-digits") and not epochs < 5

It is parsed, never executed: only names, constants, comparisons, ``and``, ``or``, ``not``, ``in``
and signs are known. A run that lacks a name, or has something there that cannot be compared, does
not fulfil the comparison.
"""

import ast
import difflib
import math
import operator
import re

FACTS = {  # what can be asked of a run besides its metrics and settings
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
COMPARISONS = {
    ast.Lt: operator.lt,
    ast.LtE: operator.le,
    ast.Gt: operator.gt,
    ast.GtE: operator.ge,
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.In: lambda a, b: a in b,
    ast.NotIn: lambda a, b: a not in b,
}
MISSING = object()


def condition(text):
    """Return the `Condition` that an expression states.

    Raises
    ------
    ValueError
        It is no expression, or has something in it that is not known here.
    """
    try:
        tree = ast.parse(text.strip(), mode="eval")
    except (SyntaxError, ValueError, RecursionError, MemoryError) as error:
        raise ValueError(
            f"where: {text!r} is no expression ({getattr(error, 'msg', error)}); e.g. "
            '"val_acc > 0.9 and model.lr < 0.1"'
        ) from error
    _check(tree.body, text)
    return Condition(text, tree.body)


class Condition:
    """What runs are chosen by; made by `condition`.

    Parameters
    ----------
    text : str
    tree : ast.expr
        Checked already.
    """

    def __init__(self, text, tree):
        self.text, self._tree = text, tree
        nodes = [node for node in ast.walk(tree) if isinstance(node, (ast.Name, ast.Attribute))]
        inner = {id(node.value) for node in nodes if isinstance(node, ast.Attribute)}
        self.names = list(dict.fromkeys(_dotted(n) for n in nodes if id(n) not in inner))

    def holds(self, run):
        """Return whether a run fulfils the condition."""
        return bool(_value(self._tree, run))

    def keep(self, runs):
        """Return the runs that fulfil the condition.

        Raises
        ------
        ValueError
            A name that none of the runs has, most likely a misspelled one.
        """
        for name in self.names:
            known(name, runs, "where")
        return [run for run in runs if self.holds(run)]


def lookup(run, name):
    """Return what a run has under a name, None where it has nothing.

    Names are those in `FACTS`, of metrics (``val_acc``: the last value; ``best.val_acc`` and
    ``best.val_acc.epoch``), of settings (``model.lr``; ``lr`` where only one ends so) and of the
    environment (``environment.python``).
    """
    if name in FACTS:
        return FACTS[name](run)
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
    if f"{name}.name" in settings:  # as the flags are called: --model, --data
        return settings[f"{name}.name"]
    ends = [key for key in settings if key.endswith(f".{name}")]
    return settings[ends[0]] if len(ends) == 1 else None


def flat(settings, prefix=""):
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
        else:
            found[f"{prefix}{name}"] = _one_line(value) if isinstance(value, str) else value
    return found


def _one_line(text):
    """Return a text, such as what describes a model that a script trained, on one line."""
    return re.sub(r"(?<=[(\[{])\s+|\s+(?=[)\]}])", "", " ".join(text.split()))


def sorted_by(key, runs):
    """Return runs sorted by a name, descending where a ``-`` is before it; see `list_runs`."""
    name = key.removeprefix("-")
    known(name, runs, "sort")
    values = [(lookup(run, name), run) for run in runs]
    there = [pair for pair in values if not _lacks(pair[0])]
    lacking = [run for value, run in values if _lacks(value)]
    there.sort(key=lambda pair: _sortable(pair[0]), reverse=key.startswith("-"))
    return [run for _, run in there] + lacking


def known(name, runs, who):
    """Raise a ValueError if none of the runs has a name."""
    if not runs or name in FACTS or any(lookup(run, name) is not None for run in runs):
        return
    there = [*FACTS]
    for run in runs:
        settings = flat(run.config)
        if name in settings:
            return  # it is there, and None
        there += [*run.metrics, *settings, *(f"best.{metric}" for metric in run.best)]
    there = list(dict.fromkeys(there))
    close = difflib.get_close_matches(name, there, n=1, cutoff=0.5)
    hint = f"did you mean {close[0]}?" if close else f"there are {', '.join(there[:20])}"
    raise ValueError(f"{who}: no run has {name!r}; {hint}")


def _check(node, text):
    """Raise a ValueError at the first part of an expression that is not known here."""
    if isinstance(node, ast.BoolOp):
        parts = node.values
    elif isinstance(node, ast.UnaryOp) and isinstance(node.op, (ast.Not, ast.USub, ast.UAdd)):
        parts = [node.operand]
    elif isinstance(node, ast.Compare):
        for operation in node.ops:
            if type(operation) not in COMPARISONS:
                raise ValueError(f"where: {text!r}: compare with ==, not with 'is'")
        parts = [node.left, *node.comparators]
    elif isinstance(node, (ast.Tuple, ast.List)):
        parts = node.elts
    elif isinstance(node, (ast.Constant, ast.Name)) or _dotted(node):
        parts = []
    else:
        part = ast.get_source_segment(text.strip(), node) or type(node).__name__
        raise ValueError(
            f"where: {text!r}: {part!r} is not known here; there are names, numbers, texts in "
            "quotes, comparisons, and, or, not, in"
        )
    for part in parts:
        _check(part, text)


def _value(node, run):
    """Return what a part of an expression is for a run; MISSING for a name that it lacks."""
    if isinstance(node, ast.BoolOp):
        decide = all if isinstance(node.op, ast.And) else any
        return decide(_true(_value(part, run)) for part in node.values)
    if isinstance(node, ast.UnaryOp):
        value = _value(node.operand, run)
        if isinstance(node.op, ast.Not):
            return not _true(value)
        return MISSING if value is MISSING else (-1 if isinstance(node.op, ast.USub) else 1) * value
    if isinstance(node, ast.Compare):
        values = [_value(part, run) for part in (node.left, *node.comparators)]
        pairs = zip(node.ops, values[:-1], values[1:], strict=True)
        return all(_compare(operation, a, b) for operation, a, b in pairs)
    if isinstance(node, (ast.Tuple, ast.List)):
        return [_value(part, run) for part in node.elts]
    if isinstance(node, ast.Constant):
        return node.value
    found = lookup(run, _dotted(node))
    return MISSING if found is None and _dotted(node) not in flat(run.config) else found


def _compare(operation, a, b):
    if a is MISSING or b is MISSING:
        return False
    if isinstance(a, list) and isinstance(b, str):
        a = ",".join(map(str, a))  # model.hidden == "512,256"
    try:
        return bool(COMPARISONS[type(operation)](a, b))
    except TypeError:
        return False


def _true(value):
    return value is not MISSING and bool(value)


def _dotted(node):
    """Return ``"a.b"`` of a name or attribute, "" of anything else."""
    if isinstance(node, ast.Name):
        return node.id
    if isinstance(node, ast.Attribute) and (before := _dotted(node.value)):
        return f"{before}.{node.attr}"
    return ""


def _lacks(value):
    return value is None or (isinstance(value, float) and math.isnan(value))


def _sortable(value):
    """Return a key that sorts numbers before texts, and lists as texts."""
    if isinstance(value, (int, float)):
        return 0, value, ""
    return 1, 0, ",".join(map(str, value)) if isinstance(value, list) else str(value)
