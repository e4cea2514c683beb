"""Paths that a backward leaves out are named, in modules of several styles."""

import importlib.util

import numpy as np
import pytest
from hand_written_modules import HEAD, MODULES

from firstlight.tools.diagnose import check

pytestmark = pytest.mark.slow

MISTAKES = [  # module, what is replaced, by what, kind, and words of its line
    (
        "layernorm inline",
        " - n * (d * n).mean(-1, keepdims=True)",
        "",
        "missing-path",
        "return (d - d.mean",
    ),
    ("layernorm inline", " - d.mean(-1, keepdims=True)", "", "missing-path", "return (d - n"),
    (
        "layernorm inline",
        "return (d - d.mean(-1, keepdims=True) - n * (d * n).mean(-1, keepdims=True)) / s",
        "return d / s",
        "missing-path",
        "return d / s",
    ),
    ("batchnorm long", "return dx1 + dx2", "return dx1", "term", "return dx1"),
    ("batchnorm long", "dx1 = dxmu1 + dxmu2", "dx1 = dxmu1", "term", ""),
    ("attention", " - (da * a).sum(axis=-1, keepdims=True)", "", "term", "ds ="),
    ("attention", " + dv @ self.wv.data.T", "", "missing-path", "return dq"),
    ("highway parts", "dx = dy * (1 - t)", "dx = np.zeros_like(dy)", "missing-path", ""),
    ("highway parts", "dt = dy * (h - x)", "dt = dy * h", "missing-path", "dt = dy * h"),
    ("rnn loop", "(dy[:, t] + carry)", "dy[:, t]", "missing-path", "dz ="),
    (
        "lstm cell parts",
        "dc = dc + dh * o * (1 - tc ** 2)",
        "dc = dh * o * (1 - tc ** 2)",
        "term",
        "dc = dh",
    ),
    (
        "lstm cell parts",
        "dc = dc + dh * o * (1 - tc ** 2)",
        "dc = dc + dh * o",
        "derivative",
        "dc = dc",
    ),
    (
        "lstm cell parts",
        "dx[:, t], dh, dc = self.cell",
        "dx[:, t], dh, _ = self.cell",
        "missing-path",
        "",
    ),
    (
        "lstm cell parts",
        "return d[:, :n], d[:, n:], dc * f",
        "return d[:, :n], d[:, n:], dc",
        "factor",
        "return d[",
    ),
    ("tied decoder", "x.T @ dz + dy.T @ h", "x.T @ dz", "missing-path", "self.w.grad"),
    ("unet three", "        da = da + dab[:, :4]\n", "", "missing-path", ""),
    (
        "unet three",
        "da = da + self.e2.backward(dab[:, 4:])",
        "self.e2.backward(dab[:, 4:])",
        "missing-path",
        "",
    ),
    ("moe top", " - (p * dp).sum(1, keepdims=True)", "", "term", "dz ="),
    (
        "cosine head",
        "(dnx - nx * (dnx * nx).sum(1, keepdims=True)) / lx",
        "dnx / lx",
        "missing-path",
        "return dnx",
    ),
    (
        "cosine head",
        "(dnw - nw * (dnw * nw).sum(1, keepdims=True)) / lw",
        "dnw / lw",
        "missing-path",
        "self.w.grad",
    ),
    (
        "blocks three times",
        "for b in self.blocks[::-1]: dy",
        "for b in self.blocks: dy",
        "forward-order",
        "for b in self.blocks",
    ),
    (
        "blocks three times",
        "for b in self.blocks[::-1]: dy",
        "for b in self.blocks[:0:-1]: dy",
        "not-called",
        "",
    ),
]


def checked(folder, source, shape):
    file = folder / "layers.py"
    file.write_text(HEAD + source)
    spec = importlib.util.spec_from_file_location("layers", file)
    layers = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(layers)
    x = np.random.default_rng(1).standard_normal(shape).astype("float32")
    return check(layers.Net(), x)


@pytest.mark.parametrize("name", MODULES)
def test_a_right_backward_is_fine(name, tmp_path):
    shape, source = MODULES[name]
    report = checked(tmp_path, source, shape)
    assert report.ok, str(report)


@pytest.mark.parametrize(("name", "right", "wrong", "kind", "words"), MISTAKES)
def test_what_is_left_out_is_named_with_its_line(
    name, right, wrong, kind, words, tmp_path, generous_budgets
):
    shape, source = MODULES[name]
    assert source.count(right) == 1
    (found,) = checked(tmp_path, source.replace(right, wrong), shape).findings
    assert found.kind == kind, found.message
    assert words in found.at.code
