"""Rules that rewrite an expression: what a student may have meant in place of what is there.

In a rule capital letters match any expression, C a number, and ``*R`` all further arguments. In
its replacements N is each size in scope, K each constant factor, V each array in scope, and P each
part of ``self`` that has a backward. The first rules are tried first.
"""

import ast
import copy
import functools
import itertools
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.tools.diagnose.probes.edits.scope import Scope, parsed
from firstlight.tools.diagnose.probes.edits.syntax import Slot, same

# rank, mistake, roles of the expression: pattern => replacements
RULES = """
0 sign any: A + B => A - B
0 sign any: A - B => A + B
0 sign any: -A => A
0 transpose any: A.T => A
0 transpose any: A @ B => B.T @ A.T ; A.T @ B ; A @ B.T ; B @ A ; B.T @ A ; B @ A.T ; A.T @ B.T
0 transpose any: np.dot(A, B) => np.dot(B.T, A.T) ; np.dot(A.T, B) ; np.dot(A, B.T) ; np.dot(B, A)
0 transpose any: np.outer(A, B) => np.outer(B, A)
0 transpose any: A.transpose(*R) => A
0 index any: A.transpose(*R) => A[::-1, ::-1].transpose(*R) ; A[..., ::-1, ::-1].transpose(*R)
0 transpose any: A.swapaxes(*R) => A
0 sum any: A.mean(*R) => A.sum(*R)
0 sum any: np.mean(*R) => np.sum(*R)
0 sum any: A.sum(*R) => A.mean(*R)
0 sum any: np.sum(*R) => np.mean(*R)
0 sum any: A[C] => A.sum(axis=-1)
0 derivative any: 1 - A ** 2 => 1 - A ; A * (1 - A)
0 derivative any: 1 - A * A => 1 - A
0 derivative any: 1 - A => 1 - A ** 2
0 derivative any: A * (1 - A) => 1 - A ** 2 ; A
0 derivative any: A ** C => A ; 1 - A ** C ; 1 + A ** C
0 derivative any: np.log(A) => np.exp(A) ; A ; 1 / A
0 derivative any: np.exp(A) => A ; np.log(A)
0 derivative any: np.sin(A) => np.cos(A)
0 derivative any: np.cos(A) => np.sin(A) ; -np.sin(A)
0 derivative any: np.tanh(A) => A ; 1 - np.tanh(A) ** 2
0 derivative any: np.sign(A) => A ; np.abs(A)
0 derivative any: np.abs(A) => A ; np.sign(A)
0 derivative any: np.sqrt(A) => A ; 1 / np.sqrt(A)
0 derivative any: np.maximum(*R) => np.minimum(*R)
0 derivative any: np.minimum(*R) => np.maximum(*R)
0 condition any: A > B => A < B ; A >= B ; A <= B
0 condition any: A < B => A > B ; A <= B ; A >= B
0 condition any: A >= B => A > B ; A < B ; A <= B
0 condition any: A <= B => A < B ; A > B ; A >= B
0 condition any: A == B => A != B ; A > B ; A < B
0 condition any: A != B => A == B
0 condition any: ~A => A
0 condition any: A & B => A | B ; A ; B
0 condition any: A if B else D => D if B else A ; A ; D
0 condition any: np.where(A, B, D) => np.where(A, D, B)
0 index any: A.argmin(*R) => A.argmax(*R)
0 index any: A.argmax(*R) => A.argmin(*R)
0 index any: A[::-1] => A
0 index any: A[::-1, ::-1] => A
0 index any: A[B - D, E - F] => A[D, F]
0 index any: A[B - D] => A[D]
0 order any: reversed(A) => A
1 factor any: A * B => A ; B ; A / B
1 factor any: A / B => A ; A * B
1 factor any: A // B => A / B
1 derivative divisor: A => 1 - A
1 factor term: A => A * K ; A / K
1 operand any: A * B => A @ B ; A + B ; A - B
1 operand any: A @ B => A * B
1 term any: A + B => A ; B ; A * B
1 term any: A - B => A ; B ; A * B
1 sum any: A.sum(*R) => A
1 sum any: np.sum(A, *R) => A
1 sum any: A.mean(*R) => A
2 sign term: A => -A
2 sign any: A - B => B - A
2 derivative name: A => A ** 2
2 derivative name: A => np.exp(A) ; np.sign(A) ; np.abs(A) ; np.tanh(A) ; np.log(A) ; 1 - A
2 condition name: A => ~A
2 transpose matrix: A => A.swapaxes(-1, -2)
2 transpose term base: A => A.T ; A.swapaxes(-1, -2) ; A.swapaxes(0, 1) ; A.swapaxes(1, 2)
2 transpose name: A => A.T
2 unused term: A => P.backward(A)
2 order loop: A => reversed(A) ; A[::-1]
2 index name: A => A[::-1] ; A[::-1, ::-1] ; A[..., ::-1, ::-1] ; A[:, ::-1]
2 order term: A => A[::-1] ; A[:, ::-1] ; A[..., ::-1]
2 sum term: A => A.sum(axis=0) ; A.sum(axis=-1, keepdims=True) ; A.sum(axis=1) ; A.sum(axis=-1)
2 sum term: A => A.sum() ; A.sum(axis=0, keepdims=True) ; A.sum(axis=1, keepdims=True)
2 sum term: A => A.sum(axis=(0, 1)) ; A.sum(axis=(0, 2)) ; A.sum(axis=(1, 2))
2 sum term: A => A.sum(axis=(0, 1, 2)) ; A.sum(axis=-2)
2 factor term: A => A / N ; A * N
3 derivative name: A => 1 + A
3 factor divisor: A => A ** 2 ; A ** 3
3 term value: A => A + V
3 factor term: A => A * V ; A / V
3 derivative term: A => A * (V > 0) ; A * (1 - V ** 2) ; A * V * (1 - V) ; A * (1 - V)
3 sum any: A / B => A / B.size
3 term term: A => A - V
3 term value: A => A - (A * V).sum(axis=-1, keepdims=True) ; A - A.mean(axis=0)
4 copy name: A => A.copy()
4 factor term: A => A * V[:, None] ; A * V[..., None] ; A / V[:, None]
4 derivative term: A => A * np.exp(V) ; A * np.cos(V) ; A * np.sign(V) ; A * (V >= 0) ; A * (V != 0)
"""


@dataclass(frozen=True)
class Rule:
    """A line of `RULES`: its results are pairs of an expression and its compiled form."""

    rank: int
    mistake: str
    roles: frozenset[str]
    pattern: ast.expr
    results: tuple[tuple[ast.expr, Any], ...]


@functools.cache
def rules(rank: int) -> tuple[Rule, ...]:
    """Return the parsed rules of a rank."""
    found = []
    for line in RULES.strip().splitlines():
        head, _, rule = line.partition(": ")
        level, mistake, *roles = head.split()
        pattern, _, results = rule.partition(" => ")
        made = tuple((parsed(text), compile(text, "rule", "eval")) for text in results.split(" ; "))
        if int(level) == rank:
            found.append(Rule(rank, mistake, frozenset(roles), parsed(pattern), made))
    return tuple(found)


def rewritten(
    slot: Slot, roles: frozenset[str], scope: Scope, rank: int
) -> Iterator[tuple[str, ast.expr]]:
    """Yield ``(mistake, new expression)`` of the rules of a rank that a slot fits."""
    value = scope.results.get(slot.path)
    for rule in rules(rank):
        bound: dict[str, Any] = {}
        if not rule.roles & roles or not matches(rule.pattern, slot.node, bound):
            continue
        plain = isinstance(rule.pattern, ast.Name) and bool(scope.results)
        if plain and value is None and rule.mistake != "unused":
            continue  # it is no array or number, or did not run
        for result, code in rule.results:
            for names, values in _choices(result, scope):
                if (
                    not plain
                    or value is None
                    or _is_possible(code, {"A": value, **values}, rule.mistake)
                ):
                    yield rule.mistake, substituted(result, bound | names)


def _is_possible(code, values, mistake):
    """Return whether a changed value can be computed, differs, and has a shape that may fit."""
    if any(value is None for value in values.values()):
        return True  # a part, whose backward is not to be called here
    try:
        new = eval(code, {"np": np, **values})
    except Exception:
        return False
    if np.shape(new) != np.shape(values["A"]) != ():
        return mistake in ("sum", "transpose")
    return mistake == "copy" or bool(np.any(new)) and not np.array_equal(new, values["A"])


def matches(pattern: Any, node: Any, bound: dict[str, Any]) -> bool:
    """Return whether an expression fits a pattern; fill ``bound`` with what its letters match."""
    if isinstance(pattern, ast.Name) and pattern.id.isupper():
        inner = node.operand if isinstance(node, ast.UnaryOp) else node
        if pattern.id == "C" and not isinstance(inner, ast.Constant):
            return False
        first = bound.setdefault(pattern.id, node)
        return first is node or same(first, node)
    if type(pattern) is not type(node):
        return False
    if isinstance(pattern, ast.Call) and isinstance(pattern.args[-1:] or 0, list):
        *fixed, last = pattern.args or [None]
        if isinstance(last, ast.Starred):
            bound["R"] = (node.args[len(fixed) :], node.keywords)
            node = ast.Call(node.func, [*node.args[: len(fixed)]], [])
            pattern = ast.Call(pattern.func, fixed, [])
    for name in pattern._fields:
        one, other = getattr(pattern, name), getattr(node, name)
        if isinstance(one, list):
            if len(one) != len(other):
                return False
            if not all(matches(p, n, bound) for p, n in zip(one, other, strict=True)):
                return False
        elif isinstance(one, ast.AST):
            if not isinstance(one, ast.expr_context) and not matches(one, other, bound):
                return False
        elif one != other and name not in ("kind", "type_comment"):
            return False
    return True


def substituted(template: Any, bound: dict[str, Any]) -> Any:
    """Return a template with its letters replaced; ``a.T.T`` becomes ``a``, ``--a`` too."""
    if isinstance(template, ast.Name) and template.id in bound:
        return bound[template.id]
    new = copy.copy(template)
    for name in template._fields:
        value = getattr(template, name)
        if isinstance(value, list):
            setattr(new, name, [substituted(v, bound) for v in value if not _is_rest(v)])
        elif isinstance(value, ast.AST):
            setattr(new, name, substituted(value, bound))
    if isinstance(new, ast.Call) and any(_is_rest(v) for v in template.args):
        new.args, new.keywords = [*new.args, *bound["R"][0]], list(bound["R"][1])
    match new:
        case ast.Attribute(ast.Attribute(inner, "T"), "T"):
            return inner
        case ast.UnaryOp(op, ast.UnaryOp(other, inner)) if type(op) is type(other):
            return inner
    return new


def _is_rest(node):
    return isinstance(node, ast.Starred)


def _choices(result, scope):
    """Yield what N, K, V and P of a replacement may be: expressions, and values, by letter."""
    names = {node.id for node in ast.walk(result) if isinstance(node, ast.Name)}
    open_names = [name for name in ("N", "K", "V", "P") if name in names]
    options = [[(n, *pair) for pair in scope.choices(n).items()] for n in open_names]
    for chosen in itertools.product(*options):
        yield {n: parsed(text) for n, text, _ in chosen}, {n: value for n, _, value in chosen}
