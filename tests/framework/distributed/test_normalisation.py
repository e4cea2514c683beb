"""Normalisations of sharded batches: statistics and gradients are those of the whole batch."""

import copy

import numpy as np
import pytest

from firstlight import nn
from firstlight.distributed import Communicator, sharding
from firstlight.distributed.sharding import Shard
from firstlight.support import forms

CASES = {
    "BatchNorm1d": (lambda: nn.BatchNorm1d(3), (7, 3)),
    "BatchNorm1d, plain": (lambda: nn.BatchNorm1d(3, affine=False), (7, 2, 3)),
    "BatchNorm2d": (lambda: nn.BatchNorm2d(3, momentum=0.3), (4, 3, 5, 3)),
    "BatchNorm2d, untracked": (
        lambda: nn.BatchNorm2d(3, track_running_stats=False, bias=False),
        (4, 2, 2, 3),
    ),
    "InstanceNorm2d": (lambda: nn.InstanceNorm2d(3, affine=True), (5, 2, 3, 3)),
    "InstanceNorm2d, tracked": (
        lambda: nn.InstanceNorm2d(3, track_running_stats=True),
        (5, 2, 3, 3),
    ),
}


class Rank(Communicator):
    """A rank that receives known sums, and keeps what it sends."""

    def __init__(self, rank, size, totals):
        self.rank, self.size, self.totals, self.sent = rank, size, totals, []

    def allreduce_(self, array):
        self.sent.append(array.copy())
        if len(self.sent) <= len(self.totals):
            array[...] = self.totals[len(self.sent) - 1]


@pytest.fixture(autouse=True)
def _no_shard_left():
    yield
    sharding.set_current(None)


@pytest.fixture(params=[True, False], ids=["forms", "lessons"])
def _fast(request):
    if request.param:
        yield
    else:
        with forms.only():
            yield


def passes(layer, x, dy):
    return [layer(x), layer.backward(dy)]


def on_ranks(size, make, x, dy):
    """Return each rank's shard, layer, y and dx.

    All ranks are run again and again; the sums of one exchange more are known each time.
    """
    totals = []
    while True:
        results = []
        for index in range(size):
            rank = Rank(index, size, totals)
            shard = Shard.of(len(x), rank)
            sharding.set_current(shard)
            layer = make()
            factor = 1 if shard.weight else 0  # as the trainer weights the gradient
            results.append((shard, layer, *passes(layer, x[shard.rows], factor * dy[shard.rows])))
        sharding.set_current(None)
        sent = [shard.communicator.sent for shard, *_ in results]
        assert len({len(arrays) for arrays in sent}) == 1, "a rank would wait for ever"
        if len(totals) == len(sent[0]):
            return results
        totals.append(sum(arrays[len(totals)] for arrays in sent))


@pytest.mark.usefixtures("_fast")
@pytest.mark.parametrize("size", [1, 2, 3, 8])  # 8 ranks: some have no sample of their own
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", CASES)
def test_ranks_compute_what_one_process_does(name, dtype, size):
    make, shape = CASES[name]
    rng = np.random.default_rng(5)
    x, dy = 2 + 3 * rng.standard_normal((2, *shape)).astype(dtype)
    start = make().to(dtype=dtype)
    for parameter in start.parameters():
        parameter.data[...] += rng.standard_normal(parameter.shape)
    whole = copy.deepcopy(start)
    expected = passes(whole, x, dy)
    close = {"rtol": 1e-4, "atol": 2e-5} if dtype == "float32" else {"rtol": 1e-11, "atol": 1e-12}
    results = on_ranks(size, lambda: copy.deepcopy(start), x, dy)
    for shard, layer, *found in results:
        for one, other in zip(found, expected, strict=True):
            assert one.dtype == dtype
            if shard.weight:
                np.testing.assert_allclose(one, other[shard.rows], **close)
        for (_, one), (_, other) in zip(layer.named_buffers(), whole.named_buffers(), strict=True):
            np.testing.assert_allclose(one.data, other.data, **close)
    for index, parameter in enumerate(whole.parameters()):
        gradients = [layer.parameters()[index].grad for _, layer, *_ in results]
        np.testing.assert_allclose(sum(gradients), parameter.grad, **close)


@pytest.mark.usefixtures("_fast")
def test_the_values_of_a_channel_are_counted_in_the_whole_batch():
    sharding.set_current(Shard.of(2, Rank(0, 2, [])))
    layer, x = nn.BatchNorm1d(3), np.ones((1, 3), "float32")
    layer(x)
    sharding.set_current(Shard.of(1, Rank(0, 2, [])))
    with pytest.raises(ValueError, match="BatchNorm1d: expected more than 1 value per channel"):
        layer(x)
    with pytest.raises(ValueError, match=r"BatchNorm1d: expected x of shape \(N, 3\) or"):
        layer(np.ones((1, 4), "float32"))


@pytest.mark.usefixtures("_fast")
def test_a_subclass_with_a_method_of_its_own_takes_part():
    class Shifted(nn.BatchNorm1d):
        def forward(self, x):
            return super().forward(x) + 1

    class Frozen(nn.BatchNorm1d):
        def backward(self, dy):
            _, r, _ = self.saved()
            return dy * r

    for kind, exchanges in (Shifted, 3), (Frozen, 2):
        rank = Rank(0, 2, [])
        sharding.set_current(Shard.of(4, rank))
        passes(kind(3), *np.ones((2, 2, 3), "float32"))
        assert len(rank.sent) == exchanges
        sharding.set_current(None)
        passes(kind(3), *np.ones((2, 2, 3), "float32"))
        assert len(rank.sent) == exchanges


def test_a_form_that_exchanges_nothing_is_not_chosen():
    class Net(nn.BatchNorm1d):
        """A target of its own, for the form to be forgotten."""

    class Fast:
        def forward(self, layer, x):
            return x

        def backward(self, layer, dy):
            return dy

    forms.form(Net)(Fast)
    layer, x = Net(3), np.ones((2, 3), "float32")
    with forms.only(Fast):
        assert layer(x) is x
        sharding.set_current(Shard.of(4, Rank(0, 2, [])))
        assert layer(x) is not x
