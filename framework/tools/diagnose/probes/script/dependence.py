"""Dependence: the lines of a script from which a value is computed, by the names in them."""

import ast
from collections.abc import Iterable, Iterator

from firstlight.tools.diagnose.probes.script.source_text import called_name

OF_MODULES = ("backward", "step", "zero_grad", "train", "eval")  # change no value
Seed = tuple[int, str]  # a line and the name that it assigns; "" for all that it reads


class Dependence:
    """What the names of a script are computed from, in its loops and in the functions they call.

    Names are those of the whole script, whatever their scope, and attributes are known by their
    last part: ``.dw`` for ``self.dw``. The methods of modules are left out.

    Parameters
    ----------
    tree : ast.Module
    """

    def __init__(self, tree: ast.Module):
        self.statements: list[ast.stmt] = list(_statements(tree))
        self.functions: dict[str, list[ast.FunctionDef]] = {}
        for function in _functions(tree):
            self.functions.setdefault(function.name, []).append(function)
        self.calls: list[ast.Call] = [
            node
            for statement in self.statements
            for node in ast.walk(statement)
            if isinstance(node, ast.Call) and called_name(node) in self.functions
        ]

    def lines(self, seeds: Iterable[Seed], without: Iterable[int] = ()) -> set[int]:
        """Return the lines from which the values of seeds are computed, with their own.

        What the lines ``without`` assign, such as updates of parameters, is not followed, nor what
        a statement changes that calls a function of these lines.
        """
        within = self._calling(without)
        names: set[str] = set()
        lines: set[int] = set()
        parts: dict[str, set[int]] = {}  # of the results of functions; empty for all
        for line, name in seeds:
            lines.add(line)
            for statement in self.statements:
                if line in _extent(statement):
                    self._use(statement, {name} & _targets(statement), names, parts)
        while True:
            before = len(names), len(lines), sum(map(len, parts.values())), len(parts)
            for statement in self.statements:
                changed = _changed(statement) & names
                if changed and statement.lineno not in without and not _calls(statement, within):
                    lines |= _extent(statement)
                    self._use(statement, changed, names, parts)
            for name in list(parts):
                for function in self.functions[name]:
                    self._return(function, parts[name], names, lines, parts)
            for call in self.calls:
                for function in self.functions[called_name(call)]:
                    given = [arg.arg for arg in function.args.args if arg.arg != "self"]
                    for parameter, value in zip(given, call.args, strict=False):
                        if parameter in names:
                            names |= _read(value)
            if before == (len(names), len(lines), sum(map(len, parts.values())), len(parts)):
                return lines

    def _calling(self, lines):
        """Return the names of the functions that contain some of the lines, or call such ones."""
        found: set[str] = set()
        while True:
            new = {
                name
                for name, functions in self.functions.items()
                for function in functions
                if _extent(function) & set(lines)
                or any(_calls(node, found) for node in ast.walk(function))
            }
            if new <= found:
                return found
            found |= new

    def _use(self, statement, changed, names, parts):
        """Add what a statement reads; of a function's results only those that it assigns."""
        value = statement.iter if isinstance(statement, ast.For) else statement.value
        if value is None:
            return
        places: set[int] = set()
        target = getattr(statement, "target", getattr(statement, "targets", [None])[0])
        if isinstance(target, ast.Tuple) and changed:
            places = {i for i, one in enumerate(target.elts) if changed & _names(one)}
        is_zip = isinstance(value, ast.Call) and called_name(value) == "zip"
        if is_zip and places and len(value.args) == len(target.elts):
            value = ast.Tuple([value.args[i] for i in places], ast.Load())
        names |= _read(value)
        for node in ast.walk(value):
            if isinstance(node, ast.Call) and (name := called_name(node)) in self.functions:
                known = parts.get(name)
                chosen = places if node is value else set()
                parts[name] = set() if known == set() or not chosen else (known or set()) | chosen

    def _return(self, function, places, names, lines, parts):
        for node in ast.walk(function):
            if isinstance(node, ast.Return) and node.value is not None:
                lines |= _extent(node)
                value = node.value
                if isinstance(value, ast.Tuple) and places:
                    chosen = [one for i, one in enumerate(value.elts) if i in places]
                    value = ast.Tuple(chosen, ast.Load())
                self._use(ast.Expr(value), set(), names, parts)


def _is_module(node):
    return isinstance(node, ast.ClassDef) and any("Module" in ast.unparse(b) for b in node.bases)


def _functions(tree: ast.AST) -> Iterator[ast.FunctionDef]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.FunctionDef):
            yield node
        if not _is_module(node):
            yield from _functions(node)


def _statements(tree: ast.AST) -> Iterator[ast.stmt]:
    """Yield the simple statements and loops of a script, without those of methods of modules."""
    for node in ast.iter_child_nodes(tree):
        if _is_module(node):
            continue
        if isinstance(node, (ast.Assign, ast.AugAssign, ast.Expr, ast.Return)):
            yield node
            continue
        if isinstance(node, ast.For):
            yield node
        yield from _statements(node)


def _extent(statement):
    last = statement.iter if isinstance(statement, ast.For) else statement
    return set(range(statement.lineno, last.end_lineno + 1))


def _calls(statement, names):
    """Return whether a statement is a call of a function with one of these names."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    return isinstance(call, ast.Call) and called_name(call) in names


def _targets(statement):
    """Return the names that a statement assigns; gradients of parameters are no names."""
    if isinstance(statement, ast.Assign):
        targets = statement.targets
    elif isinstance(statement, (ast.AugAssign, ast.For)):
        targets = [statement.target]
    else:
        return set()
    return {name for one in targets for name in _names(one)}


def _names(target):
    """Return the names that an assignment's target changes."""
    if isinstance(target, (ast.Tuple, ast.List)):
        return {name for one in target.elts for name in _names(one)}
    while isinstance(target, (ast.Subscript, ast.Starred)):
        target = target.value
    if isinstance(target, ast.Attribute):
        return set() if target.attr == "grad" else {f".{target.attr}"}
    return {target.id} if isinstance(target, ast.Name) else set()


def _changed(statement):
    """Return the names that a statement changes: by a call, the owner, or the first argument."""
    call = getattr(statement, "value", None)
    if isinstance(statement, ast.Expr) and isinstance(call, ast.Call):
        if called_name(call) in OF_MODULES:
            return set()
        owner = getattr(call.func, "value", None)
        changed = [owner, *call.args[:1]] if isinstance(call.func, ast.Attribute) else []
        return {name for one in changed for name in _names(one)} - {"np"}
    return _targets(statement)


def _read(node):
    """Return the names and attributes that an expression reads."""
    found = {one.id for one in ast.walk(node) if isinstance(one, ast.Name)} - {"self", "np"}
    return found | {f".{one.attr}" for one in ast.walk(node) if isinstance(one, ast.Attribute)}
