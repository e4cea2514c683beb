"""Training steps whose gradient is not that of their loss."""

from dataclasses import replace

import numpy as np

from firstlight.module import Module
from firstlight.support.array import Array
from firstlight.tools.diagnose.backward import Search
from firstlight.tools.diagnose.examples import script
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.loss_gradient import LossGradient
from firstlight.tools.diagnose.probes.module.gradients import Gradient
from firstlight.tools.diagnose.probes.places import line_of
from firstlight.tools.diagnose.probes.recorded_calls import recorded_step
from firstlight.tools.diagnose.verdict import Verdict

FIT = 1e-3  # relative


class LossGradientKind(Kind):
    """A dy, or gradients of parameters, that differ from differences of the step's loss."""

    name = "loss-gradient"
    about = LossGradient
    title = "gradient of the loss", "Gradient des Verlusts"
    look = (
        "the loss's formula term by term: each has a gradient, divided by the same number",
        "die Formel des Verlusts, Term für Term: jeder hat einen Gradienten, durch dieselbe Zahl "
        "geteilt",
    )
    says = {
        "shape": (
            "the dy that training_step returns has shape {dy}, the output {output}",
            "das dy, das training_step zurückgibt, hat die Form {dy}, die Ausgabe {output}",
        ),
        "zero": (
            "the dy that training_step returns is zero, but the loss changes with the output",
            "das dy, das training_step zurückgibt, ist null, aber der Verlust ändert sich mit der "
            "Ausgabe",
        ),
        "sign": (
            "the dy that training_step returns has the wrong sign: training would go uphill",
            "das dy, das training_step zurückgibt, hat das falsche Vorzeichen: das Training ginge "
            "bergauf",
        ),
        "large": (
            "the dy that training_step returns is {ratio:.4g} times too large{count}",
            "das dy, das training_step zurückgibt, ist {ratio:.4g}-mal zu groß{count}",
        ),
        "small": (
            "the dy that training_step returns is {ratio:.4g} times too small{count}",
            "das dy, das training_step zurückgibt, ist {ratio:.4g}-mal zu klein{count}",
        ),
        "count": (
            ", and {ratio:.0f} is the number of {what}",
            ", und {ratio:.0f} ist die Anzahl der {what}",
        ),
        "reversed": (", and has the wrong sign", ", und hat das falsche Vorzeichen"),
        "samples": ("samples", "Beispiele"),
        "values": ("values", "Werte"),
        "term": (
            "the dy that training_step returns is not the loss's gradient: its terms do not fit",
            "das dy, das training_step zurückgibt, ist nicht der Gradient des Verlusts: seine "
            "Terme passen nicht",
        ),
        "penalty": (
            "the loss contains a penalty {form} whose gradient is missing: {names} should get "
            "{c:.4g} * {part} more than backward gives",
            "der Verlust enthält einen Strafterm {form}, dessen Gradient fehlt: {names} müsste "
            "{c:.4g} * {part} mehr bekommen, als backward liefert",
        ),
        "penalty factor": (
            "the loss contains a penalty {form}, and training_step adds {own:.4g} * {part} to the "
            "gradient of {names}, where the loss's gradient is {right:.4g} * {part}",
            "der Verlust enthält einen Strafterm {form}, und training_step addiert {own:.4g} * "
            "{part} zum Gradienten von {names}, wo der Gradient des Verlusts {right:.4g} * {part} "
            "ist",
        ),
        "decay": (
            "the gradient of {names} contains {own:.4g} * {part}, which is no part of the loss: a "
            "weight decay that the loss does not show",
            "der Gradient von {names} enthält {own:.4g} * {part}, was nicht im Verlust vorkommt: "
            "ein Weight Decay, das der Verlust nicht zeigt",
        ),
        "parameter zero": (
            "{names} has no gradient after training_step and backward, but the loss changes with "
            "it",
            "{names} hat nach training_step und backward keinen Gradienten, aber der Verlust "
            "ändert sich damit",
        ),
        "parameter factor": (
            "after training_step and backward, the gradient of {names} is {c:.4g} times that of "
            "the loss",
            "nach training_step und backward ist der Gradient von {names} {c:.4g}-mal der des "
            "Verlusts",
        ),
        "parameter term": (
            "after training_step and backward, the gradient of {names} is not that of the loss, "
            "though forward and backward agree: a term of the loss is left out, or has another "
            "weight",
            "nach training_step und backward ist der Gradient von {names} nicht der des Verlusts, "
            "obwohl forward und backward zusammenpassen: ein Term des Verlusts fehlt oder hat ein "
            "anderes Gewicht",
        ),
    }
    causes = frozenset({"overfit", "lr-high", "lr-low"})

    def judge(self, evidence: LossGradient) -> Findings:
        """Compare dy with the loss; if it is right, all parameters."""
        if evidence.dy is None or evidence.step.broadcasts:
            return
        if isinstance(evidence.dy, np.ndarray):
            if not evidence.fits:
                shapes = {"dy": evidence.dy.shape, "output": np.shape(evidence.output)}
                yield replace(self.finding(evidence, "shape", **shapes), kind="shape")
                return
            if not evidence.dy_is_right:
                yield from self._of_loss_module(evidence) or [self._of_dy(evidence)]
                return
        compared = isinstance(evidence.dy, np.ndarray) and not evidence.step.own_step  # enough
        if not compared and evidence.backward_is_right and evidence.wrong_parameters:
            yield self._of_parameters(evidence)

    @staticmethod
    def _of_loss_module(evidence):
        """Return the findings about the model's own loss module, if it is the one that is wrong."""
        model, batch = evidence.step.model, evidence.view.batch
        twin, _, tops = recorded_step(model, batch, float64=True, may_fail=True)
        for call in tops:
            if call.name and call.module is getattr(twin, "loss", None):
                search = Search(call)
                search.verdicts[call.name] = Verdict(call.module, call.inputs, without_dloss)
                return search.leaf_findings(call)
        return []

    def _of_dy(self, evidence):
        """Return the finding about dy, of the kind that a module's wrong gradient would be."""
        dy, (claimed, numeric) = evidence.dy, evidence.slopes
        c = float(claimed @ numeric / max(claimed @ claimed, 1e-300))
        fits = np.abs(c * claimed - numeric).max() <= FIT * np.abs(numeric).max()
        kind, key, values = "term", "term", {}
        if not np.isfinite(numeric).all():
            kind = key = "shape"
            values = {"dy": dy.shape, "output": np.shape(evidence.output)}
        elif not dy.any():
            kind = key = "zero"
        elif fits and abs(c + 1) < FIT:
            kind = key = "sign"
        elif fits and abs(c - 1) > 0.02:
            ratio, key = (abs(c), "small") if abs(c) > 1 else (1 / abs(c), "large")
            counts = {len(dy): "samples", dy.size // dy.shape[-1]: "samples", dy.size: "values"}
            what = [w for n, w in counts.items() if n > 1 and abs(ratio / n - 1) < FIT]
            count = self.words("count", ratio=ratio, what=self.words(what[0])) if what else ""
            count += self.words("reversed") if c < 0 else ""
            kind, values = "batch-factor" if what else "factor", {"ratio": ratio, "count": count}
        return replace(self.finding(evidence, key, **values), kind=kind)

    def _of_parameters(self, evidence):
        wrong = evidence.wrong_parameters
        names = ", ".join(one.name.removeprefix("model.") for one in wrong[:4])
        names += ", ..." * (len(wrong) > 4)
        step = type(evidence.step.model).training_step
        place = {"gradient": wrong[0].name.removeprefix("model."), "names": names}
        place["note"] = evidence.several_forwards or evidence.outputs_interact
        for power, form, part in ((2, "c Σ p²", "p"), (1, "c Σ |p|", "sign(p)")):
            found = [
                shared_multiple(one, one.values if power == 2 else np.sign(one.values))
                for one in wrong
            ]
            if None in found or np.ptp(found) > FIT * abs(found[0]):
                continue
            c, first = found[0], wrong[0]
            shape = first.values if power == 2 else np.sign(first.values)
            added = evidence.before_backward[first.name]
            own = float((added * shape).sum() / (shape * shape).sum())
            own = own if np.allclose(added, own * shape, rtol=1e-6, atol=1e-12) else 0.0
            place["at"] = line_of(step, "loss")
            if abs(own + c) <= FIT * abs(c):
                place["note"] = True
                return self.finding(evidence, "decay", own=own, part=part, **place)
            if own:
                values = {"own": own, "right": own + c, "part": part, "form": form}
                return self.finding(evidence, "penalty factor", **values, **place)
            return self.finding(evidence, "penalty", c=c, part=part, form=form, **place)
        place["at"] = line_of(step, "loss")
        if all(not one.analytic.any() for one in wrong):
            return self.finding(evidence, "parameter zero", **place)
        c = [share(one) for one in wrong]
        if None not in c and np.ptp(c) <= FIT * abs(c[0]):
            return self.finding(evidence, "parameter factor", c=c[0], **place)
        return self.finding(evidence, "parameter term", **place)

    wrong = script(
        net="""
class Ridge(fl.Module):
    def __init__(self):
        self.body = nn.Linear(4, 2)

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def training_step(self, batch):
        output = super().training_step(batch)
        w = self.body.weight
        output.loss = output.loss + 0.01 * (w.data**2).sum()
        return output


net = Ridge()
"""
    )
    right = wrong.replace(
        "        return output", "        w.grad += 0.02 * w.data\n        return output"
    )


def without_dloss(loss: Module) -> None:
    """Call a loss's backward as `training_step` does: without an argument, for dloss = 1."""
    own = loss.backward

    def backward(dloss):
        dx = own()
        return tuple(dloss * part for part in dx) if isinstance(dx, tuple) else dloss * dx

    loss.backward = backward


def shared_multiple(gradient: Gradient, part: Array) -> float | None:
    """Return c if the gradient plus c times an array is right, else None."""
    v, numeric, _ = gradient.probes[0]
    size = float((part * v).sum())
    if not size:
        return None
    c = (numeric - float((gradient.analytic * v).sum())) / size
    return c if gradient.explains(gradient.analytic + c * part) else None


def share(gradient: Gradient) -> float | None:
    """Return the constant factor of a gradient that is right otherwise, else None."""
    v, numeric, _ = gradient.probes[0]
    claimed = float((gradient.analytic * v).sum())
    if not claimed or not numeric:
        return None
    c = claimed / numeric
    return c if gradient.explains(gradient.analytic / c) else None
