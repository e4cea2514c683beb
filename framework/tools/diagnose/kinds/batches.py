"""Batches that are always the same, and samples that no batch contains."""

import itertools
from collections.abc import Iterator

import numpy as np

from firstlight.tools.diagnose.examples import BATCHES
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.flow.flow_events import Step, union
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.flow.traced_array import Holder

ENOUGH = 4  # steps


class SameBatch(Kind):
    """A loop that takes a batch in each iteration, and always the same one."""

    name = "same-batch"
    about = SampleFlow
    title = "always the same batch", "immer derselbe Batch"
    look = (
        "what chooses the batch: the index has to advance, the iterator and the random generator "
        "have to be made before the loop",
        "was den Batch wählt: der Index muss weiterlaufen, Iterator und Zufallsgenerator müssen "
        "vor der Schleife entstehen",
    )
    says = {
        "same": (
            "each of {steps} steps takes the same {count} of {all} samples",
            "jeder von {steps} Schritten nimmt dieselben {count} von {all} Beispielen",
        )
    }
    causes = frozenset({"unseen-samples"})

    def judge(self, evidence: SampleFlow) -> Findings:
        """Compare the samples of the steps of each loop."""
        if evidence.trace.ended:
            return  # the rest of the script may use the others
        evaluated = union([*(one.samples for one in evidence.evaluations), *evidence.forwards])
        for steps in loops_of(evidence.steps):
            first, container = steps[0], container_of(steps[0])
            taken_before = container is None or (
                first.holder.first is steps[-1].holder.first
                and np.array_equal(np.unique(first.holder.samples), first.samples)
            )
            if len(steps) < ENOUGH or taken_before:
                continue
            beside = [one for one in evidence.steps if _run(one) == _run(first)]
            if any(not np.array_equal(one.samples, first.samples) for one in beside):
                continue
            rest = np.setdiff1d(container.samples, first.samples)
            used = np.isin(rest, evidence.trained)
            whole, batch = len(container.samples), len(first.samples)
            an_epoch = len(steps) in (whole // batch, -(-whole // batch))
            if an_epoch or not (used.any() or np.isin(rest, evaluated).any()):
                values = {"count": batch, "all": whole}
                at = first.at if first.holder.first is container else first.holder.first.at
                yield self.finding(evidence, "same", at=at, steps=len(steps), **values)
                return

    right = BATCHES
    wrong = right.replace("[i : i + 16]", "[:16]")


class UnseenSamples(Kind):
    """Samples that no epoch visits, at least as many as in a batch."""

    name = "unseen-samples"
    about = SampleFlow
    title = "samples that are never used", "Beispiele, die nie verwendet werden"
    look = (
        "the end of the loop over batches, range(0, len(x), batch_size), or shuffle in each epoch",
        "das Ende der Schleife über die Batches, range(0, len(x), batch_size), oder in jeder "
        "Epoche mischen",
    )
    says = {
        "unseen": (
            "each epoch visits the same {count} of {all} samples in {name}; {unseen} are unused",
            "jede Epoche nimmt dieselben {count} von {all} Beispielen in {name}; {unseen} bleiben "
            "ungenutzt",
        )
    }

    def judge(self, evidence: SampleFlow) -> Findings:
        """Compare the samples of whole epochs with those that their batches are taken from."""
        if evidence.trace.ended:
            return
        evaluated = union(one.samples for one in evidence.evaluations)
        for steps in by_key(evidence.steps):
            epochs = epochs_of(steps)
            if evidence.trace.shortened:
                epochs = epochs[:-1]
            container = container_of(steps[0])
            if not epochs or container is None or any(len(one) < 2 for one in epochs):
                continue
            seen = [union(one.samples for one in epoch) for epoch in epochs]
            batch = max(len(one.samples) for one in steps)
            few = 2 * len(seen[0]) < len(container.samples) <= (len(epochs[0]) + 2) * batch
            if any(not np.array_equal(one, seen[0]) for one in seen) or len(epochs) < 2 and not few:
                continue  # one epoch is enough if its batches could have held all samples
            unseen = np.setdiff1d(container.samples, union([evidence.trained, evaluated]))
            inside = np.isin(seen[0], container.samples).all()
            if inside and len(unseen) >= batch and not np.isin(evaluated, container.samples).any():
                values = {"count": len(seen[0]), "all": len(container.samples)}
                values |= {"name": container.name, "unseen": len(unseen)}
                first = steps[0].holder.first
                at = steps[0].at if first is container else first.at
                yield self.finding(evidence, "unseen", at=at, **values)
                return

    right = BATCHES
    wrong = right.replace("range(0, 64, 16)", "range(0, 64 - 16, 16)")


def _run(step):
    """Return the run of the outermost loop around a step."""
    return step.event.loops[0].run if step.event.loops else 0


def container_of(step: Step) -> Holder | None:
    """Return the smallest named array with more samples than a step takes from it."""
    holder = step.holder.first if step.holder else None
    while holder is not None and len(np.unique(holder.samples)) <= len(step.samples):
        holder = holder.parent.first if holder.parent else None
    return holder


def by_key(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps of each trained value."""
    groups: dict[object, list[Step]] = {}
    for step in steps:
        groups.setdefault(step.key, []).append(step)
    yield from groups.values()


def loops_of(steps: list[Step]) -> Iterator[list[Step]]:
    """Yield the steps of one trained value in one execution of the innermost loop over them."""
    for own in by_key(steps):
        depths = [len(step.event.loops) for step in own]
        for depth in reversed(range(min(depths))):
            groups = [
                list(group)
                for _, group in itertools.groupby(own, lambda one: one.event.loops[depth].run)  # noqa: B023
            ]
            if any(len(group) > 1 for group in groups):
                yield from groups
                break


def epochs_of(steps: list[Step]) -> list[list[Step]]:
    """Return the steps of each iteration of the outermost loop with several steps in each."""
    if any(len(step.event.loops) < 2 for step in steps):
        return []
    turns = itertools.groupby(steps, lambda one: one.event.loops[0])
    return [list(group) for _, group in turns]
