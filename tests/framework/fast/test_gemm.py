"""Products through cuBLAS's own arguments: every layout, against NumPy."""

import itertools

import numpy as np
import pytest

from firstlight.fast.cuda import gemm
from firstlight.fast.cuda.gemm import matmul, precision
from firstlight.support.backend import to_device, using

pytestmark = pytest.mark.gpu
RNG = np.random.default_rng(5)


def floats(*shape, dtype="float64"):
    return RNG.standard_normal(shape).astype(dtype)


def plain(x):
    return x


def turned(x):
    """The same numbers, stored with the last two axes the other way round."""
    return x.swapaxes(-1, -2).copy().swapaxes(-1, -2)


def gappy(x):
    """The same numbers, as a part of wider rows."""
    wide = np.concatenate([x, x], axis=-1).copy()
    return wide[..., : x.shape[-1]]


def spread(x):
    """The same numbers, every other one of an array: no layout that cuBLAS reads."""
    wide = np.repeat(x, 2, axis=-1)
    return wide[..., ::2]


LAYOUTS = [plain, turned, gappy, spread]


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("sizes", [(3, 4, 5), (1, 4, 5), (3, 1, 5), (3, 4, 1), (1, 1, 1)])
@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_every_layout_gives_the_product(batch, sizes, dtype):
    (m, k, n), tolerance = sizes, 1e-5 if dtype == "float32" else 1e-12
    a, b = floats(*batch, m, k, dtype=dtype), floats(*batch, k, n, dtype=dtype)
    for left, right in itertools.product(LAYOUTS, repeat=2):
        x, y = left(to_device(a, "cuda:0")), right(to_device(b, "cuda:0"))
        found = matmul(x, y)
        assert found.dtype == dtype
        np.testing.assert_allclose(found.get(), a @ b, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_of_empty_factors_is_zero(layout, accumulate):
    out = layout(to_device(np.ones((2, 3, 5)), "cuda:0"))
    a, b = (to_device(floats(*shape), "cuda:0") for shape in ((2, 3, 0), (2, 0, 5)))
    assert matmul(a, b, out=out, accumulate=accumulate) is out
    assert (out.get() == (1 if accumulate else 0)).all()
    assert (matmul(a, b).get() == 0).all()


@pytest.mark.parametrize("accumulate", [False, True])
@pytest.mark.parametrize("layout", LAYOUTS)
def test_a_product_goes_where_it_is_told(layout, accumulate):
    a, b, c = floats(2, 3, 4), floats(2, 4, 5), floats(2, 3, 5)
    out = layout(to_device(c, "cuda:0"))
    found = matmul(to_device(a, "cuda:0"), to_device(b, "cuda:0"), out=out, accumulate=accumulate)
    assert found is out
    np.testing.assert_allclose(out.get(), a @ b + (c if accumulate else 0), rtol=1e-12)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((2, 3, 4), (4, 5)),
        ((3, 4), (2, 4, 5)),
        ((2, 1, 3, 4), (1, 6, 4, 5)),
        ((3, 4), (4,)),
        ((4,), (4, 5)),
        ((4,), (4,)),
        ((2, 3, 4), (4,)),
        ((0, 4), (4, 5)),
        ((3, 0), (0, 5)),
    ],
)
def test_shapes_are_numpys(one, other):
    a, b = floats(*one), floats(*other)
    found = matmul(to_device(a, "cuda:0"), to_device(b, "cuda:0"))
    assert found.shape == (a @ b).shape
    np.testing.assert_allclose(found.get(), a @ b, rtol=1e-12)


def test_shapes_that_do_not_fit_are_numpys_error():
    with pytest.raises(ValueError, match="mismatch"):
        matmul(to_device(floats(3, 4), "cuda:0"), to_device(floats(5, 3), "cuda:0"))


@pytest.mark.parametrize(("name", "code"), [("32", 68), ("tf32", 77), ("bf16", 75)])
def test_the_precision_reaches_cublas(name, code, monkeypatch):
    a = to_device(floats(3, 3, dtype="float32"), "cuda:0")
    matmul(a, a)
    library, seen = gemm._library(), []
    real = library.cublasGemmEx
    monkeypatch.setattr(
        library, "cublasGemmEx", lambda *args: seen.append(args[-2]) or real(*args), raising=False
    )
    with precision(name):
        matmul(a, a)
        matmul(a.astype("float64"), a.astype("float64"))
    matmul(a, a)
    assert seen == [code, 70, 68]


def test_each_stream_has_a_handle_with_a_workspace_of_its_own(monkeypatch):
    a = to_device(floats(2, 2), "cuda:0")
    monkeypatch.setitem(gemm._state, "handles", {})
    matmul(a, a)
    with using("cuda:0"):
        matmul(a, a)
        matmul(a, a)
    handles, workspaces = zip(*gemm._state["handles"].values(), strict=True)
    assert len({handle.value for handle in handles}) == len(handles) == 2
    assert len({workspace.data.ptr for workspace in workspaces}) == 2
    assert {workspace.nbytes for workspace in workspaces} == {gemm.WORKSPACE}


def test_what_cublas_refuses_is_an_error(monkeypatch):
    a = to_device(floats(2, 2), "cuda:0")
    matmul(a, a)
    monkeypatch.setattr(gemm._library(), "cublasGemmEx", lambda *args: 13, raising=False)
    with pytest.raises(
        RuntimeError, match=r"product of \(2, 2\) and \(2, 2\) failed with status 13"
    ):
        matmul(a, a)


def test_without_the_library_cupys_product_does_the_work(monkeypatch, counts):
    monkeypatch.setattr(gemm, "load_library", lambda: 1 / 0)
    monkeypatch.setitem(gemm._state, "library", None)
    a = floats(2, 2)
    x = to_device(a, "cuda:0")
    np.testing.assert_allclose(matmul(x, x).get(), a @ a)
    np.testing.assert_allclose(matmul(x, x, out=x.copy(), accumulate=True).get(), a @ a + a)
    assert counts["launches"]


@pytest.mark.parametrize("batch", [(), (2,), (2, 3)])
def test_half_precision_rounds_the_factors_and_nothing_else(batch):
    a, b = floats(*batch, 3, 4, dtype="float32"), floats(*batch, 4, 5, dtype="float32")
    rounded = [x.astype("float16").astype("float32") for x in (a, b)]
    for left, right in itertools.product(LAYOUTS, repeat=2):
        x, y = left(to_device(a, "cuda:0")), right(to_device(b, "cuda:0"))
        out = to_device(np.ones((*batch, 3, 5), "float32"), "cuda:0")
        with precision("16"):
            found = matmul(x, y)
            matmul(x, y, out=out, accumulate=True)
        assert found.dtype == "float32"
        expected = rounded[0] @ rounded[1]
        np.testing.assert_allclose(found.get(), expected, rtol=1e-6, atol=1e-6)
        np.testing.assert_allclose(out.get(), 1 + expected, rtol=1e-6, atol=1e-6)
        assert np.abs(found.get() - a @ b).max() > 1e-5


def test_half_precision_overflows_and_leaves_float64_alone():
    large = np.full((1, 1), 70_000.0)
    x = to_device(large.astype("float32"), "cuda:0")
    with precision("16"):
        assert np.isinf(matmul(x, x).get()).all()
        y = to_device(large, "cuda:0")
        assert matmul(y, y).get().item() == 70_000.0**2
