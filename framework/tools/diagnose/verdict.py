"""The verdict on one module: its gradients judged on the bench, and a guess at what is wrong."""

import numpy as np

from firstlight.tools.diagnose import contract, tuples
from firstlight.tools.diagnose.bench import Bench, UnsupportedError, is_float
from firstlight.tools.diagnose.gradients import Gradient, judged, probe
from firstlight.tools.diagnose.guess import UNKNOWN, guess
from firstlight.tools.diagnose.shapes import explain_error

TIED = 0.7  # different values among the inputs, as a share, below which many are equal


def form_of(call):
    """Return the module, inputs and preparation for the bench, of a `Call`."""
    try:
        return call.module, *tuples.plain(call)
    except UnsupportedError:
        return call.module, call.inputs, None  # the bench says so


class Verdict:
    """What the bench says of one module.

    Attributes
    ----------
    wrong : list of Gradient
    problem : (str, str, str) or None
        Kind, words and gradient of what is wrong beside, or instead.
    detail : str
        For the table.
    not_judged : bool
        It could not be put on a bench.
    """

    def __init__(self, module, inputs, prepare=None, outermost=False):
        self.wrong, self.problem, self.detail, self.bench = [], None, "", None
        self.not_judged = False

        def remake(inputs=inputs, **options):
            return Bench(module, inputs, prepare=prepare, outermost=outermost, **options)

        self.remake = remake
        try:
            self.bench = remake()
            gradients = judged(self.bench)
            self.wrong = [g for g in gradients if g.status in ("wrong", "missing", "shape")]
            named = [g.name for g in gradients if g.values is not None]
            names = ", ".join(named) if len(named) < 6 else f"{len(named)} gradients"
            worst = max((g.error for g in gradients), default=0.0)
            unclear = [g.name for g in gradients if g.status == "unclear"]
            self.detail = f"{names}: error {worst:.0e}" if names else "no gradients"
            if unclear:
                self.detail += f"; {', '.join(unclear)} too close to corners"
            self.problem = contract.broken(self.bench)
            if self.ok and prepare is None:
                self.problem = at_ties(remake, inputs)
        except UnsupportedError as error:
            self.detail, self.not_judged = str(error), True
        except Exception as error:
            samples = len(inputs[0]) if np.ndim(inputs[0]) else 0
            self.problem = (*explain_error(error, samples), "")
            self.detail = self.problem[1]

    @property
    def ok(self):
        return not self.wrong and self.problem is None

    def explained(self):
        """Return ``(kind, words, gradient)`` of the first thing that is wrong."""
        if self.problem is None:
            guesses = [(g, *guess(self.bench, g, self.remake)) for g in self.wrong[:4]]
            first, kind, words = next((one for one in guesses if one[2] != UNKNOWN), guesses[0])
            also = [g.name for g in self.wrong if g is not first]
            return kind, words + (f" ({', '.join(also)} too)" if also else ""), first.name
        return self.problem


def at_ties(remake, inputs):
    """Return ``(kind, words, gradient)`` if backward is wrong where many inputs are equal, or None.

    There forward has corners, but not along the direction in which all inputs move alike: the
    largest of equal numbers moves as they do, whichever of them backward chooses.
    """
    x = inputs[0] if inputs else None
    if not is_float(x) or not x.size or len(np.unique(x)) > TIED * x.size:
        return None
    bench = remake(nudged=False)
    dx = bench.backward().get("dx")
    if not isinstance(dx, np.ndarray) or dx.shape != x.shape:
        return None
    gradient, rng = Gradient("dx", bench.values("dx"), dx), np.random.default_rng(13)
    if probe(bench, gradient, rng, shaped=np.ones_like) != "wrong":
        return None
    words = "of equal inputs, such as zeros after a ReLU, several get a dy that belongs to one"
    return "term", words, "dx"
