"""Exercise: one step of an LSTM, forward and backward, and several steps through time."""

import numpy as np

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
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


GATES = "i, f, g, o = sigmoid(a_i), sigmoid(a_f), np.tanh(a_g), sigmoid(a_o)"
DC = "dc = dc + dh * o * (1 - np.tanh(c_t) ** 2)"
EXERCISE = Exercise(
    name="lstm",
    chapter=7,
    title=(
        "LSTMCell: a memory with gates, through time.",
        "LSTMCell: ein Gedächtnis mit Toren, durch die Zeit.",
    ),
    task=(
        "Fill in step and undo, as the docstring defines them. The base class Cell computes a = "
        "x_t W_ihᵀ + b_ih and b = h_{t-1} W_hhᵀ + b_hh, of shape (N, 4 H) with blocks in the order "
        "i, f, g, o, and calls step(a, b, (h, c)) with the old state. step returns the new state "
        "(h_t, c_t), and a tuple of what undo needs. Backward calls undo((dh, dc), kept) with the "
        "gradients of h_t and c_t and this tuple; undo returns da, db and (dh, dc) of the old "
        "state, where dh is 0: Cell adds the path through b.",
        "Füllen Sie step und undo so aus, wie der Docstring sie definiert. Die Basisklasse Cell "
        "berechnet a = x_t W_ihᵀ + b_ih und b = h_{t-1} W_hhᵀ + b_hh, von der Form (N, 4 H) mit "
        "Blöcken in der Reihenfolge i, f, g, o, und ruft step(a, b, (h, c)) mit dem alten Zustand "
        "auf. step gibt den neuen Zustand (h_t, c_t) zurück und ein Tupel von dem, was undo "
        "braucht. backward ruft undo((dh, dc), kept) mit den Gradienten von h_t und c_t und diesem "
        "Tupel auf; undo gibt da, db und (dh, dc) des alten Zustands zurück, wobei dh 0 ist: Cell "
        "addiert den Weg durch b.",
    ),
    lessons={"firstlight.nn.lstm": ("LSTMCell",)},
    blanks=(STEP, UNDO),
    trials=(one_step, through_time),
    mistakes=(
        Mistake(
            (
                ("a_i, a_f, a_g, a_o = np.split(", "a_i, a_f, a_o, a_g = np.split("),
                (
                    "np.concatenate([da_i, da_f, da_g, da_o]",
                    "np.concatenate([da_i, da_f, da_o, da_g]",
                ),
            ),
            (
                "the blocks are taken as i, f, o, g",
                "die Blöcke werden als i, f, o, g gelesen",
            ),
            ("the order is i, f, g, o", "die Reihenfolge ist i, f, g, o"),
        ),
        Mistake(
            (
                ("a_i, a_f, a_g, a_o = np.split(", "a_f, a_i, a_g, a_o = np.split("),
                (
                    "np.concatenate([da_i, da_f, da_g, da_o]",
                    "np.concatenate([da_f, da_i, da_g, da_o]",
                ),
            ),
            (
                "the blocks are taken as f, i, g, o",
                "die Blöcke werden als f, i, g, o gelesen",
            ),
            ("the order is i, f, g, o", "die Reihenfolge ist i, f, g, o"),
        ),
        mistake(
            GATES,
            "i, f, g, o = sigmoid(a_i), sigmoid(a_f), sigmoid(a_g), sigmoid(a_o)",
            ("the candidate g has a sigmoid", "der Kandidat g hat eine Sigmoid-Funktion"),
            ("g = tanh((a + b)_g)", "es gilt g = tanh((a + b)_g)"),
        ),
        mistake(
            "np.split(a + b, 4, axis=1)",
            "np.split(a, 4, axis=1)",
            (
                "the gates do not see h: b is missing",
                "die Tore sehen h nicht: b fehlt",
            ),
            ("the gates are functions of a + b", "die Tore sind Funktionen von a + b"),
        ),
        mistake(
            "c_t = f * c + i * g",
            "c_t = f * c + g",
            (
                "the candidate enters the memory without the input gate i",
                "der Kandidat geht ohne das Eingangstor i in das Gedächtnis ein",
            ),
            ("c_t = f c + i g", "es gilt c_t = f c + i g"),
        ),
        mistake(
            "c_t = f * c + i * g",
            "c_t = i * g",
            (
                "the old memory c is lost",
                "das alte Gedächtnis c geht verloren",
            ),
            ("c_t = f c + i g", "es gilt c_t = f c + i g"),
        ),
        mistake(
            "c_t = f * c + i * g",
            "c_t = f * c + (1 - f) * g",
            (
                "1 - f is used in place of the input gate i, as in a GRU",
                "1 - f steht an der Stelle des Eingangstors i, wie bei einer GRU",
            ),
            ("c_t = f c + i g", "es gilt c_t = f c + i g"),
        ),
        mistake(
            "h_t = o * np.tanh(c_t)",
            "h_t = o * c_t",
            ("h_t lacks the tanh of c_t", "in h_t fehlt der tanh von c_t"),
            ("h_t = o tanh(c_t)", "es gilt h_t = o tanh(c_t)"),
        ),
        mistake(
            "h_t = o * np.tanh(c_t)",
            "h_t = o * np.tanh(c)",
            ("h_t is computed from the old memory", "h_t wird aus dem alten Gedächtnis berechnet"),
            (
                "h_t = o tanh(c_t), with the new c_t",
                "es gilt h_t = o tanh(c_t), mit dem neuen c_t",
            ),
        ),
        mistake(
            DC,
            "dc = dh * o * (1 - np.tanh(c_t) ** 2)",
            (
                "the gradient of the memory from the next step is lost",
                "der Gradient des Gedächtnisses vom nächsten Schritt geht verloren",
            ),
            (
                "add it: dc + dh o (1 - tanh²(c_t))",
                "addieren Sie ihn: dc + dh o (1 - tanh²(c_t))",
            ),
        ),
        mistake(
            DC,
            "pass",
            (
                "the path from h_t to c_t is missing in dc",
                "in dc fehlt der Weg von h_t zu c_t",
            ),
            (
                "h_t depends on c_t: add dh o (1 - tanh²(c_t)) to dc",
                "h_t hängt von c_t ab: Addieren Sie dh o (1 - tanh²(c_t)) zu dc",
            ),
        ),
        mistake(
            DC,
            "dc = dc + dh * o * (1 - c_t**2)",
            (
                "the derivative of tanh takes c_t instead of tanh(c_t)",
                "die Ableitung von tanh nimmt c_t statt tanh(c_t)",
            ),
            (
                "tanh'(c_t) = 1 - tanh²(c_t)",
                "es gilt tanh'(c_t) = 1 - tanh²(c_t)",
            ),
        ),
        mistake(
            DC,
            "dc = dc + dh * o",
            (
                "the derivative of tanh(c_t) is missing in dc",
                "in dc fehlt die Ableitung von tanh(c_t)",
            ),
            (
                "multiply dh o by 1 - tanh²(c_t)",
                "multiplizieren Sie dh o mit 1 - tanh²(c_t)",
            ),
        ),
        mistake(
            "da_f = dc * c * f * (1 - f)",
            "da_f = dc * c_t * f * (1 - f)",
            (
                "da_f takes the new memory c_t",
                "da_f nimmt das neue Gedächtnis c_t",
            ),
            (
                "f multiplies the old memory, so da_f = dc c_{t-1} f (1 - f)",
                "f multipliziert das alte Gedächtnis, also da_f = dc c_{t-1} f (1 - f)",
            ),
        ),
        mistake(
            "da_g = dc * i * (1 - g**2)",
            "da_g = dc * i * (1 - np.tanh(g) ** 2)",
            (
                "in da_g, tanh is applied twice",
                "in da_g wird tanh zweimal angewandt",
            ),
            (
                "g is a tanh already, so its derivative is 1 - g²",
                "g ist schon ein Tangens hyperbolicus, die Ableitung ist also 1 - g²",
            ),
        ),
        Mistake(
            (
                (DC, "later, dc = dc, dc + dh * o * (1 - np.tanh(c_t) ** 2)"),
                ("(0, dc * f)", "(0, later * f)"),
            ),
            (
                "dc_(t-1) lacks the path from h_t to c_t",
                "in dc_(t-1) fehlt der Weg von h_t zu c_t",
            ),
            (
                "multiply f by the sum dc_t, not by the gradient from step t + 1 alone",
                "multiplizieren Sie f mit der Summe dc_t, nicht nur mit dem Gradienten aus dem "
                "Schritt t + 1",
            ),
        ),
        mistake(
            "da_g = dc * i * (1 - g**2)",
            "da_g = dc * i * g * (1 - g)",
            (
                "g is differentiated as a sigmoid",
                "g wird wie eine Sigmoid-Funktion abgeleitet",
            ),
            ("g is a tanh: tanh' = 1 - g²", "g ist ein tanh: tanh' = 1 - g²"),
        ),
        Mistake(
            (
                ("da_i = dc * g * i * (1 - i)", "da_i = dc * g"),
                ("da_f = dc * c * f * (1 - f)", "da_f = dc * c"),
                ("da_g = dc * i * (1 - g**2)", "da_g = dc * i"),
                ("da_o = dh * np.tanh(c_t) * o * (1 - o)", "da_o = dh * np.tanh(c_t)"),
            ),
            (
                "the derivatives of sigmoid and tanh are missing in da",
                "in da fehlen die Ableitungen von Sigmoid und tanh",
            ),
            (
                "multiply by σ' = σ (1 - σ), and for g by 1 - g²",
                "multiplizieren Sie mit σ' = σ (1 - σ), und bei g mit 1 - g²",
            ),
        ),
        mistake(
            "da_o = dh * np.tanh(c_t) * o * (1 - o)",
            "da_o = dc * np.tanh(c_t) * o * (1 - o)",
            ("da_o takes dc instead of dh", "da_o nimmt dc statt dh"),
            (
                "o affects h_t only: da_o = dh tanh(c_t) o (1 - o)",
                "o wirkt nur auf h_t: da_o = dh tanh(c_t) o (1 - o)",
            ),
        ),
        mistake(
            "return da, da, (0, dc * f)",
            "return da, da, (0, dc)",
            (
                "dc of the old memory lacks the forget gate f",
                "im dc des alten Gedächtnisses fehlt das Vergesstor f",
            ),
            ("c_t = f c + i g, so dc_{t-1} = dc f", "wegen c_t = f c + i g ist dc_{t-1} = dc f"),
        ),
        mistake(
            "return da, da, (0, dc * f)",
            "return da, da, (dh, dc * f)",
            (
                "dh is returned as the gradient of the old h",
                "dh wird als Gradient des alten h zurückgegeben",
            ),
            (
                "h_{t-1} acts through b only, which Cell adds: return 0",
                "h_{t-1} wirkt nur durch b, und das addiert Cell: Geben Sie 0 zurück",
            ),
        ),
    ),
)
