"""BatchNorm on batches of very few samples."""

from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.first_step import FirstStep

TINY = 4  # samples, too few for statistics


class SmallBatch(Kind):
    """A BatchNorm that takes mean and variance of at most four samples."""

    name = "small-batch"
    about = FirstStep
    title = "BatchNorm with tiny batches", "BatchNorm mit winzigen Batches"
    look = "a larger batch_size, or LayerNorm", "eine größere batch_size, oder LayerNorm"
    says = {
        "tiny": (
            "BatchNorm takes mean and variance of {samples} samples: they are mostly noise",
            "BatchNorm nimmt Mittelwert und Varianz von {samples} Beispielen: sie sind vor allem "
            "Rauschen",
        )
    }

    def judge(self, evidence: FirstStep) -> Findings:
        """Compare the batch size with `TINY`."""
        names = [n for n, p in evidence.model.named_modules() if "BatchNorm" in type(p).__name__]
        if names and len(evidence.x) <= TINY:
            place = {"where": names[0], "type": "BatchNorm"}
            yield self.finding(evidence, "tiny", samples=len(evidence.x), **place)

    wrong = script(
        net="net = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2))",
        data="""
x = rng.standard_normal((8, 4)).astype("float32")
y = (x[:, 0] > 0).astype(int)
""",
        fit="((x[:4], y[:4]))",
    )
    right = wrong.replace("((x[:4], y[:4]))", "((x, y))")
