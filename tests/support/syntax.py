"""The syntax trees of the project's files, for the tests of its conventions."""

import ast
import functools


def _nodes(tree):
    left = [tree]
    while left:
        for node in ast.iter_child_nodes(left.pop()):
            if not (isinstance(node, ast.If) and getattr(node.test, "id", "") == "TYPE_CHECKING"):
                yield node
                left.append(node)


@functools.cache
def nodes(path):
    """Return the nodes of a file that run: imports for annotations alone do not."""
    return list(_nodes(ast.parse(path.read_text())))
