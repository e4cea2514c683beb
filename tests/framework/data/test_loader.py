"""DataLoader: order, batches, place, seeds, transforms, prefetching."""

import json
import threading
import time

import numpy as np
import pytest
from waiting import until

import firstlight as fl
from firstlight.data._prefetch import prefetched

N = 23


def noisy(batch, rng):
    x, y = batch
    return x + rng.normal(size=x.shape).astype("float32"), y


def loader(**options):
    x = np.arange(N, dtype="float32")[:, None]
    return fl.DataLoader((x, np.arange(N)), **{"batch_size": 4, "shuffle": True, **options})


def labels(batches):
    return np.concatenate([y for _, y in batches]).tolist()


def assert_same(left, right):
    assert len(left) == len(right)
    for (x, y), (u, v) in zip(left, right, strict=True):
        np.testing.assert_array_equal(x, u)
        np.testing.assert_array_equal(y, v)


def prefetch_threads():
    return [t for t in threading.enumerate() if t.name.startswith("firstlight-prefetch")]


def test_each_epoch_is_a_new_order_of_all_samples():
    data = loader()
    first, second = labels(data), labels(data)
    assert sorted(first) == sorted(second) == list(range(N))
    assert first != second != list(range(N))
    assert (data.epoch, data.batch) == (1, 6)


def test_without_shuffle_the_order_is_the_datas():
    assert labels(loader(shuffle=False)) == list(range(N))


@pytest.mark.parametrize(("drop_last", "sizes"), [(False, [4] * 5 + [3]), (True, [4] * 5)])
def test_the_last_batch(drop_last, sizes):
    data = loader(drop_last=drop_last)
    assert [len(y) for _, y in data] == sizes
    assert len(data) == len(sizes)
    assert len(loader(batch_size=N, drop_last=drop_last)) == 1


def test_the_seed_fixes_order_and_transform():
    runs = [list(loader(transform=noisy, seed=seed)) for seed in (5, 5, 6)]
    assert_same(runs[0], runs[1])
    assert labels(runs[0]) != labels(runs[2])
    fl.seed_everything(5)
    assert_same(runs[0], list(loader(transform=noisy)))


def test_a_transform_draws_anew_in_each_batch_and_epoch():
    data = loader(transform=noisy, shuffle=False, batch_size=1)
    noise = [float(x[0, 0]) - y[0] for _ in range(2) for x, y in data]
    assert len({round(value, 5) for value in noise}) == 2 * N


@pytest.mark.parametrize("prefetch", [1, 3])
def test_prefetching_changes_nothing_but_the_time(prefetch):
    plain, ahead = loader(transform=noisy), loader(transform=noisy, prefetch=prefetch)
    for _ in range(2):
        assert_same(list(plain), list(ahead))
    assert prefetch_threads() == []


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("done", [1, 4, 5])
@pytest.mark.parametrize("epoch", [0, 2])
def test_the_place_is_restored_bit_for_bit(prefetch, done, epoch):
    first = loader(transform=noisy, prefetch=prefetch, seed=3)
    for _ in range(epoch):
        list(first)
    rest, state = [], None
    for index, batch in enumerate(first):
        if index >= done:
            rest.append(batch)
        if index + 1 == done:
            state = json.loads(json.dumps(first.state_dict()))
    following = list(first)

    second = loader(transform=noisy, prefetch=prefetch, seed=99)
    second.load_state_dict(state)
    assert_same(list(second), rest)
    assert second.epoch == epoch
    assert_same(list(second), following)


def test_the_place_between_two_epochs():
    first = loader()
    before, epoch_0 = first.state_dict(), labels(first)
    after, epoch_1 = first.state_dict(), labels(first)
    second = loader()
    second.load_state_dict(before)
    assert labels(second) == epoch_0
    second.load_state_dict(after)
    assert labels(second) == epoch_1


@pytest.mark.parametrize("prefetch", [0, 1, 5])
def test_leaving_early_and_iterating_again_starts_the_next_epoch(prefetch):
    whole = loader()
    list(whole)
    second_epoch = labels(whole)
    data = loader(prefetch=prefetch)
    for index, _ in enumerate(data):
        if index == 1:
            break
    assert (data.epoch, data.batch) == (0, 2)
    assert prefetch_threads() == []
    assert labels(data) == second_epoch
    assert data.epoch == 1


def test_a_place_in_other_batches_is_refused():
    data = loader()
    next(iter(data))
    message = "after batch 1 of batches of 4 from 23 samples, but this loader makes batches of 5"
    with pytest.raises(ValueError, match=message):
        loader(batch_size=5).load_state_dict(data.state_dict())
    loader(batch_size=5).load_state_dict(loader().state_dict())  # nothing was handed out yet


@pytest.mark.parametrize("prefetch", [0, 2])
def test_errors_of_a_transform_reach_the_loop(prefetch):
    def broken(batch, rng):
        if 5 in batch[1]:
            raise RuntimeError("no fives")
        return batch

    with pytest.raises(RuntimeError, match="no fives"):
        list(loader(shuffle=False, transform=broken, prefetch=prefetch))
    assert prefetch_threads() == []


@pytest.mark.parametrize("threads", [1, 3])
def test_errors_come_after_the_good_batches(threads):
    def make(number):
        return 6 // (3 - number)

    seen = []
    with pytest.raises(ZeroDivisionError):
        seen.extend(prefetched(make, range(10), 5, threads))
    assert seen == [2, 3, 6]
    assert prefetch_threads() == []


@pytest.mark.parametrize("threads", [1, 3])
def test_prefetching_runs_ahead_by_no_more_than_asked(threads):
    made = []
    stream = prefetched(made.append, range(100), 3, threads)
    for _ in range(51):
        next(stream)
    until(lambda: len(made) == 51 + 3)  # handed out, and three in advance
    time.sleep(0.02)  # for one more, if it were made
    stream.close()
    assert prefetch_threads() == []
    assert len(made) == 54


@pytest.mark.parametrize("batch_size", [0, -1, 24, 4.0])
def test_batch_sizes_that_do_not_fit(batch_size):
    message = f"DataLoader: expected a batch_size from 1 to 23, .*, got {batch_size}"
    with pytest.raises(ValueError, match=message):
        loader(batch_size=batch_size)


def test_an_empty_data_set_of_the_users_own():
    class Nothing:
        def __len__(self):
            return 0

        def __getitem__(self, indices):
            return ()

    with pytest.raises(ValueError, match="DataLoader: Nothing is empty"):
        fl.DataLoader(Nothing())


def test_transforms_that_are_none():
    with pytest.raises(TypeError, match="expected transform to be f.batch, rng. -> batch, got 3"):
        loader(transform=3)
    with pytest.raises(TypeError, match="returned None; end it with: return batch"):
        list(loader(transform=lambda batch, rng: None))


def test_repr():
    assert repr(loader()) == "DataLoader(data, 6 batches of 4)"
