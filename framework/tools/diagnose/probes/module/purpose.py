"""Words of the source that say that a backward differs from forward on purpose."""

import ast
import linecache
import re
from dataclasses import dataclass

from firstlight.module import Module
from firstlight.tools.diagnose.kind import Evidence, Place
from firstlight.tools.diagnose.probes.script.source_text import around

WORDS = re.compile(
    r"[^.\n]*\b(on purpose|deliberate\w*|intentional\w*|by design|straight[- ]?through|surrogate"
    r"|gradient[- ]revers\w*|(revers|turn|flip|negat)\w* (of )?(the )?(sign of the )?gradients?"
    r"|gradientenumkehr|(biased|pseudo|proxy)[- ]gradient|absichtlich|mit absicht"
    r"|stop[- ]?gradient|(detach|cut)\w* from the graph)\b[^.\n]*",
    re.IGNORECASE,
)


@dataclass
class StatedPurpose(Evidence):
    """A backward that differs from its forward, whose class says that it is meant to.

    Attributes
    ----------
    words : str
        Of the docstring or a comment.
    """

    words: str
    where: str = ""
    type: str = ""
    at: Place | None = None
    group = "backward"
    subject = "a backward that differs on purpose"

    @classmethod
    def of(cls, module: Module, where: str) -> "StatedPurpose | None":
        """Return the purpose that the source of a module's class states, or None."""
        kind = type(module)
        code = getattr(kind.backward, "__code__", None)
        if code is None or kind.__module__.split(".")[0] == "firstlight":
            return None
        words = _prose(code.co_filename, code.co_firstlineno) or kind.__doc__ or ""
        # A class is often named after what it does: StraightThrough, GradientReversal.
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", " ", kind.__name__)
        found = WORDS.search(words) or WORDS.search(name)
        if found is None:
            return None
        place = Place.of(code.co_filename, code.co_firstlineno)
        return cls(" ".join(found[0].split()).strip("# \"'"), where, kind.__name__, place)


def _prose(file, line):
    """Return docstrings and comments of the class around a line, and of the lines above it."""
    lines = linecache.getlines(file)
    try:
        tree = ast.parse("".join(lines))
    except SyntaxError:
        return ""
    classes = around(tree, line, ast.ClassDef)
    if not classes:
        return ""
    node = classes[-1]
    first = node.lineno - 1
    while first and lines[first - 1].lstrip().startswith("#"):
        first -= 1
    comments = [text.partition("#")[2] for text in lines[first : node.end_lineno] if "#" in text]
    parts = [node, *(one for one in node.body if isinstance(one, ast.FunctionDef))]
    return "\n".join([*(ast.get_docstring(part) or "" for part in parts), *comments])
