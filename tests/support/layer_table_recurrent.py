"""Recurrent layers: cases for `layer_table`."""

from firstlight import nn


def cases(Case, floats):
    for cell, sequence in [
        (nn.RNNCell, nn.RNN),
        (nn.GRUCell, nn.GRU),
        (nn.LSTMCell, nn.LSTM),
    ]:
        name = sequence.__name__
        yield Case(f"{name}Cell", lambda cell=cell: cell(3, 4), floats(5, 3))
        yield Case(f"{name}Cell, no bias", lambda cell=cell: cell(3, 2, bias=False), floats(4, 3))
        yield Case(name, lambda sequence=sequence: sequence(3, 4), floats(5, 6, 3))
        yield Case(
            f"{name}, two layers",
            lambda sequence=sequence: sequence(3, 2, 2, bias=False),
            floats(2, 3, 3),
        )
        yield Case(
            f"{name}, needs_dx=False",
            lambda sequence=sequence: sequence(3, 4, needs_dx=False),
            floats(2, 4, 3),
        )
        yield Case(
            f"{name}, bidirectional",
            lambda sequence=sequence: sequence(3, 4, bidirectional=True),
            floats(5, 6, 3),
        )
        yield Case(
            f"{name}, bidirectional, two layers, needs_dx=False",
            lambda sequence=sequence: sequence(
                3, 2, 2, bias=False, bidirectional=True, needs_dx=False
            ),
            floats(2, 3, 3),
        )
