"""What forms gain: a training step with them, and with lessons alone.

    python benchmarks/lessons.py --work mlp --work cnn --rounds 9

A *mode* is a choice of forms: NumPy's, those that numba compiles too, or none: the lessons. All
modes train the same network in one process and take turns of about a second, in another order each
round. Times of a step are medians over the rounds; "times slower" is the median of the rounds'
ratios. The second table is of the layers by the file of their lesson, forward and backward, without
the time of what runs within. The last line is the price of the choice. Tables are in Markdown.
"""

import argparse
import os
import statistics
import time
import timeit
from collections import defaultdict
from contextlib import nullcontext
from pathlib import Path

THREADS = str(os.cpu_count())
for _name in ("OPENBLAS_NUM_THREADS", "OMP_NUM_THREADS", "MKL_NUM_THREADS"):
    os.environ.setdefault(_name, THREADS)  # before NumPy is imported
os.environ.setdefault("FIRSTLIGHT_COMPILED", "1")

import json  # noqa: E402

import numpy as np  # noqa: E402
from layers import Clock  # noqa: E402
from peers import load_work  # noqa: E402

import firstlight as fl  # noqa: E402
from firstlight.fast import conditions  # noqa: E402
from firstlight.support import forms  # noqa: E402

WORKS = ("mlp", "cnn", "gpt")
TURN = 1  # seconds
REST = "the rest"  # of a step: the model's own code, metrics, zero_grad


def modes():
    """Return a function that enters each mode, by name."""
    compiled = {conditions.compiled, conditions.compiled_products}
    plain = [
        type(form.instance)
        for form in forms.registered()
        if not form.on_request and compiled.isdisjoint(form.when)
    ]
    found = {"forms": lambda: forms.only(*plain), "lessons": forms.only}
    return found | ({"fast": nullcontext} if conditions.numba_is_enabled() else {})


class Training:
    """A network that makes steps, timed by the file of each layer."""

    def __init__(self, work, size):
        options = dict(size)
        batch = options.pop("batch", work.BATCH)
        self.net = work.ours(batch, **options).train()
        self.batches = work.batches(batch, 4, **options)
        self.optimizer, self.clock, self.made = self.net.configure_optimizer(), Clock(), 0
        for part in list(self.net.modules()):
            part.forward = self.clock.timed(file_of(part), part.forward)
            part.backward = self.clock.timed(file_of(part), part.backward)
        self.optimizer.step = self.clock.timed(file_of(self.optimizer), self.optimizer.step)
        self.step = self.clock.timed(REST, self.step)

    def step(self):
        batch = self.batches[self.made % len(self.batches)]
        self.net.backward(self.net.training_step(batch).dy)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.made += 1

    def turn(self, steps):
        """Return the seconds of a step by file, of so many steps."""
        self.clock.take()
        for _ in range(steps):
            self.step()
        return {name: seconds / steps for name, seconds in self.clock.take().items()}


def file_of(layer):
    """Return the file of a layer's or optimizer's lesson."""
    module = type(layer).__module__.removeprefix("firstlight.")
    return module.replace(".", "/") + ".py" if module.startswith(("nn.", "optim.")) else REST


def measure(training, rounds, seconds):
    """Return ``{mode: [{file: seconds of a step} of each round]}``."""
    entered, steps, found = modes(), {}, defaultdict(list)
    for name, mode in entered.items():
        with mode():
            training.turn(2)  # compiles, and makes all that is made once
            steps[name] = max(1, round(seconds / sum(training.turn(1).values())))
    names = list(entered)
    for _ in range(rounds):
        for name in names:
            with entered[name]():
                found[name].append(training.turn(steps[name]))
        names.append(names.pop(0))
    return found


def figures(found):
    """Return, by file and for the whole step: medians of each mode in ms, and ratios to lessons."""
    table = {}
    for file in [None, *dict.fromkeys(file for turns in found.values() for file in turns[0])]:
        times = {
            mode: [sum(turn.values()) if file is None else turn.get(file, 0.0) for turn in turns]
            for mode, turns in found.items()
        }
        table[file or "step"] = {
            mode: {
                "ms": 1e3 * statistics.median(seconds),
                "slower": statistics.median(
                    lesson / max(own, 1e-9)
                    for lesson, own in zip(times["lessons"], seconds, strict=True)
                ),
            }
            for mode, seconds in times.items()
        }
    return table


def cell(found, mode):
    return f"{found[mode]['ms']:.2f}" if mode in found else ""


def times_slower(found, mode):
    return f"{found[mode]['slower']:.1f}" if mode in found else ""


def print_tables(results):
    """Print the whole steps, and the layers by file."""
    print("| work | ms, lessons | ms, forms | ms, `fast` | times slower | than `fast` |")
    print("|---|---|---|---|---|---|")
    for name, found in results.items():
        step = found["step"]
        cells = [cell(step, mode) for mode in ("lessons", "forms", "fast")]
        cells += [times_slower(step, mode) for mode in ("forms", "fast")]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| lesson | work | ms, lesson | ms, form | times slower | than `fast` |")
    print("|---|---|---|---|---|---|")
    files = sorted({file for found in results.values() for file in found} - {"step"})
    for file in files:
        for name, found in results.items():
            if file in found:
                row = found[file]
                cells = [cell(row, "lessons"), cell(row, "forms")]
                cells += [times_slower(row, mode) for mode in ("forms", "fast")]
                print(f"| {file} | {name} | {' | '.join(cells)} |")


def price_of_choice():
    """Return µs of the choice, and of what an accelerated pair costs more than a plain one."""

    class Plain(fl.Module):
        def forward(self, x):
            self.save(x)
            return x

        def backward(self, dy):
            self.saved()
            return dy

    class Accelerated(fl.Module):
        forward = forms.accelerated(Plain.forward)
        backward = forms.accelerated(Plain.backward)

    for condition in (conditions.numpy_float32, conditions.gpu_float):

        @forms.form(Accelerated, when=[condition])
        class Same:
            def forward(self, layer, x):
                layer.save(x)
                return x

            def backward(self, layer, dy):
                layer.saved()
                return dy

    def fastest(function, number=2000):
        return 1e6 * min(timeit.repeat(function, number=number, repeat=100)) / number

    plain, layer, x = Plain(), Accelerated(), np.zeros(3, "float32")
    layer.backward(layer(x))
    choice = fastest(lambda: forms.choose(Plain.forward, layer, x))
    pair = fastest(lambda: layer.backward(layer(x)))
    return choice, pair - fastest(lambda: plain.backward(plain(x)))


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", action="append", choices=WORKS, help="default: all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turn", type=float, default=TURN, help="seconds of a turn (default: 1)")
    parser.add_argument("--json", metavar="FILE", help="write all figures there too")
    told = parser.parse_args()
    if told.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    results = {}
    for name in told.work or WORKS:
        work = load_work(Path(__file__).resolve().parent / f"works/{name}.py")
        size = next(iter(getattr(work, "SIZES", {}).values()), {})
        started = time.perf_counter()
        results[name] = figures(measure(Training(work, size), told.rounds, told.turn))
        print(f"{name}: {told.rounds} rounds in {time.perf_counter() - started:.0f} s", flush=True)
    print()
    print_tables(results)
    choice, pair = price_of_choice()
    print(f"\nChoosing a form takes {choice:.2f} µs; an accelerated pair, {pair:.2f} µs more.")
    if told.json:
        found = {"rounds": told.rounds, "works": results, "choice_us": choice, "pair_us": pair}
        Path(told.json).write_text(json.dumps(found, indent=2) + "\n")


if __name__ == "__main__":
    main()
