"""What a step would gain from more processors: Amdahl's law, from one and two threads.

    python benchmarks/amdahl.py --work mlp --work cnn --rounds 9

A network makes steps on one thread and on two, in turns in one process. If t₁ and t₂ are the two
times, 2 t₂ - t₁ is what two threads do not make faster: Python, passes on one thread, waking
threads, and waiting for memory. With it as the serial part s, n threads take s + (t₁ - s) / n. That
is a forecast on paper: more processors have more cache and more memory channels, but are woken one
by one. The second table has the serial parts by the file of the lesson. Tables are in Markdown.
"""

import argparse
import os
import statistics
from collections import defaultdict
from pathlib import Path

os.environ.setdefault("OPENBLAS_THREAD_TIMEOUT", "20")  # as the firstlight command sets it

from lessons import TURN, WORKS, Training  # noqa: E402 - sets threads before NumPy is imported
from peers import load_work  # noqa: E402
from threadpoolctl import threadpool_limits  # noqa: E402

MORE = (8, 32)  # threads of the forecast
LEAST = 0.03  # of the step's serial part; files with less have no row of their own


def measure(training, rounds, seconds):
    """Return ``{threads: [{file: seconds of a step} of each round]}``."""
    found, steps = defaultdict(list), {}
    for turn in range(rounds + 1):
        for threads in (1, 2):
            with threadpool_limits(threads, user_api="blas"):
                training.turn(1)
                count = steps.setdefault(threads, 3)
                times = training.turn(count)
            steps[threads] = max(1, round(seconds / sum(times.values())))
            if turn:
                found[threads].append(times)
    return found


def serial(one, two):
    """Return the part of a time on one thread that two threads do not shorten."""
    return min(max(2 * two - one, 0.0), one)


def forecast(one, two, threads):
    """Return the time on so many threads."""
    part = serial(one, two)
    return part + (one - part) / threads


def figures(found):
    """Return ``{file or "step": (ms on one thread, ms on two)}``."""
    times = {
        threads: [{**turn, "step": sum(turn.values())} for turn in found[threads]]
        for threads in found
    }
    return {
        file: tuple(1e3 * statistics.median(turn[file] for turn in times[n]) for n in (1, 2))
        for file in times[1][0]
    }


def print_tables(results):
    more = "".join(f" times as fast on {n} |" for n in (2, *MORE))
    print(f"| work | ms, 1 thread | ms, 2 threads | serial ms | serial |{more}")
    print("|---|---|---|---|---|" + "---|" * (1 + len(MORE)))
    for name, found in results.items():
        one, two = found["step"]
        cells = [f"{one:.2f}", f"{two:.2f}", f"{serial(one, two):.2f}"]
        cells += [f"{serial(one, two) / one:.0%}", f"{one / two:.2f}"]
        cells += [f"{one / forecast(one, two, n):.1f}" for n in MORE]
        print(f"| {name} | {' | '.join(cells)} |")
    print("\n| work | lesson | ms, 1 thread | ms, 2 threads | serial ms |\n|---|---|---|---|---|")
    for name, found in results.items():
        rows = [(serial(*pair), file, *pair) for file, pair in found.items() if file != "step"]
        least = LEAST * sum(part for part, *_ in rows)
        for part, file, one, two in sorted(rows, reverse=True):
            if part >= least:
                print(f"| {name} | `{file}` | {one:.2f} | {two:.2f} | {part:.2f} |")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--work", action="append", choices=WORKS, help="default: all")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--turn", type=float, default=TURN, help="seconds of a turn (default: 1)")
    told = parser.parse_args()
    if told.rounds < 1:
        parser.error("--rounds: expected 1 or more")
    results = {}
    for name in told.work or WORKS:
        work = load_work(Path(__file__).resolve().parent / f"works/{name}.py")
        size = next(iter(getattr(work, "SIZES", {}).values()), {})
        results[name] = figures(measure(Training(work, size), told.rounds, told.turn))
    print_tables(results)


if __name__ == "__main__":
    main()
