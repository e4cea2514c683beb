"""Exercise: attention of several heads, with a causal mask, forward and backward."""

import itertools

import numpy as np

from firstlight.tools.course.exercise import Exercise, Mistake, Output, mistake
from firstlight.tools.course.trials import count, layer, unchanged

SCORES, SOFTMAX, HIDDEN = "_scores", "_softmax", "_hidden"
FORWARD, BACKWARD = "MultiHeadAttention.forward", "MultiHeadAttention.backward"


def scores(code, draw):
    """Try scores of queries and keys of different numbers."""
    n, h, t, s, d = (draw.size(name, 2, 8) for name in "NHTSD")
    q, k = draw.array(n, h, t, d), draw.array(n, h, s, d)
    before = q.copy(), k.copy()
    yield Output(SCORES, "s", code._scores(q, k))
    yield unchanged(SCORES, "q", q, before[0])
    yield unchanged(SCORES, "k", k, before[1])


def softmax(code, draw):
    """Try ordinary scores, very large ones, and rows in which all keys are masked."""
    shape = draw.size("N"), draw.size("H"), draw.size("T"), draw.size("S")
    s = draw.array(*shape)
    before = s.copy()
    yield Output(SOFTMAX, "p", code._softmax(s))
    yield unchanged(SOFTMAX, "s", s, before)
    s[..., 0] = -np.inf
    yield Output(SOFTMAX, "p (s=-inf)", code._softmax(s))
    yield Output(SOFTMAX, "p (s±1000)", code._softmax(draw.array(*shape) + 1000 * (s > 0)))
    far = draw.array(*shape)
    far[:, :, 0] -= 1000
    yield Output(SOFTMAX, "p (s-1000)", code._softmax(far))
    far[:, :, 0] = -np.inf
    yield Output(SOFTMAX, "p (all s=-inf)", code._softmax(far))


def hidden(code, draw):
    """Try as many keys as queries, and more."""
    n, h, t, d = draw.size("N"), draw.size("H"), draw.size("T", 3), draw.size("D")
    q = draw.array(n, h, t, d)
    yield Output(HIDDEN, "mask", code._hidden(q, q))
    yield Output(HIDDEN, "mask (S=T+2)", code._hidden(q, draw.array(n, h, t + 2, d)))


def built(code, draw, **options):
    """Return a layer and a batch for it."""
    n, t, h, d = draw.size("N"), draw.size("T", 3), draw.size("H", 2, 3), draw.size("D", 2, 4)
    module = code.MultiHeadAttention(h * d, h, **options)
    return draw.fill(module), draw.array(n, t, h * d, scale=0.5)


def causal(code, draw):
    """Return a causal layer and a batch for it."""
    return built(code, draw, is_causal=True)


def without_bias(code, draw):
    """Return a layer without biases and a batch for it."""
    return built(code, draw, bias=False)


def with_context(code, draw):
    """Try keys and values of another sequence."""
    module, x = built(code, draw)
    context = draw.array(len(x), draw.size("S"), x.shape[2])
    yield Output(FORWARD, "y (context)", module(x, context))
    results = module.backward(draw.array(*x.shape))
    yield count(BACKWARD, results, "(context)")
    dx, dcontext = results
    yield Output(BACKWARD, "dx (context)", dx)
    yield Output(BACKWARD, "dcontext", dcontext)
    yield Output(BACKWARD, "din_proj_weight (context)", module.in_proj_weight.grad)


def with_mask(code, draw):
    """Try a boolean and a floating-point mask."""
    module, x = built(code, draw)
    n, t, _ = x.shape
    mask = draw.rng.random((n, t, t)) < 0.6
    mask[:, :, 0] = True
    yield Output(FORWARD, "y (bool mask)", module(x, None, mask))
    yield Output(BACKWARD, "dx (bool mask)", module.backward(draw.array(*x.shape)))
    yield Output(FORWARD, "y (float mask)", module(x, None, draw.array(t, t)))


def with_dropout(code, draw):
    """Try given factors of dropout, which differ at each call."""
    module, x = built(code, draw, is_causal=True)
    t = x.shape[1]
    factors = itertools.cycle((2.0 * (draw.rng.random((7, t, t)) < 0.5)).astype(draw.dtype))
    module._draw = lambda p: next(factors)
    yield Output(FORWARD, "y (dropout)", module(x))
    yield Output(BACKWARD, "dx (dropout)", module.backward(draw.array(*x.shape)))
    yield Output(BACKWARD, "din_proj_weight (dropout)", module.in_proj_weight.grad)


EXERCISE = Exercise(
    name="attention",
    chapter=7,
    title=(
        "MultiHeadAttention: a weighted mean of all positions, with a causal mask.",
        "MultiHeadAttention: ein gewichtetes Mittel aller Positionen, mit kausaler Maske.",
    ),
    task=(
        "Fill in the functions _scores, _softmax and _hidden, then forward and backward. N are "
        "the samples, H the heads, T the queries, S the keys. forward gets q, k, v of all heads "
        "from self._project(x, context), what to add to the scores from self._bias(mask, q, k), "
        "and the factors of dropout from self._draw(p), which draws new ones at each call, so that "
        "backward needs those of forward; self._merge joins the heads, and self.out_proj is a "
        "Linear layer. _hidden has the dtype of q. backward undoes these steps from the last to "
        "the first: self.out_proj.backward, self._split, the formulas of the docstring, and "
        "self._project_backward(dq, dk, dv, x, context), which adds to the gradients of the "
        "weights and returns the parts of dx that come from q, and from k and v. Without a "
        "context these two add up; with one, backward returns them as a pair.",
        "Füllen Sie die Funktionen _scores, _softmax und _hidden aus, dann forward und backward. "
        "N sind die Beispiele, H die Köpfe (heads), T die Anfragen (queries), S die Schlüssel "
        "(keys). forward bekommt q, k, v aller Köpfe von self._project(x, context), die Maske, "
        "die zu den Scores addiert wird, von self._bias(mask, q, k) und die Faktoren des Dropouts "
        "von self._draw(p). Jeder Aufruf zieht neue Faktoren, backward braucht also die von "
        "forward. self._merge fügt die Köpfe zusammen, und self.out_proj ist eine lineare Schicht. "
        "_hidden hat den dtype von q. backward macht diese Schritte vom letzten zum "
        "ersten rückgängig: self.out_proj.backward, self._split, die Formeln des Docstrings und "
        "self._project_backward(dq, dk, dv, x, context), das zu den Gradienten der Gewichte "
        "addiert und die Teile von dx zurückgibt, die von q und die von k und v kommen. Ohne "
        "context addieren sich diese zwei; mit context gibt backward sie als Paar zurück.",
    ),
    lessons={"firstlight.nn.attention": ("MultiHeadAttention",)},
    blanks=(SCORES, SOFTMAX, HIDDEN, FORWARD, BACKWARD),
    without=("MultiHeadAttention.weights", "MultiHeadAttention.extend"),
    trials=(
        scores,
        softmax,
        hidden,
        layer("MultiHeadAttention", built),
        layer("MultiHeadAttention", causal, "(is_causal=True)"),
        layer("MultiHeadAttention", without_bias, "(bias=False)"),
        with_context,
        with_mask,
        with_dropout,
    ),
    mistakes=(
        mistake(
            "return q / math.sqrt(q.shape[-1]) @",
            "return q @",
            ("the scores are not divided by √D", "die Scores werden nicht durch √D geteilt"),
            (
                "D is the length of a query, q.shape[-1]",
                "D ist die Länge einer Anfrage, q.shape[-1]",
            ),
        ),
        mistake(
            "return q / math.sqrt(q.shape[-1]) @",
            "return q / math.sqrt(q.shape[1] * q.shape[-1]) @",
            (
                "the scores are divided by √C, the width of all heads",
                "die Scores werden durch √C geteilt, die Breite aller Köpfe",
            ),
            (
                "divide by √D, with D = C/H, the width of one head",
                "teilen Sie durch √D mit D = C/H, der Breite eines Kopfes",
            ),
        ),
        mistake(
            "exp = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True), lowest))",
            "exp = np.exp(s)",
            (
                "exp overflows for large scores",
                "exp läuft bei großen Scores über",
            ),
            (
                "subtract the largest score of each row first, which does not change p",
                "ziehen Sie zuerst den größten Score jeder Zeile ab, was p nicht ändert",
            ),
        ),
        mistake(
            "exp = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True), lowest))",
            "exp = np.exp(s - s.max())",
            (
                "the largest score of the whole array is subtracted: exp of a far lower row is 0",
                "der größte Score des ganzen Arrays wird abgezogen: exp einer viel kleineren Zeile "
                "ist 0",
            ),
            (
                "subtract the largest score of each row: s.max(axis=-1, keepdims=True)",
                "ziehen Sie den größten Score jeder Zeile ab: s.max(axis=-1, keepdims=True)",
            ),
        ),
        mistake(
            "exp = np.exp(s - np.maximum(s.max(axis=-1, keepdims=True), lowest))",
            "exp = np.exp(s - s.max(axis=-1, keepdims=True))",
            (
                "a row in which all keys are masked becomes NaN: -inf - -inf",
                "eine Zeile, in der alle Schlüssel maskiert sind, wird NaN: -inf - -inf",
            ),
            (
                "such a row is zero: subtract a finite number there, and do not divide by 0",
                "eine solche Zeile ist null: Ziehen Sie dort eine endliche Zahl ab, und teilen Sie "
                "nicht durch 0",
            ),
        ),
        Mistake(
            (
                ("s - np.maximum(s.max(axis=-1, keepdims=True), lowest)", "s"),
                ("np.maximum(exp.sum(axis=-1, keepdims=True), 1)", "exp.sum(-1, keepdims=True)"),
            ),
            (
                "exp overflows for large scores, and ∞/∞ is NaN",
                "exp läuft bei großen Scores über, und ∞/∞ ist NaN",
            ),
            (
                "subtract the largest score of each row first, which does not change p",
                "ziehen Sie zuerst den größten Score jeder Zeile ab, was p nicht ändert",
            ),
        ),
        Mistake(
            (
                ("np.maximum(s.max(axis=-1, keepdims=True), lowest)", "s.max(-2, keepdims=True)"),
                ("np.maximum(exp.sum(axis=-1, keepdims=True), 1)", "exp.sum(-2, keepdims=True)"),
            ),
            (
                "softmax runs over the queries instead of the keys, and hidden keys become NaN",
                "Softmax läuft über die Anfragen statt die Schlüssel, und verdeckte werden NaN",
            ),
            (
                "each row sums to 1: take maximum and sum over the last axis",
                "jede Zeile hat die Summe 1: Nehmen Sie Maximum und Summe über die letzte Achse",
            ),
        ),
        Mistake(
            (
                ("s.max(axis=-1, keepdims=True), lowest)", "s.max(-2, keepdims=True), lowest)"),
                ("exp.sum(axis=-1, keepdims=True), 1)", "exp.sum(-2, keepdims=True), 1)"),
            ),
            (
                "softmax runs over the queries instead of the keys",
                "Softmax läuft über die Anfragen statt über die Schlüssel",
            ),
            (
                "each row sums to 1: take maximum and sum over the last axis",
                "jede Zeile hat die Summe 1: Nehmen Sie Maximum und Summe über die letzte Achse",
            ),
        ),
        mistake(
            "total = np.maximum(exp.sum(axis=-1, keepdims=True), 1)",
            "total = np.maximum(exp.sum(axis=-2, keepdims=True), 1e-30)",
            (
                "the sum is over the queries instead of the keys",
                "die Summe läuft über die Anfragen statt über die Schlüssel",
            ),
            (
                "each row sums to 1: sum over the last axis",
                "jede Zeile hat die Summe 1: Summieren Sie über die letzte Achse",
            ),
        ),
        mistake(
            "shape=(t, s)), 1 + s - t)",
            "shape=(t, s)), s - t)",
            (
                "a position does not see itself",
                "eine Position sieht sich selbst nicht",
            ),
            (
                "the diagonal is 0; only later keys are -inf",
                "die Diagonale ist 0; nur spätere Schlüssel sind -inf",
            ),
        ),
        mistake(
            "return np.triu(np.full_like(q, -np.inf, shape=(t, s)), 1 + s - t)",
            "return np.tril(np.full_like(q, -np.inf, shape=(t, s)), s - t - 1)",
            (
                "the mask hides the earlier keys instead of the later ones",
                "die Maske verdeckt die früheren Schlüssel statt der späteren",
            ),
            (
                "row i is a query: -inf at columns j > i, above the diagonal",
                "Zeile i ist eine Anfrage: -inf in den Spalten j > i, über der Diagonale",
            ),
        ),
        mistake(
            "shape=(t, s)), 1 + s - t)",
            "shape=(t, s)), 1)",
            (
                "if there are more keys than queries, the last query does not see all keys",
                "wenn es mehr Schlüssel als Anfragen gibt, sieht die letzte Anfrage nicht alle",
            ),
            (
                "query i is at position i + S - T: hide the keys j > i + S - T",
                "Anfrage i steht an Position i + S - T: Verdecken Sie die Schlüssel j > i + S - T",
            ),
        ),
        mistake(
            "return np.triu(np.full_like(q, -np.inf, shape=(t, s)), 1 + s - t)",
            "return np.tril(np.ones_like(q, shape=(t, s)), s - t)",
            (
                "the mask is 1 and 0, as if it multiplied the scores",
                "die Maske besteht aus 1 und 0, als ob sie die Scores multiplizierte",
            ),
            (
                "it is added to the scores: 0 for keys that are seen, -inf for later ones",
                "sie wird zu den Scores addiert: 0 für sichtbare Schlüssel, -inf für spätere",
            ),
        ),
        mistake(
            "p = _softmax(_scores(q, k) + self._bias(mask, q, k))",
            "p = _softmax(_scores(q, k))",
            ("the masks are not used", "die Masken werden nicht benutzt"),
            (
                "add self._bias(mask, q, k) to the scores",
                "addieren Sie self._bias(mask, q, k) zu den Scores",
            ),
        ),
        mistake(
            "p = _softmax(_scores(q, k) + self._bias(mask, q, k))",
            "p = _softmax(_scores(q, k)) * np.exp(self._bias(mask, q, k)).astype(x.dtype)",
            (
                "the mask is applied after softmax: the rows no longer sum to 1",
                "die Maske wirkt erst nach softmax: Die Zeilen haben nicht mehr die Summe 1",
            ),
            (
                "add it to the scores, before softmax",
                "addieren Sie sie zu den Scores, vor softmax",
            ),
        ),
        mistake(
            "return self.out_proj(self._merge((m * p) @ v))",
            "return self.out_proj(((m * p) @ v).reshape(x.shape))",
            (
                "the heads are joined by reshape alone: positions and heads are mixed",
                "die Köpfe werden nur mit reshape zusammengefügt: Positionen und Köpfe vermischen "
                "sich",
            ),
            (
                "(N, H, T, D) must become (N, T, H, D) first: use self._merge",
                "(N, H, T, D) muss erst (N, T, H, D) werden: Benutzen Sie self._merge",
            ),
        ),
        mistake(
            "return self.out_proj(self._merge((m * p) @ v))",
            "return self._merge((m * p) @ v)",
            ("out_proj is missing", "out_proj fehlt"),
            (
                "apply self.out_proj to the joined heads",
                "wenden Sie self.out_proj auf die zusammengefügten Köpfe an",
            ),
        ),
        mistake(
            "return self.out_proj(self._merge((m * p) @ v))",
            "return self.out_proj(self._merge(p @ v))",
            (
                "the factors m of dropout are not used",
                "die Faktoren m des Dropouts werden nicht benutzt",
            ),
            ("multiply p by m = self._draw(p)", "multiplizieren Sie p mit m = self._draw(p)"),
        ),
        mistake(
            "x, context, q, k, v, p, m = self.saved()",
            "x, context, q, k, v, p, m = self.saved()\n        m = self._draw(p)",
            (
                "backward draws new factors of dropout",
                "backward zieht neue Faktoren des Dropouts",
            ),
            (
                "it needs those of forward: save m, and call self._draw in forward only",
                "es braucht die von forward: Bewahren Sie m auf, und rufen Sie self._draw nur in "
                "forward auf",
            ),
        ),
        mistake(
            "dv = (m * p).swapaxes(-1, -2) @ g",
            "dv = p.swapaxes(-1, -2) @ g",
            ("dv lacks the factors m of dropout", "in dv fehlen die Faktoren m des Dropouts"),
            ("dv = (m p)ᵀ g", "es gilt dv = (m p)ᵀ g"),
        ),
        mistake(
            "dp = m * (g @ v.swapaxes(-1, -2))",
            "dp = g @ v.swapaxes(-1, -2)",
            ("dp lacks the factors m of dropout", "in dp fehlen die Faktoren m des Dropouts"),
            ("dp = m g vᵀ", "es gilt dp = m g vᵀ"),
        ),
        mistake(
            "ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))",
            "ds = p * (1 - p) * dp",
            (
                "softmax is differentiated as if each p_ij depended on s_ij alone",
                "softmax wird abgeleitet, als ob jedes p_ij nur von s_ij abhinge",
            ),
            (
                "each score of a row changes all its weights: subtract Σ_j p_ij dp_ij",
                "jeder Score einer Zeile ändert alle ihre Gewichte: Ziehen Sie Σ_j p_ij dp_ij ab",
            ),
        ),
        mistake(
            "ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))",
            "ds = p * dp",
            ("in ds the sum over the row is missing", "in ds fehlt die Summe über die Zeile"),
            (
                "ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij)",
                "es gilt ds_ij = p_ij (dp_ij - Σ_j p_ij dp_ij)",
            ),
        ),
        mistake(
            "ds = p * (dp - (p * dp).sum(axis=-1, keepdims=True))",
            "ds = p * (dp - dp.sum(axis=-1, keepdims=True))",
            (
                "in ds the sum lacks the weights p",
                "in ds fehlen in der Summe die Gewichte p",
            ),
            ("the sum is Σ_j p_ij dp_ij", "die Summe ist Σ_j p_ij dp_ij"),
        ),
        mistake(
            "dq = ds @ k / math.sqrt(self.head_dim)  # (N, H, T, D)\n"
            "        dk = ds.swapaxes(-1, -2) @ q / math.sqrt(self.head_dim)",
            "dq = ds @ k\n        dk = ds.swapaxes(-1, -2) @ q",
            (
                "dq and dk are not divided by √D",
                "dq und dk werden nicht durch √D geteilt",
            ),
            (
                "forward divides the scores by √D, so backward does so too",
                "forward teilt die Scores durch √D, also tut es auch backward",
            ),
        ),
        mistake(
            "dk = ds.swapaxes(-1, -2) @ q",
            "dk = ds @ q",
            ("dk lacks the transpose of ds", "in dk ist ds nicht transponiert"),
            ("dk = dsᵀ q/√D", "es gilt dk = dsᵀ q/√D"),
        ),
        mistake(
            "return dx + dcontext if context is None else (dx, dcontext)",
            "return dx if context is None else (dx, dcontext)",
            (
                "dx lacks the paths through k and v",
                "in dx fehlen die Wege durch k und v",
            ),
            (
                "x is the context too: add both results of _project_backward",
                "x ist auch der context: Addieren Sie beide Ergebnisse von _project_backward",
            ),
        ),
        mistake(
            "return dx + dcontext if context is None else (dx, dcontext)",
            "return dx + dcontext if context is None else (dcontext, dx)",
            ("dx and dcontext are exchanged", "dx und dcontext sind vertauscht"),
            ("return (dx, dcontext)", "geben Sie (dx, dcontext) zurück"),
        ),
    ),
)
