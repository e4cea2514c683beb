"""The site builds without a warning and needs nothing from elsewhere."""

import doctest
import importlib.util
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

from firstlight import callbacks, datasets, models, nn, optim
from firstlight.tools import figures

pytest.importorskip("mkdocs", reason='the site needs: pip install -e ".[docs]"')
pytest.importorskip("mkdocstrings", reason='the site needs: pip install -e ".[docs]"')
pytest.importorskip("latex2mathml", reason='the site needs: pip install -e ".[docs]"')
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def site(tmp_path_factory):
    folder = tmp_path_factory.mktemp("site")
    # Not --quiet, with which --strict sees no warning.
    words = [sys.executable, "-m", "mkdocs", "build", "--strict", "--site-dir", folder]
    environment = os.environ | {"NO_MKDOCS_2_WARNING": "1"}  # the theme's news of itself
    done = subprocess.run(words, cwd=ROOT, env=environment, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    assert "WARNING" not in done.stderr
    return folder


def test_nothing_is_fetched(site):
    for path in [*site.rglob("*.html"), *site.rglob("*.css")]:
        text = path.read_text()
        fetched = re.findall(
            r'<(?:script|img|iframe|link)[^>]*(?:src|href)="?((?:https?:)?//[^" >]+)', text
        )
        fetched += re.findall(r"(?:url\(|@import )[\"']?((?:https?:)?//[^\"')]+)", text)
        assert fetched == [], path


def test_formulas_are_set(site):
    linear = (site / "reference" / "layers.html").read_text()
    assert "<math>" in linear
    for page in (site / "reference").glob("*.html"):
        assert "::</p>" not in page.read_text(), page.name
    for page in (site / "course").glob("*.html"):
        assert "arithmatex" not in page.read_text(), page.name
    assert (
        '<math xmlns="http://www.w3.org/1998/Math/MathML" display="block"'
        in (site / "course" / "1-polynomial.html").read_text()
    )


@pytest.mark.parametrize(
    ("page", "package", "left_out"),
    [
        ("layers", nn, {"init"}),
        ("optimizers", optim, ()),
        ("models", models, ()),
        ("datasets", datasets, ()),
        ("callbacks", callbacks, ()),
        ("figures", figures, ()),
    ],
)
def test_the_reference_is_complete(page, package, left_out):
    pages = [page, "losses"] if page == "layers" else [page]
    text = "".join((ROOT / "docs" / "reference" / f"{name}.md").read_text() for name in pages)
    for name in set(package.__all__) - set(left_out):
        assert re.search(rf"^::: .*\.{name}$", text, re.M), f"{name} has no place in reference/"


def formulas():
    spec = importlib.util.spec_from_file_location("formulas", ROOT / "docs" / "formulas.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("x̂", "<mi>x̂</mi>"),
        ("Wᵀ", "<msup><mi>W</mi><mi>T</mi></msup>"),
        (
            "dW_oi",
            "<msub><mrow><mi>d</mi><mi>W</mi></mrow><mrow><mi>o</mi><mi>i</mi></mrow></msub>",
        ),
        ("h_{l-1}", "<mi>h</mi>"),
        ("x_n²", "<msubsup><mi>x</mi><mi>n</mi><mn>2</mn></msubsup>"),
        ("√(2/π)", "<msqrt><mn>2</mn>"),
        ("1e-5", "<mn>1e-5</mn>"),
    ],
)
def test_plain_mathematics(text, expected):
    assert expected in formulas().mathml(text)


def test_doctests_of_the_hook():
    assert doctest.testmod(formulas()).failed == 0
