"""Markdown as LaTeX, for those who must use it."""

import re
from collections.abc import Sequence

from firstlight.tools.report.markup import Markup

ESCAPES = {
    "\u2002": r"\enspace{}",
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    "<": r"\textless{}",
    ">": r"\textgreater{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}
SYMBOLS = {  # that pdflatex does not know in text
    "≥": r"\geq", "≤": r"\leq", "≈": r"\approx", "≠": r"\neq", "→": r"\to", "←": r"\leftarrow",
    "−": "-", "∞": r"\infty", "∂": r"\partial", "Σ": r"\Sigma", "√": r"\surd", "∈": r"\in",
    "Δ": r"\Delta", "α": r"\alpha", "β": r"\beta", "γ": r"\gamma", "δ": r"\delta",
    "ε": r"\varepsilon", "η": r"\eta", "θ": r"\theta", "λ": r"\lambda", "μ": r"\mu",
    "π": r"\pi", "ρ": r"\rho", "σ": r"\sigma", "τ": r"\tau", "φ": r"\varphi", "ω": r"\omega",
    "‖": r"\Vert", "⊙": r"\odot", "∇": r"\nabla", "ŷ": r"\hat{y}", "✓": r"\surd",
}  # fmt: skip
ALIGNED = re.compile(r"\s*\\begin\{(align|gather|equation|eqnarray|multline)\*?\}")


class LatexMarkup(Markup):
    """LaTeX's markup; it needs the packages of the templates."""

    folder: str = ""  # of pictures, as seen from the document
    footnotes: bool = True  # otherwise they are in brackets, in the text

    def plain(self, text: str) -> str:
        """Return a text without any markup, escaped."""
        return "".join(map(_escaped, text)).replace("--", "-{}-")

    def heading(self, title: str, level: int = 1) -> str:
        """Return a section's heading."""
        return rf"\{'sub' * (level - 1)}section*{{{title}}}"

    def items(self, items: list[str], start: int | None) -> str:
        """Return a list; ``start`` is the first number, None for bullets."""
        kind = "itemize" if start is None else "enumerate"
        first = rf"\setcounter{{enumi}}{{{start - 1}}}" if start not in (None, 1) else ""
        lines = [rf"\item {item}" for item in items]
        return "\n".join([rf"\begin{{{kind}}}{first}", *lines, rf"\end{{{kind}}}"])

    def quote(self, body: str) -> str:
        """Return a quotation."""
        return f"\\begin{{quote}}\n{body}\n\\end{{quote}}"

    def code_block(self, text: str, language: str = "") -> str:
        """Return lines of code."""
        lines = (self._typewriter(line) or "~" for line in text.expandtabs(4).split("\n"))
        return "{\\ttfamily\\small\\raggedright\n" + "\\\\\n".join(lines) + "\\par}"

    def results(
        self, rows: list[list[str]], right: list[bool], head: bool = True, best: Sequence[int] = ()
    ) -> str:
        """Return a table as wide as the page, at most."""
        return f"\\fitted{{%\n{self.table(rows, right, head, best)}}}"

    def table(
        self, rows: list[list[str]], right: list[bool], head: bool = True, best: Sequence[int] = ()
    ) -> str:
        """Return a table of the package booktabs."""
        lines = []
        for index, row in enumerate(rows):
            cells = [rf"\textbf{{{cell}}}" if index in best and cell else cell for cell in row]
            lines.append(" & ".join(cells) + r" \\")
        if head:
            lines.insert(1, r"\midrule")
        columns = "".join("r" if one else "l" for one in right)
        begin, end = rf"\begin{{tabular}}{{{columns}}}", r"\end{tabular}"
        return "\n".join([begin, r"\toprule", *lines, r"\bottomrule", end])

    def figure(self, name: str, caption: str, alt: str, share: float | None = None) -> str:
        """Return a picture in the folder of figures; ``share`` is that of a column's width."""
        file = self.folder + re.sub("[.]svg$", ".pdf", name)
        return "\n".join([
            r"\begin{center}",
            rf"\runfigure{{{min(share or 1, 1):.2f}}}{{{file}}}",
            *[rf"\captionof*{{figure}}{{{caption}}}"] * bool(caption),
            r"\end{center}",
        ])  # fmt: skip

    def image(self, name: str, alt: str) -> str:
        """Return a picture inside a line."""
        return rf"\includegraphics[height=1em]{{{self.folder}{re.sub(r'[.]svg$', '.pdf', name)}}}"

    def rule(self) -> str:
        """Return a horizontal line."""
        return r"\par\noindent\rule{\linewidth}{0.4pt}"

    def line_break(self) -> str:
        """Return the end of a line inside a paragraph."""
        return "\\\\\n"

    def strong(self, body: str, kind: str = "strong", within_word: bool = False) -> str:
        """Return emphasis; ``kind`` is "strong" or "em"."""
        return rf"\{'textbf' if kind == 'strong' else 'emph'}{{{body}}}"

    def code(self, text: str) -> str:
        """Return code inside a line."""
        return rf"\texttt{{{self._typewriter(text)}}}"

    def formula(self, latex: str, display: bool) -> str:
        """Return a formula."""
        if not display:
            return f"${latex}$"
        if ALIGNED.match(latex):
            return latex
        return f"\\[\n{latex}\n\\]"

    def link(self, body: str, address: str) -> str:
        """Return a link."""
        address = re.sub(r"([%#&\\{}])", r"\\\1", address)
        return rf"\href{{{address}}}{{{body}}}"

    def cite(self, keys: list[tuple[str, str]]) -> str:
        """Return citations of ``(key, place)``."""
        if not any(place for _, place in keys):
            return rf"\cite{{{','.join(key for key, _ in keys)}}}"
        return "".join(
            rf"\cite[{self.plain(place)}]{{{key}}}" if place else rf"\cite{{{key}}}"
            for key, place in keys
        )

    def footnote(self, body: str) -> str:
        """Return a footnote's mark and text."""
        return rf"\footnote{{{body}}}" if self.footnotes else f" ({body})"

    def note(self, kind: str, text: str) -> str:
        """Return a sentence; ``kind`` is "plain", "quiet", "notice" or "problem"."""
        return text if kind == "plain" else rf"{{\small\itshape {text}\par}}"

    def facts(self, rows: list[tuple[str, str]]) -> str:
        """Return numbers with their names."""
        return self.results([list(row) for row in rows], [False, True], head=False)

    def fold(self, title: str, body: str) -> str:
        """Return a body that is shown on request."""
        return f"{self.heading(title, 2)}\n\n{body}"

    def beside(self, left: str, right: str) -> str:
        """Return two bodies in two columns."""
        return f"{left}\n\n{right}"

    def _typewriter(self, text):
        return self.plain(text).replace(" ", "~")


def _escaped(sign):
    if sign in SYMBOLS:
        return rf"\ensuremath{{{SYMBOLS[sign]}}}"
    return ESCAPES.get(sign, sign)
