"""How much the solutions of groups resemble each other: to be looked at, not to be judged."""

from __future__ import annotations

import io
import itertools
import tokenize
from collections.abc import Sequence
from dataclasses import dataclass

from firstlight.tools.course.cut import exercise_text
from firstlight.tools.course.exercise import exercise
from firstlight.tools.course.submissions import Submission

LENGTH = 8  # tokens of a piece
LEAST = 0.9  # share of equal pieces from which two solutions are named
LAYOUT = {tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT}


@dataclass
class Pair:
    """Two groups with solutions that are nearly equal.

    Attributes
    ----------
    first, second : str
        Names of the groups.
    shares : dict of str to float
        By exercise, the share of equal pieces of the bodies, where it is high.
    """

    first: str
    second: str
    shares: dict[str, float]


def similar_pairs(groups: Sequence[Submission], names: Sequence[str]) -> list[Pair]:
    """Return the pairs of groups with nearly equal solutions, those with the most first.

    Short exercises have few right solutions, so that one equal solution says little.
    """
    pieces = {name: _pieces_by_group(groups, name) for name in names}
    found = []
    for first, second in itertools.combinations([group.name for group in groups], 2):
        shares = {}
        for name in names:
            a, b = pieces[name].get(first), pieces[name].get(second)
            share = len(a & b) / len(a | b) if a and b else 0.0
            if share >= LEAST:
                shares[name] = round(share, 2)
        if shares:
            found.append(Pair(first, second, shares))
    return sorted(found, key=lambda pair: -len(pair.shares))


def _pieces_by_group(groups, name):
    """Return the pieces of each group's solution that are not in the exercise."""
    given = _pieces(exercise_text(exercise(name)))
    return {
        group.name: _pieces(group.sources[name][0]) - given
        for group in groups
        if name in group.sources
    }


def _pieces(source):
    """Return the runs of tokens of a source, without comments and layout."""
    try:
        tokens = [
            one.string
            for one in tokenize.generate_tokens(io.StringIO(source).readline)
            if one.type not in LAYOUT
        ]
    except (tokenize.TokenError, SyntaxError):
        tokens = source.split()
    return {tuple(tokens[i : i + LENGTH]) for i in range(len(tokens) - LENGTH + 1)}
