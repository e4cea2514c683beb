"""A clock that tests set, in place of a module's ``time``."""

import firstlight as fl


class Clock:
    """Stands for the module time; each question takes ``tick`` seconds."""

    def __init__(self, now=0.0, tick=0.0):
        self.now, self.tick = now, tick

    def perf_counter(self):
        self.now += self.tick
        return self.now


class Tick(fl.Callback):
    """Sets a clock forward: by 2 s in a training step, and so much in a validation batch."""

    role = fl.Role.WRITER

    def __init__(self, clock, validation_batch=0):
        self.clock, self.validation_batch = clock, validation_batch

    def on_before_optimizer_step(self):
        self.clock.now += 2

    def on_validation_batch_end(self):
        self.clock.now += self.validation_batch
