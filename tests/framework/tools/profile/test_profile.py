"""The profile of a training whose clock is ours: each second is charged to the part it was in."""

import json
import tracemalloc

import nets
import numpy as np
import pytest
from clocks import Clock

import firstlight as fl
from firstlight import nn, optim
from firstlight.callbacks import Profiler
from firstlight.support.wrapping import wrappable_modules
from firstlight.testing import tiny_data
from firstlight.tools.profile import recorder as recording
from firstlight.tools.profile import session
from firstlight.tools.profile.clocks import HostClock


class Slow(nn.Linear):
    """Takes so many seconds in forward and backward, as a clock of ours counts them."""

    def __init__(self, clock, seconds, *sizes):
        super().__init__(*sizes)
        self.clock, self.seconds = clock, seconds

    def forward(self, x):
        self.clock.now += self.seconds[0]
        return super().forward(x)

    def backward(self, dy):
        self.clock.now += self.seconds[1]
        return super().backward(dy)


class SlowSGD(optim.SGD):
    def __init__(self, clock, parameters):
        super().__init__(parameters, lr=0.01)
        self.clock = clock

    def step(self):
        self.clock.now += 8
        super().step()

    def zero_grad(self):
        self.clock.now += 0.5
        super().zero_grad()


class Loader:
    """Batches that take 16 s each."""

    def __init__(self, clock, batches=4):
        self.clock = clock
        rng = np.random.default_rng(0)
        x, y = rng.standard_normal((4, 3)).astype("float32"), np.array([0, 1, 0, 1])
        self.batches = [(x, y)] * batches

    def __len__(self):
        return len(self.batches)

    def __iter__(self):
        for batch in self.batches:
            self.clock.now += 16
            yield batch


class Waits(fl.Callback):
    def __init__(self, clock):
        self.clock = clock

    def on_train_batch_end(self):
        self.clock.now += 32


@pytest.fixture
def clock(monkeypatch):
    clock = Clock()
    monkeypatch.setattr(HostClock, "mark", staticmethod(clock.perf_counter))
    monkeypatch.setattr("firstlight.callbacks.profiler.product_speed", lambda *_: 1000.0)
    return clock


def profiled(clock, *others, data=None, net=None, warm_up=1, steps=2, **settings):
    net = net or nets.Net(
        Slow(clock, (1, 2), 3, 5),
        nn.ReLU(),
        Slow(clock, (4, 0), 5, 2),
        optimizer=lambda parameters: SlowSGD(clock, parameters),
    )
    profiler = Profiler(warm_up=warm_up, steps=steps)
    settings = {"max_steps": 12, "runs_dir": None, "default_callbacks": False} | settings
    trainer = fl.Trainer(callbacks=[profiler, *others], **settings)
    trainer.fit(net, data or Loader(clock))
    return profiler, trainer


def test_every_second_is_in_one_row(clock):
    profile = profiled(clock, Waits(clock))[0].profile
    times = {layer.name: (layer.forward_ms, layer.backward_ms) for layer in profile.layers}
    assert times["body.0"] == (1000, 2000)
    assert times["body.2"] == (4000, 0)
    assert all(time == (0, 0) for name, time in times.items() if name not in ("body.0", "body.2"))
    assert profile.parts == {
        "data (next batch)": 16000,
        "optimizer": 8000,
        "zeroing gradients": 500,
        "callback Waits (tests)": 32000,
        "rest (metrics, loop)": 0,
    }
    assert profile.step_ms == profile.bare_ms == profile.sum_ms == 63500


def test_an_accumulated_step_has_all_its_batches(clock):
    profile = profiled(clock, accumulate_grad_batches=2)[0].profile
    first = profile.layers[2]
    assert (first.name, first.calls, first.forward_ms) == ("body.0", 2, 2000)
    assert profile.parts["data (next batch)"] == 32000
    assert profile.parts["optimizer"] == 8000


def test_a_validation_is_no_part_of_a_step(clock):
    class Ends(fl.Callback):
        def on_validation_end(self):
            clock.now += 10**6

    data = Loader(clock)
    profiler = Profiler(warm_up=1, steps=2)
    net = nets.Net(Slow(clock, (1, 2), 3, 2), optimizer=lambda p: optim.SGD(p, lr=0.01))
    settings = {"max_steps": 30, "runs_dir": None, "default_callbacks": False}
    trainer = fl.Trainer(callbacks=[profiler, Ends()], val_every="3 steps", **settings)
    trainer.fit(net, data, data)
    assert profiler.profile.step_ms == profiler.profile.bare_ms == 19000


def test_the_table_adds_up(clock, capsys):
    profiled(clock)
    lines = capsys.readouterr().out.splitlines()
    row = next(line for line in lines if line.startswith("body.0"))
    assert row.split()[:6] == ["body.0", "Slow", "1000.000", "2000.000", "3000.000", "9.5%"]
    (total,) = (line for line in lines if line.startswith("sum"))
    assert total.split()[1:5] == ["5000.000", "2000.000", "31500.000", "100.0%"]
    (closing,) = (line for line in lines if line.startswith("the parts sum to"))
    assert closing.endswith("a step without the profiler takes 31500.000 ms (+0.0%)")


@pytest.mark.forms
def test_operations_of_forward_and_backward(clock):
    net = nets.Net(
        nn.Linear(3, 16),
        nn.FeedForward(16),
        nn.Linear(16, 2),
        optimizer=lambda p: optim.SGD(p, lr=0.01),
    )
    net.body[0].needs_dx = False
    profile = profiled(clock, net=net)[0].profile
    flops = {layer.name: layer.flops for layer in profile.layers}
    summary = {row.name: row.flops for row in net.summary(np.zeros((4, 3), "float32")).rows}
    assert flops["body.0"] == 2 * summary["body.0"] == 2 * 2 * 4 * 3 * 16
    assert flops["body.2"] == 3 * summary["body.2"]
    products = sum(summary[f"body.1.linear{index}"] for index in (1, 2))
    assert 3 * products < flops["body.1"] < 3.2 * products  # and GELU
    assert "body.1.linear1" not in flops
    (layer,) = (layer for layer in profile.layers if layer.name == "body.2")
    layer.forward_ms, layer.backward_ms = 300, 200
    assert profile.speed_share(layer) == flops["body.2"] / 0.5 / 1000


def test_memory_that_a_layer_holds(clock):
    net = nets.Net(
        nn.Flatten(), nn.Linear(3, 100_000), nn.Linear(100_000, 2),
        optimizer=lambda p: optim.SGD(p, lr=0.01),
    )  # fmt: skip
    profile = profiled(clock, net=net)[0].profile
    held = {layer.name: (layer.held_bytes, layer.peak_bytes) for layer in profile.layers}
    output = 4 * 100_000 * 4  # bytes
    assert held["body.1"][0] == pytest.approx(output, abs=10_000)
    assert held["body.1"][1] >= output
    assert abs(held["body.0"][0]) < 10_000
    assert not tracemalloc.is_tracing()


def test_nothing_is_left_in_the_training(clock):
    def own(net, trainer):
        return [set(vars(part)) for part in net.modules()] + [set(vars(trainer.loop))]

    seen = []

    class Looks(fl.Callback):
        role = fl.Role.WRITER

        def on_fit_start(self, trainer, module):
            seen.append(own(module, trainer))

        def on_fit_end(self, trainer, module):
            seen.append(own(module, trainer))

    profiled(clock, Looks())
    before, after = seen
    assert after == before


@pytest.mark.parametrize("at", range(1, 9))
def test_nor_after_an_exception_in_any_step(clock, at):
    class Fails(nn.ReLU):
        calls = 0

        def forward(self, x):
            Fails.calls += 1
            if Fails.calls == at:
                raise ArithmeticError("on purpose")
            return super().forward(x)

    net = nets.Net(nn.Linear(3, 2), Fails(), optimizer=lambda p: optim.SGD(p, lr=0.01))
    with pytest.raises(ArithmeticError, match="on purpose"):
        profiled(clock, net=net)
    assert not any({"forward", "backward"} & set(vars(part)) for part in net.modules())
    assert not tracemalloc.is_tracing()


def test_hooks_find_no_wrapped_layers(clock):
    found = set()

    class Looks(fl.Callback):
        def on_train_batch_end(self, module):
            found.update(*(vars(part) for part in module.modules()))

    profiled(clock, Looks())
    assert not {"forward", "backward"} & found


def test_a_short_training_says_so(clock, capsys):
    profiler, _ = profiled(clock, max_steps=3)
    assert profiler.profile is None
    assert capsys.readouterr().out == (
        "profiler: no step was measured in 3 steps; a measurement takes 8 of them, so train "
        "longer, or lower warm_up and steps\n"
    )
    profiled(clock, max_steps=5, warm_up=0)  # some steps are better than none
    assert "of 1 measured steps" in capsys.readouterr().out


@pytest.mark.parametrize(("name", "value"), [("steps", 0), ("warm_up", -1), ("steps", 1.5)])
def test_refused_numbers(name, value):
    with pytest.raises((TypeError, ValueError), match=f"Profiler: {name}"):
        Profiler(**{name: value})


@pytest.mark.forms
def test_parts_of_a_layer_that_a_form_computes_at_once_stay_as_they_are():
    found = dict(wrappable_modules(nn.Sequential(nn.FeedForward(8), nn.ReLU())))
    assert list(found) == ["", "0", "1"]


def test_calls_from_other_threads_are_not_recorded():
    from concurrent.futures import ThreadPoolExecutor

    recorder = recording.Recorder(HostClock())
    double = recorder.timed("double", "forward", lambda x: 2 * x)
    recorder.start()
    with ThreadPoolExecutor(1) as pool:
        assert pool.submit(double, 2).result() == 4
    assert double(1) == 2
    _, spans = recorder.finish()
    assert len(spans) == 1


def test_what_recording_costs_is_subtracted(monkeypatch):
    clock = Clock(tick=1.0)  # each mark takes a second, most of it after it was read
    monkeypatch.setattr(HostClock, "mark", staticmethod(clock.perf_counter))
    assert recording.span_seconds(HostClock()) == pytest.approx((1.0, 1.0), abs=0.02)


# ------------------------------------------------------------------------------ trace, and files


def check_trace(trace):
    """Raise unless a trace is as the Trace Event Format describes it."""
    assert set(trace) == {"traceEvents", "displayTimeUnit", "otherData"}
    assert trace["displayTimeUnit"] in ("ms", "ns")
    spans = []
    for event in trace["traceEvents"]:
        assert isinstance(event["name"], str)
        assert event["name"]
        assert isinstance(event["pid"], int)
        assert isinstance(event["tid"], int)
        assert event["ph"] in ("X", "M")
        if event["ph"] == "M":
            assert event["name"] in ("process_name", "thread_name")
            assert isinstance(event["args"]["name"], str)
            continue
        assert isinstance(event["cat"], str)
        assert event["ts"] >= 0
        assert event["dur"] >= 0
        assert {type(value) for value in event.get("args", {}).values()} <= {str}
        spans.append((event["ts"], event["ts"] + event["dur"]))
    opened = []
    for start, end in sorted(spans, key=lambda span: (span[0], -span[1])):
        while opened and opened[-1] <= start + 1e-3:
            opened.pop()
        assert not opened or end <= opened[-1] + 2e-3, "spans of one thread must be nested"
        opened.append(end)


def test_the_run_gets_a_trace_and_a_table():
    profiler = Profiler(warm_up=1, steps=2)
    trainer = fl.Trainer(max_epochs=4, callbacks=[profiler], default_callbacks=False, name="p")
    trainer.fit(nets.Net(nn.Linear(3, 2), optimizer=lambda p: optim.SGD(p)), tiny_data())
    trace = json.loads((trainer.run.path / "profile.json").read_text())
    check_trace(trace)
    names = [event["name"] for event in trace["traceEvents"]]
    assert [name for name in names if name.startswith("step")] == ["step 1", "step 2"]
    assert {"body.0 forward", "body.0 backward", "loss forward", "optimizer", "data"} <= set(names)
    assert trace["otherData"]["layers"][2]["name"] == "body.0"
    assert (trainer.run.path / "profile.txt").read_text() == f"{profiler.profile}\n"


@pytest.mark.slow
def test_the_table_goes_to_tensorboard_too():
    reader = pytest.importorskip("tensorboard.backend.event_processing.event_accumulator")
    callbacks = [Profiler(warm_up=0, steps=1), "tensorboard"]
    trainer = fl.Trainer(max_epochs=4, callbacks=callbacks, default_callbacks=False, name="p")
    trainer.fit(nets.Net(nn.Linear(3, 2), optimizer=lambda p: optim.SGD(p)), tiny_data())
    events = reader.EventAccumulator(str(trainer.run.path))
    events.Reload()
    assert "profile" in events.Tags()["tensors"]


# ----------------------------------------------------------------------------------------- a GPU


@pytest.mark.gpu
@pytest.mark.forms
def test_on_a_gpu_steps_are_profiled_launch_by_launch(monkeypatch):
    pytest.importorskip("numba")
    reasons = []

    class Looks(fl.Callback):
        def on_fit_start(self, trainer):
            self.step = trainer.loop.step  # in measured steps a function is in its place

        def on_train_batch_end(self):
            reasons.append(self.step.reason)

    profiler = Profiler(warm_up=1, steps=2)
    monkeypatch.setattr("firstlight.callbacks.profiler.product_speed", lambda *_: 1e9)
    trainer = fl.Trainer(
        max_steps=12, device="cuda", callbacks=[profiler, Looks()],
        runs_dir=None, default_callbacks=False,
    )  # fmt: skip
    trainer.fit(nets.Net(nn.Linear(3, 2), optimizer=lambda p: optim.SGD(p)), tiny_data())
    assert profiler.profile.device == "cuda:0"
    assert "CUDA events" in profiler.profile.closing()
    assert [layer.type for layer in profiler.profile.layers][2] == "Linear"
    assert reasons[0] == session.EAGER
    assert reasons[-1] is None
