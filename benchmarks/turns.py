"""The pipe between `step.py` and the processes of its peers."""

import contextlib
import itertools
import json
import os
import sys
import time

BATCHES = 16  # made beforehand, gone through again and again; the same for all peers


class Done(Exception):
    """Ends a training from within its loader."""


class Turns:
    """The worker's end of the pipe: waits for a turn, takes the time, answers."""

    def __init__(self):
        self.answers = os.fdopen(os.dup(1), "w", buffering=1)
        os.dup2(2, 1)  # whatever prints from here on does not disturb the answers

    def serve(self, step, batches, finish=lambda: None):
        """Call ``step(batch)`` as often as each turn asks; ``finish`` waits for what still runs."""
        feed = itertools.cycle(batches)
        with contextlib.suppress(Done):
            self.answer(ready=True)
            while True:
                for batch in itertools.islice(feed, self.wait()):
                    step(batch)
                finish()
                self.over()

    def wait(self):
        """Return the number of steps to make now."""
        line = sys.stdin.readline()
        if not line.strip() or line.strip() == "stop":
            raise Done
        self.cpu, self.start = time.process_time(), time.perf_counter()
        return int(line)

    def over(self):
        """Tell the parent how long the turn took, on the clock and on all cores together."""
        seconds, cpu = time.perf_counter() - self.start, time.process_time()
        self.answer(seconds=seconds, cpu=cpu - self.cpu, cpu_in_all=cpu)

    def answer(self, **values):
        print(json.dumps(values), file=self.answers)


class Feed:
    """The loader of a ``fit``: hands out batches while there is a turn, and waits in between.

    A step is all that happens from one request for a batch to the next.
    """

    def __init__(self, batches, turns):
        self.batches, self.turns = itertools.cycle(batches), turns

    def __len__(self):
        return 10**9

    def __iter__(self):
        while True:
            yield from itertools.islice(self.batches, self.turns.wait())
            self.turns.over()
