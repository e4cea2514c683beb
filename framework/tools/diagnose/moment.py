"""A moment: what a forward depends on beside its inputs, to be brought back before the next one."""

import copy

import numpy as np

from firstlight.support import rng as randomness


class Moment:
    """Random numbers and buffers of a module as they stand now.

    Parameters
    ----------
    module : Module
    attributes : bool
        Arrays that it and its parts keep as attributes, too.
    """

    def __init__(self, module, attributes=False):
        self.module = module
        self.streams = randomness.state_dict()
        self.generators = [
            (value, value.bit_generator.state)
            for part in module.modules()
            for value in vars(part).values()
            if isinstance(value, np.random.Generator)
        ]
        self.buffers = [(buffer, buffer.data.copy()) for _, buffer in module.named_buffers()]
        self.attributes = kept_arrays(module) if attributes else None

    def restore(self):
        """Go back to it."""
        randomness.load_state_dict(self.streams)
        for generator, state in self.generators:
            generator.bit_generator.state = state
        for buffer, before in self.buffers:
            buffer.data[...] = before
        if self.attributes is None:
            return
        for (part, name), _ in kept_arrays(self.module).items():
            vars(part).pop(name)
        for (part, name), before in self.attributes.items():
            vars(part)[name] = before.copy()

    def changed(self):
        """Return the names of buffers and attributes that are others now."""
        names = {id(leaf): name for name, leaf in self.module.named_buffers()}
        found = [
            names[id(buffer)]
            for buffer, before in self.buffers
            if not np.array_equal(buffer.data, before, equal_nan=True)
        ]
        for (part, name), now in kept_arrays(self.module).items():
            before = (self.attributes or {}).get((part, name))
            if before is None or not np.array_equal(before, now):
                found.append(name)
        return found


def kept_arrays(module):
    """Return ``{(part, name): copy}`` of the arrays that a module and its parts keep."""
    return {
        (part, name): copy.copy(value)
        for part in module.modules()
        for name, value in vars(part).items()
        if isinstance(value, np.ndarray)
    }
