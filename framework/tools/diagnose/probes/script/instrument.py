"""Instrumentation of a script's source: loops, assignments and recorded numbers report themselves.

The compiled code calls a recorder under the name `RECORDER`; line numbers are those of the source.
"""

import ast
import copy
from dataclasses import dataclass, field
from typing import Any

from firstlight.tools.diagnose.probes.script.source_text import leaves

RECORDER = "__firstlight_recorder__"
ELEMENTWISE = {"sqrt", "square", "abs", "sign", "maximum", "minimum", "clip", "asarray", "astype"}
HARMLESS = (  # nodes of an index that may be evaluated again
    *(ast.Name, ast.Constant, ast.Slice, ast.Tuple, ast.BinOp, ast.UnaryOp),
    *(ast.operator, ast.unaryop, ast.expr_context),
)
FLOAT32 = {"float32", "single"}


@dataclass
class Site:
    """A statement that reports itself.

    Attributes
    ----------
    line, end : int
        First and last line.
    names : list of str
        Source text of what it assigns or records.
    sources : list of str
        Source text of the plain values of its right side.
    leaves : int
        How many of these, the first ones, are combined elementwise.
    constants : list of float
        Of its right side.
    reads_itself : bool
        Whether the right side reads what is assigned.
    adds, subtracts : bool
        Whether it adds to or subtracts from what is assigned, and whether the latter.
    """

    line: int
    end: int
    names: list[str] = field(default_factory=list)
    sources: list[str] = field(default_factory=list)
    leaves: int = 0
    constants: list[float] = field(default_factory=list)
    reads_itself: bool = False
    adds: bool = False
    subtracts: bool = False


def instrumented(
    tree: ast.Module, *, float64: bool = False, first: int = 0
) -> tuple[ast.Module, list[Site]]:
    """Return a syntax tree with calls of the recorder, and the sites that they name.

    Parameters
    ----------
    tree : ast.Module
        It is changed.
    float64 : bool
        Read the names of single precision as those of double precision.
    first : int
        Number of the first site.
    """
    writer = _Writer(float64, first)
    tree = writer.visit(tree)
    return ast.fix_missing_locations(tree), writer.sites


class _Writer(ast.NodeTransformer):
    def __init__(self, float64, first):
        self.sites, self.float64, self.first = [], float64, first

    def visit_ClassDef(self, node):
        node.body = [
            self.visit(n) if isinstance(n, (ast.FunctionDef, ast.ClassDef)) else n
            for n in node.body
        ]
        return node

    def visit_For(self, node):
        index = self._site(node)
        self.generic_visit(node)
        node.iter = _call("loop", index, node.iter)
        return node

    def visit_While(self, node):
        index = self._site(node)
        self.generic_visit(node)
        node.test = ast.BoolOp(ast.And(), [_call("more", index), node.test])
        return [_expression(_call("enter", index), node), ast.copy_location(node, node)]

    def visit_Assign(self, node):
        return self._assignment(node, node.targets, node.value)

    def visit_AnnAssign(self, node):
        return node if node.value is None else self._assignment(node, [node.target], node.value)

    def visit_AugAssign(self, node):
        made = self._assignment(node, [node.target], node.value, augmented=True)
        self.sites[-1].adds = isinstance(node.op, (ast.Add, ast.Sub))
        self.sites[-1].subtracts = isinstance(node.op, ast.Sub)
        return made

    def visit_Expr(self, node):
        call = node.value
        self.generic_visit(node)
        if not isinstance(call, ast.Call):
            return node
        written = [k.value for k in call.keywords if k.arg == "out"]
        if not written and _text(call.func).endswith(".at"):  # np.add.at(array, index, values)
            written = call.args[:1]
        if written:
            return self._written(node, written, call)
        if _text(call.func) == "setattr" and len(call.args) == 3 and all(map(_pure, call.args[:2])):
            return self._attribute(node, *call.args)
        index = self._site(node, [_text(call.func)])
        call.args = [
            a if isinstance(a, ast.Starred) else _call("value", index, a) for a in call.args
        ]
        return node

    def visit_NamedExpr(self, node):
        index = self._site(node, [_text(node.target)])
        self.generic_visit(node)
        node.value = _call("value", index, node.value)
        return node

    def visit_Constant(self, node):
        if self.float64 and isinstance(node.value, str) and node.value in FLOAT32:
            return ast.copy_location(ast.Constant("float64"), node)
        return node

    def visit_Attribute(self, node):
        self.generic_visit(node)
        if self.float64 and node.attr in FLOAT32:
            node.attr = "float64"
        return node

    def _site(self, node, names=(), value=None, targets=()):
        sources = _sources(value) if value is not None else []
        texts = [_text(_base(one)) for one in targets]
        inside = {_text(n) for n in ast.walk(value)} if value is not None else set()
        site = Site(node.lineno, node.end_lineno, list(names), [_text(s) for s in sources])
        site.reads_itself = bool(inside & set(texts))
        self.sites.append(site)
        return self.first + len(self.sites) - 1

    def _assignment(self, node, targets, value, augmented=False):
        assigned = [leaf for target in targets for leaf in leaves(target)]
        index = self._site(node, [_text(one) for one in assigned], value, assigned)
        site = self.sites[index - self.first]
        site.reads_itself |= augmented
        operand = value
        while isinstance(operand, ast.BinOp) and isinstance(operand.op, (ast.Add, ast.Sub)):
            operand = operand.left
        if operand is not value and _text(operand) in site.names:
            site.adds, site.subtracts = True, isinstance(value.op, ast.Sub)
        sources = _sources(value)
        site.leaves = len(sources)
        sources += _names(value)
        site.sources = [_text(one) for one in sources]
        site.constants = [
            float(n.value)
            for n in ast.walk(value)
            if isinstance(n, ast.Constant) and type(n.value) in (int, float)
        ]
        known = {_text(n) for n in ast.walk(value)} if not augmented else set(site.names)
        bases = [_loaded(_base(one), one is not _base(one)) for one in assigned]
        olds = [_loaded(one, _text(one) in known) for one in assigned]
        self.generic_visit(node)
        if any(isinstance(one, ast.Subscript) for one in assigned) and not augmented:
            node.value = _call("value", index, node.value)
        parts = _tuple(bases), _tuple(olds), _tuple([_load(s) for s in sources])
        after = [
            ast.Assign([_store(leaf)], _call("after", index, ast.Constant(place), _load(leaf)))
            for place, leaf in enumerate(assigned)
            if _pure(leaf)
        ]
        first = _expression(_call("before", index, *parts), node)
        return [first, node, *(ast.copy_location(one, node) for one in after)]

    def _attribute(self, node, owner, name, value):
        """Return ``setattr(owner, name, value)`` with reports, as of ``owner.name = value``."""
        known = _named_call("getattr", owner, name)
        old = _named_call("getattr", owner, name, ast.Constant(None))
        sources = _sources(value)
        index = self._site(node, [_text(known)], value, [known])
        site = self.sites[index - self.first]
        site.leaves, site.subtracts = len(sources), isinstance(getattr(value, "op", 0), ast.Sub)
        parts = _tuple([ast.Constant(None)]), _tuple([old]), _tuple([_load(s) for s in sources])
        stored = _call("after", index, ast.Constant(0), known)
        again = _named_call("setattr", owner, name, stored)
        return [_expression(_call("before", index, *parts), node), node, _expression(again, node)]

    def _written(self, node, written, call):
        written = [w for w in written if _pure(w)]
        index = self._site(node, [_text(w) for w in written], call, written)
        sources, site = _sources(ast.Tuple(call.args)), self.sites[index - self.first]
        site.sources, site.leaves = [_text(s) for s in sources], len(sources)
        site.reads_itself, site.adds = True, not call.keywords
        site.subtracts = _text(call.func).endswith("subtract")
        nothing = [ast.Constant(None)] * len(written)
        parts = [_tuple(list(map(_load, one))) for one in (written, sources)]
        parts = _tuple(nothing), *parts
        first = _call("before", index, *parts)
        after = [
            _expression(_call("after", index, ast.Constant(place), _load(w)), node)
            for place, w in enumerate(written)
        ]
        return [_expression(first, node), node, *after]


def _base(target):
    """Return the array that an item assignment writes into, or the target itself."""
    return target.value if isinstance(target, ast.Subscript) else target


def _pure(node):
    """Return whether evaluating an expression once more changes nothing."""
    if isinstance(node, ast.Attribute):
        return _pure(node.value)
    if isinstance(node, ast.Subscript):
        return _pure(node.value) and all(isinstance(n, HARMLESS) for n in ast.walk(node.slice))
    return isinstance(node, ast.Name)


def _sources(value):
    """Return the plain values that an expression combines elementwise."""
    if _pure(value):
        return [value]
    if isinstance(value, ast.BinOp) and not isinstance(value.op, ast.MatMult):
        return _sources(value.left) + _sources(value.right)
    if isinstance(value, ast.UnaryOp):
        return _sources(value.operand)
    if isinstance(value, ast.Tuple):
        return [leaf for part in value.elts for leaf in _sources(part)]
    name = getattr(value.func, "attr", "") if isinstance(value, ast.Call) else ""
    if name in ELEMENTWISE:
        inner = [value.func.value] if name == "astype" else value.args
        return [leaf for part in inner for leaf in _sources(part)]
    return []


def _names(value):
    """Return the names in an expression, except where they may not be bound."""
    nodes = list(ast.walk(value))
    if any(isinstance(n, (ast.Lambda, ast.IfExp, ast.BoolOp, ast.NamedExpr)) for n in nodes):
        return []
    called = {id(n.func) for n in nodes if isinstance(n, ast.Call)}
    bound = {n.id for n in nodes if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)}
    names = [n for n in nodes if isinstance(n, (ast.Name, ast.Attribute)) and id(n) not in called]
    names = [n for n in names if _pure(n) and isinstance(n.ctx, ast.Load)]
    return [n for n in names if not bound & {m.id for m in ast.walk(n) if isinstance(m, ast.Name)}]


def _text(node):
    return ast.unparse(node) if isinstance(node, ast.expr) else ""


def _loaded(node, wanted):
    return _load(node) if wanted and _pure(node) else ast.Constant(None)


def _load(node):
    return _in_context(node, ast.Load())


def _store(node):
    return _in_context(node, ast.Store())


def _in_context(node, context):
    node = copy.deepcopy(node)
    node.ctx = context
    return node


def _tuple(elements):
    return ast.Tuple(elements, ast.Load())


def _call(name: str, *arguments: Any) -> ast.Call:
    parts = [ast.Constant(a) if isinstance(a, int) else a for a in arguments]
    function = ast.Attribute(ast.Name(RECORDER, ast.Load()), name, ast.Load())
    return ast.Call(function, parts, [])


def _named_call(name: str, *arguments: ast.expr) -> ast.Call:
    return ast.Call(ast.Name(name, ast.Load()), list(arguments), [])


def _expression(call, node):
    return ast.copy_location(ast.Expr(call), node)
