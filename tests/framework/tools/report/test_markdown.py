"""Markdown becomes HTML in a report and blocks on a poster, tables and pictures too."""

import base64

import pytest
from PIL import Image

from firstlight.tools.report.blocks import ESCAPE, Code, Line, Picture, Table, Text
from firstlight.tools.report.markdown import as_blocks, as_html, as_line

TABLE = "| model | `acc` |\n|---|---|\n| **mlp** | 0.97 |\n| cnn__x | 0.99 |\n"


@pytest.fixture
def folder(tmp_path):
    Image.new("RGB", (30, 10), "red").save(tmp_path / "red one.png")
    (tmp_path / "curve.svg").write_text('<svg xmlns="http://www.w3.org/2000/svg"/>')
    return tmp_path


def test_paragraphs_and_nested_lists():
    (text,) = as_blocks("One\ntwo\n\nthree\n* a\n  goes on\n  - deeper\n\n2. b\n\n> said\n")
    assert isinstance(text, Text)
    assert text.lines == [
        Line("One two"),
        Line("three"),
        Line("a goes on", "•", 1),
        Line("deeper", "•", 2),
        Line("b", "2.", 1),
        Line("said", "", 1),
    ]


@pytest.mark.parametrize(
    ("markdown", "marks"),
    [
        ("*one* and **two**", "__one__ and **two**"),
        ("2 * 3 * 4 and 2**3", f"2 * 3 * 4 and 2{ESCAPE}**3"),
        ("[text](http://a.b) `x`", "text x"),
        ("a -- b, `--flag`", f"a – b, {ESCAPE}--flag"),
        ("<b>raw</b>", "<b>raw</b>"),
        ("*a **b** c*", "__a **b** c__"),
        ("$a_1$ *and* $b_1 * c * d$", "$a_1$ __and__ $b_1 * c * d$"),
        (r"$$\mathbf{x}\_1$$ \$5", r"$$\mathbf{x}\_1$$ $5"),
        ("costs $5 and *then* $6", "costs $5 and __then__ $6"),
        ("$1*2*3$4", "$1__2__3$4"),
    ],
)
def test_marks(markdown, marks):
    assert as_line(markdown) == marks


def test_tables_code_and_small_headings():
    heading, table, code = as_blocks(f"### Small\n\n{TABLE}\n```\nx = 1\n\ty\n```\n")
    assert heading.lines == [Line("**Small**")]
    assert isinstance(table, Table)
    assert table.rows == [["model", "acc"], ["**mlp**", "0.97"], [f"cnn{ESCAPE}__x", "0.99"]]
    assert table.right == [False, True]
    assert isinstance(code, Code)
    assert code.lines == ["x = 1", "    y"]


def test_pictures_become_part_of_the_page(folder):
    before, picture, after = as_blocks("see\n\n![a](red%20one.png)\n\nthere", folder)
    assert (before.lines, after.lines) == ([Line("see")], [Line("there")])
    assert isinstance(picture, Picture)
    assert picture.pixels == (30, 10)
    content = base64.b64encode((folder / "red one.png").read_bytes()).decode()
    html = as_html("![a](<red one.png>) ![b](curve.svg)", folder)
    assert f'<img src="data:image/png;base64,{content}" alt="a"' in html
    assert 'src="data:image/svg+xml;base64,' in html


def test_formulas_are_shown_as_they_are_written():
    html = as_html("So $x_i < y_i * z_i * w$:\n\n$$\na_1 * b_1 \\\\\n = c_1\n$$\n")
    assert html.splitlines() == [
        "<p>So $x_i &lt; y_i * z_i * w$:</p>",
        r"<p>$$ a_1 * b_1 \\ = c_1 $$</p>",
    ]
    first, table = as_blocks("$$\na_1 -- b_1\n$$\n\n| $a_1$ |\n|---|\n| $b_1 * c * d$ |\n")
    assert first.lines == [Line(f"$$ a_1 {ESCAPE}-- b_1 $$")]
    assert table.rows == [["$a_1$"], ["$b_1 * c * d$"]]


def test_html_has_tables_and_no_raw_html():
    html = as_html(TABLE + "\n<script>x</script>\n")
    assert "<th>model</th>" in html
    assert "<td><strong>mlp</strong></td>" in html
    assert "<script" not in html


@pytest.mark.parametrize("read", [as_html, as_blocks])
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


def test_a_poster_takes_no_svg(folder):
    with pytest.raises(ValueError, match="curve.svg: on a poster expected a .png or .jpg file"):
        as_blocks("![x](curve.svg)", folder)
