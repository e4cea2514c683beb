"""Markdown becomes Typst and LaTeX: text, formulas, citations, footnotes, tables, pictures."""

import pytest
from PIL import Image

from firstlight.tools.report.latex_markup import LatexMarkup
from firstlight.tools.report.typesetting import typeset
from firstlight.tools.report.typst_markup import TypstMarkup

TABLE = "| model | `acc` |\n|---|---:|\n| **mlp** | 0.97 |\n| cnn__x | 0.99 |\n"


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (30, 10), "red").save(tmp_path / "red one.png")
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def typst(text, folder=None):
    return TypstMarkup(folder / "t.md" if folder else "t.md").text(text).strip()


def latex(text, folder=None):
    return LatexMarkup(folder / "t.md" if folder else "t.md").text(text).strip()


@pytest.mark.parametrize(
    ("markdown", "in_typst", "in_latex"),
    [
        ("*one* **two**", "_one_ *two*", r"\emph{one} \textbf{two}"),
        ("un**bold**ed", "un#strong[bold]ed", r"un\textbf{bold}ed"),
        ("2 * 3 # a_b @x $5", r"2 \* 3 \# a\_b \@x \$5", r"2 * 3 \# a\_b @x \$5"),
        ("`a_b --c`", "`a_b --c`", r"\texttt{a\_b~-{}-c}"),
        (
            "[x](http://a.b/c_d)(y)",
            '#link("http://a.b/c_d")[x];(y)',
            r"\href{http://a.b/c_d}{x}(y)",
        ),
        (
            "<b>raw</b>",
            r"\<b>raw\</b>",
            r"\textless{}b\textgreater{}raw\textless{}/b\textgreater{}",
        ),
        ("a // b /* c", r"a \// b \/\* c", "a // b /* c"),
        ("So $x_i^2$.", "So $x_(i)^(2)$.", "So $x_i^2$."),
        ("$$\\frac{a}{b}$$", "$ a/b $", "\\[\n\\frac{a}{b}\n\\]"),
        ("[@a; @b, p. 3].", '#cite(label("a"))#cite(label("b"), supplement: [p. 3]);.', None),
        ("[@a; @b]", None, r"\cite{a,b}"),
        ("mail a@b.org [x]", r"mail a\@b.org \[x\]", "mail a@b.org [x]"),
        ("σ ≥ 5 %", "σ ≥ 5 %", r"\ensuremath{\sigma} \ensuremath{\geq} 5 \%"),
        ("x[^1]\n\n[^1]: A *note*.", "x#footnote[A _note_.]", r"x\footnote{A \emph{note}.}"),
        ("= x\n\n1\\. y", r"\= x" + "\n\n" + r"1\. y", "= x\n\n1. y"),
    ],
)
def test_lines(markdown, in_typst, in_latex):
    if in_typst is not None:
        assert typst(markdown) == in_typst
    if in_latex is not None:
        assert latex(markdown) == in_latex


def test_blocks():
    text = "One\n\n* a\n  - deeper\n\n3. b\n\n> said\n\n```python\nx = 1\n```\n\n### Small\n"
    assert typst(text) == (
        "One\n\n- a\n\n  - deeper\n\n3. b\n\n#quote(block: true)[\nsaid\n]\n\n"
        "```python\nx = 1\n```\n\n== Small"
    )
    assert "\\begin{itemize}\n\\item a" in latex(text)
    assert r"\setcounter{enumi}{2}" in latex(text)
    assert "x~=~1" in latex(text)
    assert typeset("#let results(..) = []\n" + typst(text), "/", "svg")


def test_tables():
    assert typst(TABLE) == (
        "#results(align: (left, right,),\n  [model], [`acc`],\n  [*mlp*], [0.97],\n"
        "  [cnn\\_\\_x], [0.99],\n)"
    )
    assert latex(TABLE).splitlines()[1:5] == [
        r"\begin{tabular}{lr}",
        r"\toprule",
        r"model & \texttt{acc} \\",
        r"\midrule",
    ]


def test_a_picture_alone_is_a_figure_with_its_caption(folder):
    markup = TypstMarkup(folder / "t.md")
    markup.folder = "files/"
    text = markup.text("![An *x* of $a_1$](red%20one.png)\n\nIn ![line](<red one.png>) too.")
    assert text.strip() == (
        '#picture(image("files/red one.png", alt: "An x of a_1"), '
        "caption: [An _x_ of $a_(1)$])\n\n"
        'In #box(height: 1em, image("files/red one.png", alt: "line")) too.'
    )
    assert list(markup.taken.values()) == ["red one.png"]
    told = latex("![An *x* of $a_1$](red%20one.png)", folder)
    assert r"\captionof*{figure}{An \emph{x} of $a_1$}" in told


def test_pictures_of_the_same_name_are_told_apart(folder):
    markup = TypstMarkup(folder / "t.md")
    (folder / "b").mkdir()
    (folder / "b" / "red one.png").write_bytes((folder / "red one.png").read_bytes())
    markup.text("![](red%20one.png) ![](b/red%20one.png)")
    assert list(markup.taken.values()) == ["red one.png", "red one-2.png"]


@pytest.mark.parametrize("read", [typst, latex])
@pytest.mark.parametrize(
    ("source", "message"),
    [
        ("https://a.b/c.png", "expected a file, since the page must need nothing from outside"),
        ("missing.png", "there is no file"),
        ("notes.txt", "expected one of .png, .jpg"),
    ],
)
def test_pictures_that_cannot_be_shown_say_why(read, folder, source, message):
    with pytest.raises(ValueError, match=f"picture {source}: {message}"):
        read(f"![x]({source})", folder)


def test_our_own_words_are_shown_as_they_are():
    assert TypstMarkup().plain("--data [x]") == r"\--data \[x\]"
    assert LatexMarkup().plain("--data 5 %") == r"-{}-data 5 \%"
