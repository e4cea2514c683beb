"""Mask secrets in source code, which keeps its lines and columns.

The code is parsed. Masked are literal texts, also in literal lists and dicts, that are assigned or
passed to secret names. Other calls stay as they are: ``password = os.environ["DB_PASSWORD"]`` is
needed to run the code again.
"""

import ast
import re
from collections.abc import Iterator
from contextlib import suppress
from itertools import chain

from firstlight.runs.masking import IN_TEXT, IN_URL, MASK, SECRET, is_secret

QUOTED = re.compile(  # in comments and in texts, such as commands
    rf"""(?<!lambda[ ])((?:{SECRET.pattern})\w{{0,60}}(?:["']\]?)?\s*[=:]\s*)"""
    r"""((["'])(?!\3)(?:(?!\3)[^\n])+\3)""",
    re.IGNORECASE,
)
NAME = re.compile(r"[-\w.]+")
DEFAULTS = ("default", "const")  # of a declared setting
LOOK_UPS = ("get", "getattr", "getenv", "putenv", "setattr", "setdefault", "setenv")


def masked_source(text: str) -> str:
    """Return source code with ``"***"`` for literal texts that belong to secret names.

    A mask is as wide as what it replaces: spaces follow it, or it is shorter.

    Examples
    --------
    >>> from firstlight.runs.source_masking import masked_source
    >>> masked_source("API_KEY = 'abc'; login(api_key=API_KEY, password='x')")
    "API_KEY = '***'; login(api_key=API_KEY, password='*')"
    >>> masked_source("def login(token: str = 'abcdef', user='x'): pass")
    "def login(token: str = '***'   , user='x'): pass"
    """
    if SECRET.search(text):
        with suppress(SyntaxError, ValueError, RecursionError):  # it could not be imported
            text = _with_masks(text, ast.parse(text))
        text = QUOTED.sub(lambda found: found[1] + _mask(found[2]), text)
    return IN_URL.sub(_url, text)


def _with_masks(text, tree):
    """Replace the literal texts that belong to secret names."""
    content = text.encode()
    lines = [0, *(end.end() for end in re.finditer(b"\n", content))]
    spans = {
        (lines[one.lineno - 1] + one.col_offset, lines[one.end_lineno - 1] + one.end_col_offset)
        for node in _walk(tree)
        for name, value in _named(node)
        if name is not None and is_secret(name)
        for one in _texts(value)
    }
    literals = {
        (lines[one.lineno - 1] + one.col_offset, lines[one.end_lineno - 1] + one.end_col_offset)
        for one in _walk(tree)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    }
    for start, end in sorted(spans | literals, reverse=True):
        literal = content[start:end].decode()
        mask = _mask(literal) if (start, end) in spans else IN_TEXT.sub(_password, literal)
        content = content[:start] + mask.encode() + content[end:]
    return content.decode()


def _password(found):
    return found[1] + _padded(MASK[: len(found[2])], found[2])


def _walk(node: ast.AST) -> Iterator[ast.AST]:
    """Yield all nodes, except those in f-strings, whose places Python 3.11 does not know."""
    yield node
    if not isinstance(node, ast.JoinedStr):
        for child in ast.iter_child_nodes(node):
            yield from _walk(child)


def _named(node: ast.AST) -> Iterator[tuple[str | None, ast.AST | None]]:
    """Yield the names, and the expressions that a node assigns or passes to them."""
    match node:
        case ast.Assign(targets, value):
            for target in targets:
                yield _name(target), value
                if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
                    yield from zip(map(_name, target.elts), value.elts, strict=False)
        case ast.AnnAssign() | ast.AugAssign() | ast.NamedExpr():
            yield _name(node.target), node.value
        case ast.keyword(arg, value):
            yield arg, value
        case ast.Dict(keys, values):
            yield from zip(map(_text, keys), values, strict=True)
        case ast.arguments():
            places = reversed([*node.posonlyargs, *node.args])
            in_order = zip(places, reversed(node.defaults), strict=False)
            by_name = zip(node.kwonlyargs, node.kw_defaults, strict=True)
            yield from ((place.arg, value) for place, value in chain(in_order, by_name))
        case ast.Call(func, args, keywords):  # add_argument("--password", default="x")
            named = next(filter(is_secret, filter(None, map(_text, args))), None)
            yield from ((named, one.value) for one in keywords if one.arg in DEFAULTS)
            if _name(func) in LOOK_UPS:
                yield from ((named, one) for one in args if _text(one) != named)


def _name(node: ast.AST) -> str | None:
    """Return the name of a variable, attribute or item."""
    match node:
        case ast.Name(name) | ast.Attribute(_, name):
            return name
        case ast.Subscript(_, item):
            return _text(item)
    return None


def _text(node: ast.AST | None) -> str | None:
    """Return a literal text that is a name."""
    match node:
        case ast.Constant(str(text)) if NAME.fullmatch(text):
            return text
    return None


def _texts(node: ast.AST | None) -> Iterator[ast.expr]:
    """Yield the literal texts that an expression consists of."""
    match node:
        case ast.Constant(str(text) | bytes(text)) if text:
            yield node
        case ast.JoinedStr(parts) if any(isinstance(part, ast.Constant) for part in parts):
            yield node
        case ast.List() | ast.Tuple() | ast.Set() | ast.Dict() | ast.BinOp() | ast.BoolOp():
            for child in ast.iter_child_nodes(node):
                if not (isinstance(node, ast.Dict) and child in node.keys):
                    yield from _texts(child)
        case ast.IfExp(_, one, other):
            yield from (*_texts(one), *_texts(other))
        case ast.Call(func, _, keywords):  # "x".encode(), Field(default="x")
            yield from _texts(func.value if isinstance(func, ast.Attribute) else None)
            for keyword in keywords:
                yield from _texts(keyword.value if keyword.arg in DEFAULTS else None)


def _mask(literal):
    """Return a literal text of the same lines and width."""
    quote, lines = literal[-1], literal.split("\n")
    kind = "b" if "b" in re.match(r"\w*", literal)[0].lower() else ""
    if len(lines) == 1:
        room = len(literal.encode()) - len(kind) - 2
        return _padded(f"{kind}{quote}{MASK[:room]}{quote}", literal)
    before = " " * (len(lines[-1].encode()) - 3)
    return f"{kind}{quote * 3}{MASK}" + "\n" * (len(lines) - 1) + before + quote * 3


def _url(found):
    room = len(found[0]) - len(found[1]) - 2
    return _padded(f"{found[1]}:{MASK[:room]}@", found[0])


def _padded(mask, replaced):
    return mask + " " * (len(replaced.encode()) - len(mask.encode()))
