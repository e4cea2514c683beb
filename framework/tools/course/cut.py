"""Cuts exercises and their solutions from the sources of lessons."""

from __future__ import annotations

import ast
import importlib
import inspect
import io
import re
import textwrap
import tokenize
from dataclasses import dataclass

from firstlight.tools.course.exercise import Exercise
from firstlight.tools.diagnose.kind import in_language

OMITTED = {"check_input", "flops", "extra_repr"}  # methods that no exercise needs
SECTIONS = {"Raises", "Examples"}  # of docstrings: the checks are omitted, and so are these
HERE = "YOUR CODE HERE", "HIER IHR CODE"
RETURNS = "Returns", "Gibt zurück:"
SAVED = (
    "self.save(a, b) keeps values for backward; a, b = self.saved() takes them back, and one value "
    "as (a,) = self.saved(), since saved returns a tuple.",
    "self.save(a, b) speichert Werte für backward; a, b = self.saved() holt sie zurück, und einen "
    "Wert (a,) = self.saved(), denn saved gibt ein Tupel zurück.",
)
CHECK = "Check it with:  firstlight course check {name}", "Prüfen:  firstlight course check {name}"

Definition = ast.FunctionDef | ast.ClassDef


def solution_text(exercise: Exercise) -> str:
    """Return the file of an exercise with all bodies, as the lessons have them."""
    return _text(exercise, blanks=())


def exercise_text(exercise: Exercise) -> str:
    """Return the file of an exercise with its blanks, in the current language."""
    return _text(exercise, exercise.blanks)


def _text(exercise, blanks):
    imports, bodies = [], []
    for module, names in exercise.lessons.items():
        lesson = _Lesson.of(module)
        kept = lesson.with_what_they_use(names, exercise)
        if blanks:
            kept = [name for name in kept if name not in exercise.hidden]
        bodies += [lesson.cut(name, blanks, exercise) for name in kept]
        imports += lesson.imports_of(kept, exercise)
    if any(module and module.startswith("firstlight.") for module, _, _ in imports):
        imports.append((None, "numpy", "np"))
    task = in_language(exercise.task)
    if "self.saved()" in _solution(exercise) and "saved()" not in task:
        task += " " + in_language(SAVED)
    task = textwrap.fill(task, 99, break_long_words=False)
    check = in_language(CHECK).format(name=exercise.name)
    head = f'"""{in_language(exercise.title)}\n\n{task}\n\n{check}\n"""'
    text = "\n\n\n".join([f"{head}\n\n{_sorted(imports)}", *bodies]) + "\n"
    return re.sub(r"^(\w+ = .*)\n\n\n(?=\w+ = )", r"\1\n", text, flags=re.MULTILINE)


def _solution(exercise):
    """Return the bodies of an exercise's definitions."""
    return "".join(
        lesson.cut(name, (), exercise)
        for module, names in exercise.lessons.items()
        for lesson in [_Lesson.of(module)]
        for name in lesson.with_what_they_use(names, exercise)
    )


@dataclass
class _Lesson:
    """The source of a module, and its definitions by name."""

    lines: list[str]
    imports: list[ast.Import | ast.ImportFrom]
    definitions: dict[str, Definition]

    @classmethod
    def of(cls, module):
        source = inspect.getsource(importlib.import_module(module))
        body = ast.parse(source).body
        imports = [node for node in body if isinstance(node, ast.Import | ast.ImportFrom)]
        named = {}
        for node in body:
            if isinstance(node, Definition):
                named[node.name] = node
            elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Name):
                named[node.targets[0].id] = node
        return cls(source.splitlines(), imports, named)

    def with_what_they_use(self, names, exercise):
        """Return the names, and those of the definitions that they use, in the source's order."""
        found, todo = set(), list(names)
        while todo:
            name = todo.pop()
            if name not in found:
                found.add(name)
                todo += self.names_in(name, exercise) & set(self.definitions)
        return [name for name in self.definitions if name in found]

    def names_in(self, name, exercise):
        """Return the names that a definition uses, without those of what is omitted."""
        node, used = self.definitions[name], set()
        omitted = set(_omitted(node, exercise))
        stack = [node]
        while stack:
            one = stack.pop()
            if isinstance(one, ast.Name) and one.id != "accelerated":
                used.add(one.id)
            stack += [part for part in ast.iter_child_nodes(one) if part not in omitted]
        return used

    def imports_of(self, names, exercise):
        """Return ``(module, name, alias)`` of each import that definitions need."""
        used = set().union(*(self.names_in(name, exercise) for name in names))
        return [
            (getattr(node, "module", None), alias.name, alias.asname)
            for node in self.imports
            for alias in node.names
            if (alias.asname or alias.name.partition(".")[0]) in used
        ]

    def cut(self, name, blanks, exercise):
        """Return the text of a definition, with blanks."""
        node = self.definitions[name]
        lines = {n: [self.lines[n - 1]] for n in range(_first_line(node), node.end_lineno + 1)}
        for method in _omitted(node, exercise):
            before = _first_line(method) - 1  # the empty line above
            lines |= {n: [] for n in range(before, method.end_lineno + 1)}
        for one in ast.walk(node):
            if isinstance(one, Definition) and ast.get_docstring(one, clean=False):
                lines |= {n: [] for n in self.unused_sections(one.body[0])}
        for one, qualname in _functions(node):
            for decorator in one.decorator_list:
                if isinstance(decorator, ast.Name) and decorator.id == "accelerated":
                    lines[decorator.lineno] = []
            if qualname in blanks:
                body = one.body[1:] if ast.get_docstring(one, clean=False) else one.body
                lines |= {n: [] for n in range(body[0].lineno, one.end_lineno + 1)}
                lines[body[0].lineno] = self.blank(one, qualname, " " * body[0].col_offset)
        return "\n".join(line for n in sorted(lines) for line in lines[n]).rstrip()

    def unused_sections(self, docstring):
        """Yield the line numbers of a docstring's sections that an exercise does not need."""
        last, unused = docstring.end_lineno, False
        for n in range(docstring.lineno + 1, last):
            text = self.lines[n - 1].strip()
            if self.is_header(n):
                unused = text in SECTIONS
                if unused:
                    yield n - 1  # the empty line above
            if unused and not (text == "" and n + 1 < last and self.is_header(n + 1)):
                yield n

    def is_header(self, n):
        """True if a section begins at a line."""
        below = self.lines[n].strip()
        return bool(below) and set(below) == {"-"}

    def blank(self, function, qualname, indent):
        """Return the lines in place of a body: the shape that it returns, and an error."""
        returns = [node for node in ast.walk(function) if isinstance(node, ast.Return)]
        shape = self.comment(returns[-1].end_lineno) if returns else None
        told = [f"# {in_language(RETURNS)} {shape}"] if shape else []
        raised = f'raise NotImplementedError("{qualname}")'
        return [indent + line for line in [*told, f"# {in_language(HERE)}", raised]]

    def comment(self, line):
        """Return the shape in the comment at the end of a line, or None."""
        text = io.StringIO(self.lines[line - 1].strip())
        try:
            tokens = list(tokenize.generate_tokens(text.readline))
        except tokenize.TokenError:  # the line ends within brackets
            return None
        comments = [token.string for token in tokens if token.type == tokenize.COMMENT]
        shape = comments[-1].lstrip("# ") if comments else ""
        return shape if shape.startswith("(") else None


def _first_line(node):
    return min([node.lineno, *(one.lineno for one in getattr(node, "decorator_list", []))])


def _functions(node):
    """Yield ``(function, qualified name)`` of a definition, and of its methods."""
    if isinstance(node, ast.FunctionDef):
        yield node, node.name
    for one in getattr(node, "body", []):
        if isinstance(node, ast.ClassDef) and isinstance(one, ast.FunctionDef):
            yield one, f"{node.name}.{one.name}"


def _omitted(node, exercise):
    for one, qualname in _functions(node):
        if isinstance(node, ast.ClassDef) and (one.name in OMITTED or qualname in exercise.without):
            yield one


def _sorted(imports):
    """Return import lines: the standard library, then others, then firstlight."""
    groups: tuple[set[str], set[str], set[str]] = (set(), set(), set())
    origins: dict[str, list[str]] = {}
    for module, name, alias in imports:
        label = name + (f" as {alias}" if alias else "")
        top = (module or name).partition(".")[0]
        group = groups[2 if top == "firstlight" else 1 if top == "numpy" else 0]
        if module is None:
            group.add(f"import {label}")
        else:
            origins.setdefault(module, []).append(label)
    for module, labels in origins.items():
        top = module.partition(".")[0]
        group = groups[2 if top == "firstlight" else 1 if top == "numpy" else 0]
        group.add(f"from {module} import {', '.join(sorted(set(labels)))}")

    def key(line):
        return line.startswith("from"), re.sub(r"^(import|from) ", "", line)

    return "\n\n".join("\n".join(sorted(group, key=key)) for group in groups if group)
