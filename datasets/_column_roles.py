"""Column roles: which columns of a table are its target and its inputs."""

import warnings
from collections.abc import Sequence

from firstlight.data.preprocessing import Preprocessing


def target_name(
    target: str | int | None, names: Sequence[str], like: Preprocessing | None, where: str
) -> str | None:
    """Return the name of the target column: the given one, a run's, or the last.

    None if a run's target is missing.
    """
    if target is None and like is not None:
        return like.target_column if like.target_column in names else None
    return names[column_index(-1 if target is None else target, names, where)]


def column_index(column: str | int, names: Sequence[str], where: str) -> int:
    """Return the place of a column, by its name or number."""
    if column in names:
        return names.index(column)
    try:
        return range(len(names))[int(column)]
    except (ValueError, IndexError):
        raise ValueError(
            f"{where}: there is no column {column!r}; the columns are {', '.join(names)}"
        ) from None


def input_columns(
    names: Sequence[str],
    target: str | None,
    columns: Sequence[str],
    drop: Sequence[str],
    group: str | None,
    like: Preprocessing | None,
    where: str,
    cure: str = "give it this name",
) -> list[str]:
    """Return the names of the input columns: chosen ones, all others than the target, or a run's.

    Raises
    ------
    TypeError
        A text in place of a list of names.
    ValueError
        No such column; the target or the group among them; a run's column is missing.
    """
    for option, found in (("columns", columns), ("drop", drop)):
        if isinstance(found, str):
            raise TypeError(f"{where}: expected {option}={found.split(',')}, got {found!r}")
    asked = [names[column_index(column, names, where)] for column in columns]
    if like is not None:
        return _run_columns(names, target, asked, {*drop, group}, like, where, cure)
    for column in (*drop, *[group] * (group is not None)):
        column_index(column, names, where)
    found = asked or [c for c in names if c != target and c != group and c not in drop]
    if not found:
        raise ValueError(f"{where}: expected two or more columns, got {list(names)}")
    for column, role in ((target, "target"), (group, "group")):
        if column in found:
            raise ValueError(f"{where}: column {column} is the {role}, and no input")
    return found


def _run_columns(names, target, asked, ignored, like, where, cure):
    """Return a run's input columns; warn of others, unless the run has none of them either."""
    trained = like.columns
    unused = {entry["column"] for entry in like.encoding or ()} - {*trained}
    missing = [name for name in trained if name not in names]
    if missing:
        raise ValueError(
            f"{where}: there is no column {', '.join(missing)}; the run was trained on "
            f"{', '.join(trained)}, and the columns are {', '.join(names)}; {cure}"
        )
    if asked and {*asked} - unused != {*trained}:
        raise ValueError(
            f"{where}: columns are {', '.join(asked)}, and the run was trained on "
            f"{', '.join(trained)}; leave out columns"
        )
    known = {*trained, *unused, *ignored, target, like.target_column}
    if others := [name for name in names if name not in known]:
        warnings.warn(
            f"{where}: the run was not trained on column {', '.join(others)}; it is left out",
            stacklevel=4,
        )
    return trained
