"""Watch: instrumented copies of a user's functions report each array of an expression.

``y = g * h`` becomes ``y = _seen_(7, _seen_(5, g) * _seen_(6, h))``: a `Watch` gets each value with
the number of its `Node`, and may return another one.
"""

import ast
import copy
import inspect
import types
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.kind import Place
from firstlight.tools.diagnose.probes.module.user_source import UserFunction

SEEN, UNPACKED = "_seen_", "_unpacked_"
OBSERVED = (ast.Name, ast.Attribute, ast.Call, ast.BinOp, ast.UnaryOp, ast.Subscript, ast.IfExp)
NOT_ENTERED = (ast.Compare, ast.BoolOp, ast.JoinedStr, ast.Constant, ast.Slice)
UNREADABLE = (OSError, TypeError, SyntaxError, ValueError, LookupError, StopIteration)


@dataclass(frozen=True)
class Node:
    """An expression of a function's source.

    Attributes
    ----------
    tree : ast.expr
        As it was written.
    place : Place
        The line of its statement that it is in.
    target : str
        The variable that it is assigned to, or an argument's name; "" without one.
    operands : tuple of int
        The numbers of the nodes that it combines.
    """

    tree: ast.expr
    place: Place
    target: str = ""
    operands: tuple[int, ...] = ()

    @property
    def code(self) -> str:
        """Its source."""
        return ast.unparse(self.tree)

    @property
    def is_argument(self) -> bool:
        """Whether it is an argument where the function begins."""
        return isinstance(self.tree, ast.Name) and self.tree.id == self.target


class Watch:
    """Observe the values of nodes; the values of one run are kept, and may be replaced in another.

    Attributes
    ----------
    nodes : list of Node
    writes : dict of str to list of Place
        The lines that write into an array, by its name, such as "dx" or "self.w.grad".
    values : dict of int to list of array
        By node, of each time that it was evaluated in the latest recorded run.
    order : list of (int, int)
        Node and index of each evaluation in that run.
    latest : dict of int to array
        The latest value of each node, after it was replaced.
    replace : callable or None
        ``replace(node, index, value)`` returns the value to go on with.
    recording : bool
        Whether the next run is kept.
    """

    def __init__(self) -> None:
        self.nodes: list[Node] = []
        self.writes: dict[str, list[Place]] = {}
        self.values: dict[int, list[Array]] = {}
        self.order: list[tuple[int, int]] = []
        self.latest: dict[int, Array] = {}
        self.replace: Callable[[int, int, Array], Array] | None = None
        self.recording: bool = False
        self._count: dict[int, int] = {}

    def start(self) -> None:
        """Begin a run."""
        self._count = {}
        if self.recording:
            self.values, self.order = {}, []

    def seen(self, number: int, value: Any) -> Any:
        """Observe a value; only floating-point arrays count."""
        if not isinstance(value, (np.ndarray, np.floating)) or value.dtype.kind != "f":
            return value
        index = self._count[number] = self._count.get(number, -1) + 1
        if self.recording:
            self.values.setdefault(number, []).append(np.array(value))
            self.order.append((number, index))
        if self.replace is not None:
            value = self.replace(number, index, value)
            self.latest[number] = np.array(value)
        return value

    def unpacked(self, numbers: tuple[int, ...], values: Any) -> Any:
        """Observe each of several values."""
        values = tuple(values)
        fits = len(values) == len(numbers)
        return tuple(map(self.seen, numbers, values)) if fits else values

    def install(self, module: Module, method: str) -> bool:
        """Let a module run an instrumented copy of a method; return whether its source is known.

        Other methods and functions of the same file that it calls are instrumented too.
        """
        done: dict[Any, Any] = {}
        function = getattr(type(module), method)
        try:
            copied = self._copy(function, module, done)
        except UNREADABLE:
            return False
        bound = types.MethodType(copied, module)

        def run(*given: Any, **options: Any) -> Any:
            self.start()
            return bound(*given, **options)

        setattr(module, method, run)
        return True

    def _copy(self, function, module, done):
        source = UserFunction.read(function)
        if source is None or (source.tree.decorator_list and source.function is function):
            raise ValueError("no plain function")
        tree = copy.deepcopy(source.tree)
        _Wrapper(self, source.place).instrument(tree)
        names = {SEEN: self.seen, UNPACKED: self.unpacked}
        made = done[function] = source.copied(ast.fix_missing_locations(tree), **names)
        known = source.function.__globals__
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                called = known.get(node.id)
                own = getattr(called, "__globals__", None) is known
                if own and isinstance(called, types.FunctionType):
                    made.__globals__[node.id] = self._helper(called, module, done)
            elif isinstance(node, ast.Attribute) and node.attr not in vars(Module):
                called = inspect.getattr_static(type(module), node.attr, None)
                if isinstance(called, types.FunctionType):
                    helper = types.MethodType(self._helper(called, module, done), module)
                    setattr(module, node.attr, helper)
        return made

    def _helper(self, function, module, done):
        if function not in done:
            try:
                self._copy(function, module, done)
            except UNREADABLE:
                done[function] = function
        return done[function]


class _Wrapper(ast.NodeTransformer):
    """Wraps the expressions of a function, and collects their nodes."""

    def __init__(self, watch, place):
        self.nodes, self.writes = watch.nodes, watch.writes
        self.place, self.target = place, ""

    def instrument(self, function: ast.FunctionDef) -> None:
        """Change a function's tree in place."""
        arguments = [one.arg for one in function.args.args + function.args.kwonlyargs]
        entry = []
        for name in arguments:
            if name != "self":
                made = ast.copy_location(ast.Name(name, ast.Load()), function)
                seen = self._wrapped(made, made, (), name)
                entry.append(ast.Assign([ast.Name(name, ast.Store())], seen))
        function.body = entry + [self.visit(statement) for statement in function.body]
        for made in entry:
            ast.copy_location(made, function)

    def visit(self, node: ast.AST) -> ast.AST:
        """Wrap an expression, after its parts."""
        if isinstance(node, NOT_ENTERED):
            return node
        if isinstance(node, ast.AugAssign):
            self._written(node.target)
        if isinstance(node, ast.Assign):
            return self._assigned(node)
        if not isinstance(node, OBSERVED) or not isinstance(
            getattr(node, "ctx", ast.Load()), ast.Load
        ):
            return self.generic_visit(node) if not isinstance(node, ast.Subscript) else node
        target, self.target = self.target, ""
        written, numbers = copy.deepcopy(node), []
        if isinstance(node, ast.Call):
            if isinstance(node.func, ast.Attribute):
                node.func.value = self._operand(node.func.value, numbers)
            node.args = [self._operand(one, numbers) for one in node.args]
            for option in node.keywords:
                option.value = self._operand(option.value, [])
        elif isinstance(node, ast.BinOp):
            node.left = self._operand(node.left, numbers)
            node.right = self._operand(node.right, numbers)
        elif isinstance(node, ast.UnaryOp):
            node.operand = self._operand(node.operand, numbers)
        elif isinstance(node, ast.IfExp):
            node.body, node.orelse = self.visit(node.body), self.visit(node.orelse)
        elif isinstance(node, ast.Subscript) or not _is_dotted(node):
            node.value = self._operand(node.value, numbers)
        return self._wrapped(node, written, tuple(numbers), target)

    def _operand(self, node, numbers):
        made = self.visit(node)
        elements = made.elts if isinstance(made, (ast.Tuple, ast.List)) else [made]
        numbers += [
            one.args[0].value
            for one in elements
            if isinstance(one, ast.Call) and getattr(one.func, "id", "") == SEEN
        ]
        return made

    def _assigned(self, node):
        target = node.targets[0]
        parts = getattr(target, "elts", [])
        for one in (target, *parts):
            if isinstance(one, ast.Subscript):
                self._written(one)
        names = [getattr(one, "id", "") for one in parts]
        if isinstance(target, ast.Name):
            node.value = self._named(target.id, node.value)
        elif all(names) and len(names) == len(getattr(node.value, "elts", ())) > 0:
            pairs = zip(names, node.value.elts, strict=True)
            node.value.elts = [self._named(*pair) for pair in pairs]
        elif names and all(names):
            written = copy.deepcopy(node.value)
            value = self.visit(node.value)
            numbers = [ast.Constant(self._number(written, (), name)) for name in names]
            given = [ast.Tuple(numbers, ast.Load()), value]
            node.value = ast.Call(ast.Name(UNPACKED, ast.Load()), given, [])
            ast.copy_location(node.value, written)
        else:
            node.value = self.visit(node.value)
        return node

    def _named(self, name, value):
        self.target = name if isinstance(value, OBSERVED) else ""
        return self.visit(value)

    def _wrapped(self, node, written, operands, target):
        number = ast.Constant(self._number(written, operands, target))
        call = ast.Call(ast.Name(SEEN, ast.Load()), [number, node], [])
        return ast.copy_location(call, written)

    def _number(self, written, operands, target):
        self.nodes.append(Node(written, self.place(written.lineno), target, operands))
        return len(self.nodes) - 1

    def _written(self, target):
        while isinstance(target, ast.Subscript):
            target = target.value
        self.writes.setdefault(ast.unparse(target), []).append(self.place(target.lineno))


def _is_dotted(node):
    """Return whether an expression is a name, or attributes of one."""
    while isinstance(node, ast.Attribute):
        node = node.value
    return isinstance(node, ast.Name)
