"""Shards of a batch: who has which samples, and the random numbers for just these."""

import numpy as np
import pytest

from firstlight import DataLoader, nn
from firstlight.distributed import Communicator, sharding
from firstlight.distributed.sharding import Shard, cut, shards
from firstlight.support import draws, rng
from firstlight.support.backend import to_device


class Rank(Communicator):
    """A rank that talks to nobody."""

    def __init__(self, rank, size):
        self.rank, self.size = rank, size


@pytest.fixture(autouse=True)
def _no_shard_left():
    yield
    sharding.set_current(None)


@pytest.mark.parametrize("whole", [1, 2, 5, 24, 77])
@pytest.mark.parametrize("size", [1, 2, 3, 4, 7])
def test_every_sample_counts_once(whole, size):
    parts = [Shard.of(whole, Rank(rank, size)) for rank in range(size)]
    counted = [sample for part in parts for sample in range(part.start, part.stop)]
    assert counted == list(range(whole))
    weights = [part.weight for part in parts]
    assert max(weights) - min(weights) <= 1
    for part in parts:  # who has none computes one all the same
        assert part.rows.stop - part.rows.start == max(part.weight, 1)
        assert part.rows.stop <= whole


@pytest.mark.parametrize("before", [0, 1, 4])
@pytest.mark.parametrize("shape", [(7, 3), (7, 2, 5), (21, 3), (7,)])
@pytest.mark.parametrize("size", [2, 3, 10])
def test_ranks_draw_the_rows_of_one_process(before, shape, size):
    def generator():
        found = rng.derived("dropout", 5)
        found.random(before, dtype="float32")
        return found

    alone = generator()
    expected, after = (
        alone.integers(2**16, size=shape, dtype="uint16"),
        alone.random(8, dtype="float32"),
    )
    per_sample = shape[0] // 7
    for rank in range(size):
        own, part = generator(), Shard.of(7, Rank(rank, size))
        sharding.set_current(part)
        rows = slice(part.rows.start * per_sample, part.rows.stop * per_sample)
        mine = draws.integers16(own, (rows.stop - rows.start, *shape[1:]))
        np.testing.assert_array_equal(mine, expected[rows])
        np.testing.assert_array_equal(own.random(8, dtype="float32"), after)


def test_a_generator_that_cannot_leap_draws_what_others_have():
    sharding.set_current(Shard.of(6, Rank(1, 2)))
    own = np.random.Generator(np.random.MT19937(1))
    mine = draws.integers16(own, (3, 4))
    other = np.random.Generator(np.random.MT19937(1))
    expected = other.integers(2**16, size=(6, 4), dtype="uint16")
    np.testing.assert_array_equal(mine, expected[3:])


def test_rows_that_are_not_samples_are_drawn_by_every_rank():
    sharding.set_current(Shard.of(6, Rank(1, 2)))
    mine = draws.integers16(np.random.default_rng(0), (4, 2))
    expected = np.random.default_rng(0).integers(2**16, size=(4, 2), dtype="uint16")
    np.testing.assert_array_equal(mine, expected)


@pytest.mark.parametrize("layer", [nn.Dropout(0.5), nn.Dropout2d(0.5)])
def test_dropout_is_that_of_the_whole_batch(layer):
    x = np.ones((10, 4, 4, 3))
    rng.seed_everything(1)
    whole = layer(x)
    for rank in range(3):
        rng.seed_everything(1)
        part = Shard.of(10, Rank(rank, 3))
        sharding.set_current(part)
        np.testing.assert_array_equal(layer(x[part.rows]), whole[part.rows])


ON_A_GPU = {
    "Dropout": (lambda: nn.Dropout(0.5), (10, 4, 6)),
    "Dropout2d": (lambda: nn.Dropout2d(0.5), (10, 4, 4, 3)),
    "attention": (lambda: nn.MultiHeadAttention(8, 2, dropout=0.5), (10, 5, 8)),
}


@pytest.mark.gpu
@pytest.mark.parametrize("name", ON_A_GPU)
@pytest.mark.parametrize("size", [3, 12])  # with 12 ranks two have no sample of their own
def test_masks_on_gpus_are_those_of_the_whole_batch(name, size):
    make, shape = ON_A_GPU[name]
    numbers = np.random.default_rng(2)
    layer = make().to(device="cuda:0")
    x, dy = (to_device(numbers.standard_normal(shape, "float32"), "cuda:0") for _ in range(2))

    def passes(rows):
        rng.seed_everything(1)
        rng.begin_pass()
        layer(x[rows].copy())  # an earlier call of the pass
        layer.train()
        y = layer(x[rows].copy()).get()
        return y, layer.backward(dy[rows].copy()).get()

    whole = passes(slice(None))
    assert (whole[0] == 0).any() or name == "attention"
    for rank in range(size):
        part = Shard.of(10, Rank(rank, size))
        sharding.set_current(part)
        for found, expected in zip(passes(part.rows), whole, strict=True):
            np.testing.assert_allclose(found, expected[part.rows], rtol=1e-5, atol=1e-5)


@pytest.mark.gpu
def test_data_on_a_gpu_are_shared_too():
    x = np.arange(22, dtype="float32").reshape(11, 2)
    loader = DataLoader((x,), 4, shuffle=True, seed=1)
    whole = [batch for (batch,) in loader]
    for rank in range(3):
        loader = DataLoader((x,), 4, shuffle=True, seed=1)
        loader.keep_on("cuda:0")
        for (found,), expected in zip(shards(loader, Rank(rank, 3)), whole, strict=True):
            np.testing.assert_array_equal(found.get(), expected[sharding.current().rows])


@pytest.mark.parametrize("prefetch", [0, 2])
def test_a_loader_reads_only_its_share(prefetch):
    class Counting:
        def __init__(self):
            self.read = []

        def __len__(self):
            return 11

        def __getitem__(self, indices):
            self.read += list(indices)
            return (indices * 1.0,)

    whole = [x for (x,) in DataLoader(Counting(), 4, shuffle=True, seed=1)]
    found = []
    for rank in range(3):
        data, before = Counting(), sharding.current()
        loader = DataLoader(data, 4, shuffle=True, seed=1, prefetch=prefetch)
        batches = []
        for (x,) in shards(loader, Rank(rank, 3)):
            assert sharding.current().whole == len(whole[len(batches)])
            assert len(x) == sharding.current().rows.stop - sharding.current().rows.start
            batches.append(x)
        assert sharding.current() is before is None
        assert loader.shared_by is None
        assert len(data.read) == sum(map(len, batches)) < 11
        found.append(batches)
    for index, expected in enumerate(whole):
        parts = [Shard.of(len(expected), Rank(rank, 3)) for rank in range(3)]
        joined = np.concatenate(
            [found[rank][index][: part.weight] for rank, part in enumerate(parts)]
        )
        np.testing.assert_array_equal(joined, expected)


def test_batches_of_any_loader_are_cut():
    part = Shard.of(6, Rank(1, 2))
    batch = {"x": np.arange(12).reshape(6, 2), "pair": (np.arange(6), np.array(3.0))}
    mine = cut(batch, part)
    np.testing.assert_array_equal(mine["x"], [[6, 7], [8, 9], [10, 11]])
    np.testing.assert_array_equal(mine["pair"][0], [3, 4, 5])
    assert mine["pair"][1] == 3.0
    given = [(np.arange(6),), (np.arange(4),)]
    assert [list(x) for (x,) in shards(given, Rank(1, 2))] == [[3, 4, 5], [2, 3]]
    assert list(shards(given, Rank(0, 1))) == given
