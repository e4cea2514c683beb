r"""LaTeX formulas as Typst's, converted by tylax.

tylax reads most of LaTeX's mathematics. What it gets wrong is rewritten before: it lets a comma in
an argument part the arguments of Typst's function, drops brackets of a given size, and sets
``align`` as a document.
"""

import re
from functools import cache

COMMA, SEMICOLON, DECIMAL = "\ue000", "\ue001", "\ue002"  # no formula contains them
BEFORE = (
    (r"\\begin\{(align|gather|equation|eqnarray|split|multline)\*?\}", r"\\begin{aligned}"),
    (r"\\end\{(align|gather|equation|eqnarray|split|multline)\*?\}", r"\\end{aligned}"),
    (r"\\(?:big|Big|bigg|Bigg)[lrm]?(?![a-zA-Z])", ""),
    (r"\\lVert(?![a-zA-Z])", r"\\left\\|"),
    (r"\\rVert(?![a-zA-Z])", r"\\right\\|"),
    (r"\\lvert(?![a-zA-Z])", r"\\left|"),
    (r"\\rvert(?![a-zA-Z])", r"\\right|"),
    (r"\\hbar(?![a-zA-Z])", "ℏ"),
    (r"\\textbf\{([^{}]*)\}", r"\\mathbf{\\text{\1}}"),
    (r"\\(?:textit|emph)\{([^{}]*)\}", r"\\mathit{\\text{\1}}"),
    (r"(?<!\\)#", r"\\#"),
    (r"\{,\}", DECIMAL),
    (r"(?<!\\),", COMMA),
    (r"(?<!\\);", SEMICOLON),
)
AFTER = (
    (DECIMAL, '","'),
    (COMMA, r"\\,"),
    (SEMICOLON, r"\\;"),
)


@cache
def as_typst(latex: str) -> str:
    r"""Return a LaTeX formula as Typst's, without dollar signs.

    Raises
    ------
    ValueError
        Its braces, environments or ``\left`` and ``\right`` do not match. That a command is unknown
        shows when Typst sets the formula.

    Examples
    --------
    >>> from firstlight.tools.report.formulas import as_typst
    >>> as_typst(r"\frac{\partial L}{\partial w_i}")
    'frac(partial L, partial w_(i))'
    """
    from tylax import latex_to_typst

    bare = re.sub(r"\\[\\{}]", "", latex)
    for begin, end in ((r"\{", r"\}"), (r"\\left(?![a-z])", r"\\right(?![a-z])")):
        _match(latex, len(re.findall(begin, bare)), len(re.findall(end, bare)), begin, end)
    _match(latex, latex.count(r"\begin{"), latex.count(r"\end{"), r"\\begin", r"\\end")
    for pattern, replacement in BEFORE:
        latex = re.sub(pattern, replacement, latex)
    typst = latex_to_typst(latex).strip()
    for pattern, replacement in AFTER:
        typst = re.sub(pattern, replacement, typst)
    return " ".join(typst.split())


def _match(latex, opened, closed, begin, end):
    if opened != closed:
        begin, end = (re.sub(r"\\(.)", r"\1", one.partition("(?")[0]) for one in (begin, end))
        raise ValueError(
            f"formula ${latex}$: expected as many {begin} as {end}, got {opened} and {closed}"
        )
