"""Models that cannot see the order on which the labels depend."""

import numpy as np

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.arrays import flattened, is_integer
from firstlight.tools.diagnose.probes.model.first_step import FirstStep
from firstlight.tools.diagnose.probes.model.influence import evaluation_calls

PAIRS = 5  # of samples with the same tokens in another order, and other labels


class Positions(Kind):
    """Sequences of the same tokens with different labels, and a model that ignores their order."""

    name = "positions"
    about = FirstStep
    title = "no positional information", "keine Information über Positionen"
    look = (
        "positions added to the embeddings: nn.SinusoidalPositions, or a Parameter (T, D)",
        "Positionen, die zu den Embeddings addiert werden: nn.SinusoidalPositions oder ein "
        "Parameter (T, D)",
    )
    says = {
        "order": (
            "the output stays the same when the positions of a sequence are permuted, but {count} "
            "samples of the batch have the tokens of another one in another order and another "
            "label: the model cannot tell them apart",
            "die Ausgabe bleibt gleich, wenn man die Positionen einer Folge vertauscht, aber "
            "{count} Beispiele des Batches haben dieselben Zeichen wie ein anderes in anderer "
            "Reihenfolge und ein anderes Label: das Modell kann sie nicht unterscheiden",
        )
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: FirstStep) -> Findings:
        """Look for permuted samples with other labels, and permute the inputs of the model."""
        x, y = evidence.x, evidence.y
        if not is_integer(x) or not is_integer(y) or x.ndim != 2 or y.shape != x.shape[:1]:
            return
        if x.shape[1] < 3:
            return
        labels: dict[bytes, int] = {}
        alike: dict[bytes, int] = {}
        count = 0
        for tokens, label in zip(np.asarray(x), y, strict=True):
            if alike.setdefault(tokens.tobytes(), label) != label:
                return  # noise: even equal sequences have different labels
            count += labels.setdefault(np.sort(tokens).tobytes(), label) != label
        if count < PAIRS or count < len(x) // 8:
            return
        order = np.random.default_rng(3).permutation(x.shape[1])
        outputs = []
        for tokens in (x[:8], x[:8][:, order], x[:8][:, ::-1]):
            calls = evaluation_calls(evidence.model, np.ascontiguousarray(tokens))
            outputs.append(flattened(calls[0].output)[0] if calls else None)
        first, *others = outputs
        if first is None or not all(
            other is not None and np.allclose(first, other, rtol=1e-6, atol=1e-9)
            for other in others
        ):
            return
        model = type(evidence.model).__name__
        yield self.finding(evidence, "order", where="", type=model, count=count)

    wrong = script(
        """
x = np.stack([rng.permutation(6) for _ in range(400)])
y = ((x == 1).argmax(axis=1) < (x == 0).argmax(axis=1)).astype(int)
""",
        """
class First(fl.Module):
    def __init__(self):
        self.embed = nn.Embedding(6, 16)
        self.positions = nn.Identity()
        self.layer = nn.TransformerEncoderLayer(16, 2, 32, dropout=0.0)
        self.head = nn.Linear(16, 2)

    def forward(self, x):
        h = self.layer(self.positions(self.embed(x)))
        self.save(h.shape)
        return self.head(h.mean(axis=1))

    def backward(self, dy):
        (shape,) = self.saved()
        d = np.broadcast_to(self.head.backward(dy)[:, None] / np.float32(shape[1]), shape)
        return self.embed.backward(self.positions.backward(self.layer.backward(d)))


net = First()
""",
    )
    right = wrong.replace("nn.Identity()", "nn.SinusoidalPositions(16)")
