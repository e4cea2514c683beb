"""The site builds without a warning and needs nothing from elsewhere."""

import doctest
import html
import importlib.util
import inspect
import os
import re
import subprocess
import sys
import types
from pathlib import Path

import pytest

import firstlight as fl
from firstlight import callbacks, datasets, models, nn, optim, report, runs, sweeps, testing
from firstlight.data import augment, tokenizers
from firstlight.tools import diagnose, figures

pytest.importorskip("mkdocs", reason='the site needs: pip install -e ".[docs]"')
pytest.importorskip("mkdocstrings", reason='the site needs: pip install -e ".[docs]"')
pytest.importorskip("latex2mathml", reason='the site needs: pip install -e ".[docs]"')
ROOT = Path(__file__).parents[2]


@pytest.fixture(scope="module", params=[pytest.param("built", marks=pytest.mark.slow)])
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
        ("data", augment, {"RECIPES"}),
        ("data", tokenizers, ()),
        ("tools", testing, ()),
        ("tools", diagnose, ()),
        ("tools", runs, {"machine_rows", "get"}),
        ("tools", report, ()),
        ("tools", sweeps, ()),
    ],
)
def test_the_reference_is_complete(page, package, left_out):
    pages = [page, "losses"] if page == "layers" else [page]
    text = "".join((ROOT / "docs" / "reference" / f"{name}.md").read_text() for name in pages)
    for name in set(package.__all__) - set(left_out):
        assert re.search(rf"^::: .*\.{name}$", text, re.M), f"{name} has no place in reference/"


MEMBERS = """
module.Module: forward backward training_step save saved train eval parameters summary to_torch
parameter.Parameter: data grad shape
trainer.Trainer: fit validate test predict describe
training.state.TrainingState: log stop save_checkpoint tensorboard step
runs.history.History: keys best last plot steps
data.splits.DataSplits: loader parts
data.loader.DataLoader: state_dict
callback.Callback: state_dict load_state_dict
optim.optimizer.Optimizer: step zero_grad clip_grad lr
checkpoints.format.Checkpoint: save load
"""


def test_methods_and_attributes_are_on_the_pages(site):
    pages = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    for line in MEMBERS.split("\n")[1:-1]:
        owner, names = line.split(": ")
        for name in names.split():
            assert f'id="firstlight.{owner}.{name}"' in pages, f"{owner}.{name} has no place"


def test_every_public_method_with_a_docstring_is_on_a_page(site):
    pages = "".join(path.read_text() for path in (site / "reference").glob("*.html"))
    classes = [owner for name in fl.__all__ if isinstance(owner := getattr(fl, name), type)]
    for owner in classes:
        for name, member in vars(owner).items():
            told = inspect.isfunction(member) or isinstance(member, property)
            if told and not name.startswith("_") and inspect.getdoc(member):
                place = f"{owner.__module__}.{owner.__qualname__}.{name}"
                assert f'id="{place}"' in pages, f"{place} has no place"


def test_a_layer_shows_its_code_and_links_to_what_it_inherits(site):
    page = (site / "reference" / "layers.html").read_text()
    code = page.partition('id="firstlight.nn.linear.Linear"')[2].partition("The code, in")[2]
    text = html.unescape(re.sub(r"<[^>]+>", "", code.partition("</details>")[0]))
    for line in inspect.getsource(nn.Linear.backward).splitlines():
        assert line.strip() in text
    assert 'href="core.html#firstlight.module.Module.summary"' in page
    trainer = (site / "reference" / "core.html").read_text()
    assert 'href="#firstlight.training.state.TrainingState.log"' in trainer


def test_choices_are_no_defaults(site):
    page = (site / "reference" / "core.html").read_text()
    fit = page.partition('id="firstlight.trainer.Trainer.fit"')[2].partition('id="firstlight')[0]
    text = " ".join(html.unescape(re.sub("<[^>]+>", "", fit)).split())
    assert 'resume (one of "auto", "last", "best" or path\u2011like, default: None )' in text


def test_the_home_page_is_the_readme_and_the_list_of_pages(site):
    page = re.sub(r"<[^>]+>", "", (site / "index.html").read_text())
    assert "pip install . &amp;&amp; firstlight fit" in page
    assert "The tests run all blocks" in page
    assert (site / "training.svg").exists()


def test_search_needs_no_server(site):
    index = (site / "search" / "search_index.js").read_text()
    assert index.startswith("var __index = {")
    assert "firstlight.module.Module.saved" in index
    assert 'src="iframe-worker.js"' in (site / "index.html").read_text()


def test_light_and_dark(site):
    page = (site / "index.html").read_text()
    assert 'data-md-color-scheme="default"' in page
    assert 'data-md-color-scheme="slate"' in page


def hook(name):
    spec = importlib.util.spec_from_file_location(name, ROOT / "docs" / f"{name}.py")
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def formulas():
    return hook("formulas")


def test_pages_link_to_the_repository_that_pyproject_names(tmp_path, monkeypatch):
    home = hook("home")
    monkeypatch.setattr(home, "ROOT", tmp_path)
    config = types.SimpleNamespace(repo_url=None, repo_name=None)
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    home.on_config(config)
    assert config.repo_url is None
    address = "https://example.org/someone/firstlight"
    (tmp_path / "pyproject.toml").write_text(f"[project.urls]\nRepository = '{address}'\n")
    home.on_config(config)
    assert (config.repo_url, config.repo_name) == (address, "someone/firstlight")


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


@pytest.mark.parametrize("name", ["formulas", "home"])
def test_doctests_of_a_hook(name):
    result = doctest.testmod(hook(name))
    assert result.attempted
    assert result.failed == 0
