"""Read JSON and YAML from untrusted files, within limits.

A file of a few hundred bytes can expand to billions of values by YAML's aliases, or be nested
deeper than Python's recursion limit. It can also give one setting two values, and parsers silently
use the last one.
"""

import json
import re
from itertools import chain
from pathlib import Path
from typing import Any

from firstlight.support.files import PathLike

DURATION = re.compile(r"\d{1,3}(:\d{1,2}){1,3}")  # HH:MM:SS
MOST_JSON = 2**24  # bytes of a file
MOST_YAML = 2**17  # characters of YAML; the parser takes seconds for these
LONGEST = 400  # characters of a parser's message, which may quote the file
VALUES = 100_000  # in a YAML file, with aliases expanded
MOST_BITS = 2**13  # of an integer
DEPTH = 50  # of nested lists and dicts


def read_json(path: PathLike) -> Any:
    """Return the value in a JSON file.

    Raises
    ------
    OSError
        As the system reports it.
    ValueError
        Not JSON, larger or deeper than the limits, or a name occurs twice.
    """
    return parse_json(read_text(path, MOST_JSON))


def read_yaml(path: PathLike) -> Any:
    """Return the value in a YAML or JSON file; see `read_json`."""
    text = read_text(path, MOST_JSON)
    if text[:1] in ("{", "["):  # most likely JSON, which is parsed a hundred times faster
        try:
            return _json(text)
        except json.JSONDecodeError:
            pass
    return parse_yaml(text)


def read_text(path: PathLike, most: int) -> str:
    """Return the text in a UTF-8 file of at most ``most`` bytes."""
    path = Path(path)
    if path.exists() and not path.is_file():
        raise ValueError("it is no file")  # reading a pipe or /dev/zero would not end
    with open(path, "rb") as file:
        content = file.read(min(most, path.stat().st_size) + 1)
    if len(content) > most:
        raise ValueError(f"it has more than {most:,} bytes; settings have far fewer")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ValueError(
            f"not a text file: byte {error.start} is no UTF-8; save it as UTF-8"
        ) from error


def parse_json(text: str) -> Any:
    """Return the value in a JSON text; see `read_json`."""
    try:
        return _json(text)
    except json.JSONDecodeError as error:
        raise ValueError(f"not JSON: {error}; correct that place") from error


def _json(text):
    try:
        found = json.loads(text, object_pairs_hook=_unique)
    except RecursionError:
        raise ValueError(_too_deep()) from None
    check_depth(found)
    return found


def parse_yaml(text: str) -> Any:
    """Return the value in a YAML text; see `read_json`."""
    import yaml

    if len(text) > MOST_YAML:
        raise ValueError(f"it has more than {MOST_YAML:,} characters; write it as JSON")
    try:
        loader = yaml.SafeLoader(text)
        node = loader.get_single_node()
        if node is not None:
            _count_values(node, {}, loader)
        found = None if node is None else loader.construct_document(node)
    except yaml.YAMLError as error:
        reason = " ".join(str(error).split()).replace(' in "<unicode string>"', "")
        reason = reason if len(reason) <= LONGEST else reason[:LONGEST] + "..."
        raise ValueError(f"not YAML or JSON: {reason}; correct that place") from error
    except RecursionError:
        raise ValueError(_too_deep()) from None
    except (ArithmeticError, AttributeError, LookupError, TypeError, ValueError) as error:
        # invalid dates, numbers and bytes
        reason = " ".join(str(error).split())
        raise ValueError(
            f"not YAML or JSON: a value cannot be read: {reason}; correct it"
        ) from error
    check_depth(found)
    return found


def check_depth(value: Any) -> None:
    """Raise a ValueError if lists and dicts are nested deeper than `DEPTH`."""
    layer = [value]
    for _ in range(DEPTH):
        inner = [v.values() if isinstance(v, dict) else v for v in layer]
        layer = [
            item for v in inner if not isinstance(v, (str, bytes)) and hasattr(v, "__iter__")
            for item in v
        ]  # fmt: skip
        if not layer:
            return
    raise ValueError(_too_deep())


def _too_deep():
    return f"it is nested deeper than {DEPTH} levels, and settings are not; leave some out"


def _unique(pairs):
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        twice = max(names, key=names.count)
        raise ValueError(f"{twice!r} occurs twice; leave one of the two out")
    return found


def _count_values(node, counts, loader):
    """Return the number of values in a YAML node, with aliases expanded; raise if it is refused.

    An alias is the same object as its node. ``counts`` has None for nodes that are being counted.
    """
    if node in counts:
        if counts[node] is None:
            raise _yaml_error("an alias is inside its own node", node)
        return counts[node]
    counts[node], inner = None, ()
    if node.id == "mapping":
        _check_duplicates(node)
        inner = chain.from_iterable(node.value)
    elif node.id == "sequence":
        inner = node.value
    elif DURATION.fullmatch(node.value):
        node.tag = "tag:yaml.org,2002:str"  # YAML 1.1 makes 10:00 the number 600
    elif node.tag == "tag:yaml.org,2002:int":
        bits = loader.construct_yaml_int(node).bit_length()
        if bits > MOST_BITS:  # Python would not print it
            raise ValueError(f"a whole number of {bits:,} bits")
    count = 1 + sum(_count_values(part, counts, loader) for part in inner)
    if count > VALUES:
        raise _yaml_error(f"it has more than {VALUES:,} values, aliases counted", node)
    counts[node] = count
    return count


def _check_duplicates(node):
    seen = {}
    for key, _ in node.value:
        if key.id == "scalar":
            first = seen.setdefault((key.tag, key.value), key)
            if first is not key:
                line = first.start_mark.line + 1
                raise _yaml_error(
                    f"{key.value!r} occurs twice, in line {line} too; leave one out", key
                )


def _yaml_error(what, node):
    import yaml

    return yaml.YAMLError(f"line {node.start_mark.line + 1}: {what}")
