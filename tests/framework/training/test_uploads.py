"""Batches copied to a GPU in the background: the right numbers, and no waiting.

That each wait of theirs is needed is tested in tests/gpu/test_laws_of_cuda.py.
"""

import numpy as np
import pytest
from device_comparisons import upload_batches as batches
from nets import Net

import firstlight as fl
from firstlight import Trainer, nn, optim
from firstlight.support.backend import to_device, using
from firstlight.training.uploads import uploading

pytestmark = pytest.mark.gpu


def on_host(batch):
    x, extra = batch
    return [array.get() for array in (x, extra["label"], extra["mask"])]


def test_batches_arrive_as_they_were():
    with using("cuda:0"), uploading("cuda:0", "float32") as upload:
        for x, extra in batches():
            found = on_host(upload((x, extra)))
            expected = [x.astype("float32"), extra["label"], extra["mask"]]
            for one, other in zip(found, expected, strict=True):
                assert one.dtype == other.dtype
                np.testing.assert_array_equal(one, other)


def test_two_slots_take_turns_and_keep_their_memory():
    with using("cuda:0"), uploading("cuda:0", "float32") as upload:
        places = [upload(batch)[0].data.ptr for batch in batches()]
    assert len(set(places)) == 3  # the larger batch takes new memory, in one of the two
    assert places[0] == places[2]
    assert places[1] != places[0]
    assert places[3] == places[5]


def test_arrays_that_are_there_pass_and_the_cpu_gets_none():
    x = to_device(np.ones(3, "float32"), "cuda:0")
    with using("cuda:0"), uploading("cuda:0", "float32") as upload:
        (found,) = upload((x,))
        assert found is x
        assert not upload._slots, "a slot was made for nothing"
    with uploading("cpu", "float32") as upload:
        (found,) = upload((np.ones(3),))
    assert type(found) is np.ndarray
    assert found.dtype == "float32"


class Noisy:
    """A transform that keeps the data on the host."""

    def __call__(self, batch, rng):
        return batch[0] + rng.random(batch[0].shape), batch[1]


@pytest.mark.parametrize("prefetch", [0, 2])
@pytest.mark.parametrize("capture", [True, False])
def test_a_training_that_streams_learns_the_same_and_waits_at_log_points_only(
    prefetch, capture, counts, monkeypatch
):
    from fake_gpu import streams  # as late as it may, copies keep their slots until the host waits

    monkeypatch.setattr(streams.Stream, "early", True)
    x = np.random.default_rng(0).standard_normal((30, 6))
    waits = []

    class Watch(fl.Callback):
        def on_train_batch_end(self):
            waits.append(counts["waits"])

    def trained(**settings):
        fl.seed_everything(0)
        module = Net(nn.Linear(6, 1), loss=nn.MSELoss(), optimizer=lambda p: optim.Adam(p, lr=0.05))
        settings |= {"default_callbacks": False, "runs_dir": None, "log_every_n_steps": 4}
        trainer = Trainer(max_epochs=3, **settings)
        loader = fl.DataLoader(
            (x, x[:, :1]), batch_size=4, shuffle=True, transform=Noisy(), prefetch=prefetch
        )
        history = trainer.fit(module, loader)
        assert loader._resident is None
        return history["train_loss"]

    found = trained(device="cuda", callbacks=[Watch()], capture=capture)
    np.testing.assert_allclose(found, trained(device="cpu"), rtol=1e-4)
    waited = {step for step in range(2, 25) if waits[step - 1] > waits[step - 2]}
    assert waited <= {4, 8, 12, 16, 20, 24} | {9, 17}  # logs, and the epochs' records
