"""Exercise: one step of an LSTM, forward and backward, and several steps through time."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Output
from firstlight.tools.course.trials import count, unchanged

STEP, UNDO = "LSTMCell.step", "LSTMCell.undo"


def one_step(code, draw):
    """Try one step and its reverse."""
    n, h = draw.size("N"), draw.size("H")
    a, b = draw.array(n, 4 * h), draw.array(n, 4 * h)
    state = draw.array(n, h), draw.array(n, h)
    kept = state[1].copy()
    results = code.LSTMCell.step(a, b, state)
    yield count(STEP, results)
    (h_t, c_t), saved = results
    yield Output(STEP, "h_t", h_t)
    yield Output(STEP, "c_t", c_t)
    yield unchanged(STEP, "c", state[1], kept)
    dh, dc = draw.array(n, h), draw.array(n, h)
    kept = dh.copy(), dc.copy()
    results = code.LSTMCell.undo((dh, dc), saved)
    yield count(UNDO, results)
    da, db, (dh_before, dc_before) = results
    for gate, part in zip("ifgo", np.split(np.asarray(da), 4, axis=1), strict=True):
        yield Output(UNDO, f"da_{gate}", part)
    yield Output(UNDO, "db", db)
    yield Output(UNDO, "dc_(t-1)", dc_before)
    yield Output(UNDO, "dh_(t-1)", np.zeros_like(dh) + dh_before)
    yield unchanged(UNDO, "dh", dh, kept[0])
    yield unchanged(UNDO, "dc", dc, kept[1])


def through_time(code, draw):
    """Try several steps forward, and as many back."""
    n, i, h = draw.size("N"), draw.size("I"), draw.size("H")
    cell = draw.fill(code.LSTMCell(i, h))
    state = None
    for t in range(4):
        yield Output(STEP, f"y (t={t})", cell(draw.array(n, i), state))
        state = cell.state
    yield Output(STEP, "c (t=3)", state[1])
    dstate = None
    for t in reversed(range(4)):
        yield Output(UNDO, f"dx (t={t})", cell.backward(draw.array(n, h), dstate))
        dstate = cell.dstate
    for label, parameter in cell.named_parameters():
        yield Output(UNDO, f"d{label}", parameter.grad)


EXERCISE = Exercise(
    name="lstm",
    chapter=7,
    lessons={"firstlight.nn.lstm": ("LSTMCell",)},
    blanks=(STEP, UNDO),
    trials=(one_step, through_time),
)
