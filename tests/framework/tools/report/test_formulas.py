"""LaTeX formulas are set by Typst: those of the documentation, and others of deep learning."""

from pathlib import Path

import pytest

from firstlight.tools.report import Section, gather, write_poster
from firstlight.tools.report.formulas import as_typst
from firstlight.tools.report.markdown import formulas
from firstlight.tools.report.sections import Texts
from firstlight.tools.report.typesetting import check_formulas, typeset

ROOT = Path(__file__).parents[4]
DOCS = ROOT / "docs"
OTHERS = ROOT / "tests" / "support" / "formulas_of_deep_learning.md"


@pytest.mark.parametrize(
    ("latex", "typst"),
    [
        ("x_i^2", "x_(i)^(2)"),
        (r"\frac{a, b}{n}", r"frac(a \, b, n)"),
        (r"0{,}05", '0 "," 05'),
        (r"\max(0; x)", r"max (0 \; x)"),
        (r"\bigl( a \bigr)", "(a)"),
        (r"\lVert w \rVert_2", "norm(w)_(2)"),
        (r"\textbf{two words}", "upright(bold(#text[two words]))"),
    ],
)
def test_what_the_converter_would_get_wrong(latex, typst):
    assert as_typst(latex) == typst
    assert typeset(f"$ {typst} $", Path(), "svg")


@pytest.mark.parametrize(
    ("latex", "message"),
    [
        (r"\frac{1}{", r"expected as many \{ as \}, got 2 and 1"),
        (r"\left( a", r"expected as many \\left as \\right, got 1 and 0"),
        (r"\begin{cases} a", r"expected as many \\begin as \\end, got 1 and 0"),
    ],
)
def test_what_does_not_match_is_an_error(latex, message):
    with pytest.raises(ValueError, match=message):
        as_typst(latex)


def test_an_unknown_command_names_formula_and_file():
    with pytest.raises(ValueError, match=r"t\.md: formula \$\\foo\{x\}\$: cannot be set \(Typst"):
        check_formulas(["x_i", r"\foo{x}"], Path("t.md"))


def test_braces_that_are_signs_need_no_partner():
    assert as_typst(r"\{0, 1\}")
    assert as_typst(r"\left\{ a \right\}")


@pytest.fixture(scope="module")
def every():
    pages = [page.read_text(encoding="utf-8") for page in DOCS.rglob("*.md")]
    others = formulas(OTHERS.read_text(encoding="utf-8"))
    found = {latex for page in pages for latex in formulas(page)}
    assert len(others) >= 60
    assert len(found) > 250
    return [*sorted(found), *others]


@pytest.mark.slow
def test_all_formulas_of_the_documentation_and_others_are_set_on_a_page(every):
    check_formulas(every, DOCS)
    html = typeset("\n\n".join(f"$ {as_typst(one)} $" for one in every), Path(), "html").decode()
    assert html.count("<math") >= len(every)


@pytest.mark.slow
def test_all_of_them_are_set_on_a_poster(every, by_script, tmp_path):
    text = " and ".join(f"${latex}$" for latex in every)
    texts = Texts("Formulas", "", [Section("All", None, text)])
    write_poster(tmp_path / "p.pdf", gather(by_script), texts=texts, layout="landscape")
    assert (tmp_path / "p.pdf").stat().st_size > 100_000
