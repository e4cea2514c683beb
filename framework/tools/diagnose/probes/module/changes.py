"""Changes: the mistakes that a backward may make about forward, as other derivatives.

Each is a `Change` of the derivative of one of forward's expressions; `other_derivatives` runs them.
"""

import ast
import itertools
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from firstlight.support.array import Array
from firstlight.tools.diagnose.probes.module.watch import Node


@dataclass(frozen=True)
class Change:
    """Another derivative of one expression of forward.

    Attributes
    ----------
    how : str
        "path": the derivative is multiplied by ``factor``; "passed": that of its only operand is
        passed on; "dropped": the operand ``other`` is left out of the derivative of a product;
        "swapped": it has that of the expression ``other``, and the other way round; "summed": of
        a softmax, without the sum.
    node, other : int
    also : tuple of int
        Of a path: more expressions whose derivative is multiplied.
    factor : float
    index : int or None
        Only this evaluation in a loop keeps its own derivative; -1 is the last.
    """

    how: str
    node: int
    other: int = -1
    factor: float = 0.0
    index: int | None = None
    also: tuple[int, ...] = ()


class Changes:
    """The changes of a forward.

    Parameters
    ----------
    nodes : sequence of Node
        Of forward.
    base : dict of int to list of array
        The values of each node that was evaluated.
    """

    def __init__(self, nodes: Sequence[Node], base: Mapping[int, list[Array]]):
        self.nodes, self.base = nodes, base

    def __iter__(self) -> Iterator[Change]:
        """Yield those that are told most simply first."""
        used = [number for number in range(len(self.nodes)) if number in self.base]
        leaves = self._single_leaves(used)
        free = [number for number in used if number not in leaves]
        free.sort(key=lambda number: _rank(self.nodes[number]))
        yield from (Change("path", number) for number in free)
        for number in used:
            yield from self._of_operands(number)
        for numbers in self._parts_of_one(used):
            yield from self._swaps(numbers)
        yield from self._several(free)
        for number in used:
            if len(self.base[number]) > 1:
                yield Change("path", number, index=-1)
                yield Change("path", number, index=0)

    def _of_operands(self, number):
        node, shape = self.nodes[number], self.base[number][0].shape
        operands = [one for one in node.operands if one in self.base]
        if isinstance(node.tree, ast.Call):
            if [self.base[one][0].shape for one in operands] == [shape]:
                yield Change("passed", number)
                if _is_softmax(self.base[number][0]):
                    yield Change("summed", number)
            yield from self._swaps(operands)
        elif isinstance(node.tree, ast.BinOp) and len(operands) == 2:
            if isinstance(node.tree.op, ast.Mult | ast.Div):
                yield Change("dropped", number, operands[1])
            if isinstance(node.tree.op, ast.Mult):
                yield Change("dropped", number, operands[0])

    def _swaps(self, numbers):
        """Yield swaps of expressions of equal shape."""
        for first, second in itertools.combinations(numbers, 2):
            if self.base[first][0].shape == self.base[second][0].shape:
                yield Change("swapped", first, second)

    def _parts_of_one(self, used):
        """Yield the nodes that are slices of the same array, or unpacked from the same value."""
        groups: dict[str, list[int]] = {}
        for number in used:
            tree, target = self.nodes[number].tree, self.nodes[number].target
            if isinstance(tree, ast.Subscript):
                groups.setdefault(ast.unparse(tree.value), []).append(number)
            elif target and isinstance(tree, ast.Call):
                groups.setdefault(ast.unparse(tree), []).append(number)
        yield from groups.values()

    def _several(self, free):
        """Yield several paths at once: two reductions, or all uses of a variable but one."""
        small = [one for one in free if self._is_reduction(one)]
        for first, second in itertools.combinations(small, 2):
            yield Change("path", first, also=(second,))
        uses: dict[str, list[int]] = {}
        for number in free:
            node = self.nodes[number]
            if isinstance(node.tree, ast.Name | ast.Attribute) and not node.target:
                uses.setdefault(node.code, []).append(number)
        for numbers in uses.values():
            for kept in numbers if len(numbers) > 2 else ():
                first, *others = [one for one in numbers if one != kept]
                yield Change("path", first, also=tuple(others))

    def _is_reduction(self, number):
        """Return whether a node is a variable or call whose value is smaller than its operands."""
        node, size = self.nodes[number], self.base[number][0].size
        sizes = [self.base[one][0].size for one in node.operands if one in self.base]
        return isinstance(node.tree, ast.Call) and max(sizes, default=0) > size

    def _single_leaves(self, used):
        """Return arguments, and the only occurrences of arguments and parameters: one path each."""
        names = {node.target for node in self.nodes if node.is_argument}
        found: dict[str, list[int]] = {}
        for number in used:
            node = self.nodes[number]
            if node.code in names or node.code.endswith(".data"):
                found.setdefault(node.code, []).append(number)
        occurrences = [
            [one for one in numbers if not self.nodes[one].is_argument]
            for numbers in found.values()
        ]
        once = {numbers[0] for numbers in occurrences if len(numbers) == 1}
        return once | {number for number in used if self.nodes[number].is_argument}


def _rank(node):
    """Return the place of a node among those that may be named: variables first."""
    if node.target:
        return 0
    return 1 if isinstance(node.tree, ast.Name | ast.Attribute) else 2


def _is_softmax(y):
    return y.ndim > 0 and bool((y > 0).all()) and np.allclose(y.sum(axis=-1), 1, atol=1e-9)
