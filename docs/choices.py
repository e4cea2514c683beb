"""Griffe extension of the site: show types of parameters as the docstrings have them.

Griffe takes the first choice in braces for the default: ``resume : {"auto", "last"} or path-like,
optional`` would have the default "auto", not None. It also reads ``path-like`` as a difference.
"""

import re

import griffe

CHOICES = re.compile(r"^(\s*[\w, *]+ : )\{(.*?)\}", re.M)


class Choices(griffe.Extension):
    """Write choices without braces, and words with a hyphen that is no minus."""

    def on_object(self, *, obj, **kwargs):
        """Change the docstring before it is parsed."""
        if obj.docstring:
            text = CHOICES.sub(r"\1one of \2", obj.docstring.value)
            obj.docstring.value = text.replace("path-like", "path\u2011like")
