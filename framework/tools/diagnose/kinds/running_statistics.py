"""Running statistics that jump to each batch, or are averaged differently."""

import ast

from firstlight.tools.diagnose.examples import regression
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.model.evaluation import RunningStatistics as Measured
from firstlight.tools.diagnose.probes.module.user_source import UserFunction

LEAST = 0.5  # that a running statistic should keep of itself
SECONDS = 1.0  # for the search of a corrected line


class RunningStatistics(Kind):
    """A momentum the wrong way round in the running statistics of a normalisation."""

    name = "running-statistics"
    about = Measured
    title = "running statistics jump", "laufende Statistik springt"
    look = (
        "running = (1 - m) · running + m · batch, with a small m such as 0.1, for all statistics",
        "running = (1 - m) · running + m · batch, mit kleinem m wie 0.1, für alle Statistiken",
    )
    says = {
        "different": (
            "{fast} moves {moves:.0%} of the way to each batch and {slow} {other:.0%}: the "
            "momentum of one is the wrong way round",
            "{fast} geht bei jedem Batch {moves:.0%} des Weges zu ihm und {slow} {other:.0%}: Das "
            "Momentum der einen ist vertauscht",
        ),
        "jumps": (
            "{fast} moves {moves:.0%} of the way to each batch: evaluation uses the statistics of "
            "the last batch, not their average",
            "{fast} geht bei jedem Batch {moves:.0%} des Weges zu ihm: Die Auswertung verwendet "
            "die Statistik des letzten Batches, nicht ihr Mittel",
        ),
    }

    def judge(self, evidence: Measured) -> Findings:
        """Compare the shares that the buffers keep."""
        by_share = sorted(evidence.kept, key=evidence.kept.get)
        fast, slow = by_share[0], by_share[-1]
        moves, other = 1 - evidence.kept[fast], 1 - evidence.kept[slow]
        if evidence.kept[fast] >= LEAST:
            return
        key = "different" if evidence.kept[slow] >= LEAST else "jumps"
        at, cure = repair(evidence, fast)
        yield self.finding(
            evidence, key, at=at, cure=cure, fast=fast, slow=slow, moves=moves, other=other
        )

    wrong = regression(
        net="""
net = nn.Sequential(
    nn.Linear(4, 8), nn.BatchNorm1d(8, momentum=0.9), nn.Tanh(), nn.Linear(8, 1)
)
"""
    )
    right = wrong.replace("momentum=0.9", "momentum=0.1")


def repair(evidence: Measured, name: str) -> tuple[Place | None, str]:
    """Return the line that writes a statistic, and a small change that slows it down."""
    source = UserFunction.of(type(evidence.call.module).forward)
    if source is None:
        return None, ""
    lines = [
        node.lineno
        for node in ast.walk(source.tree)
        if isinstance(node, (ast.Assign, ast.AugAssign))
        and name in ast.unparse(getattr(node, "target", None) or node.targets[0])
    ]

    def is_right() -> bool:
        found = Measured.of(evidence.call).kept
        slow = min(found.values()) >= LEAST and len(found) == len(evidence.kept)
        return slow and max(found.values()) - min(found.values()) < 1e-6

    at, cure = source.repaired(is_right, SECONDS, lines)
    return at or (source.place(lines[0]) if lines else None), cure
