"""Evaluations on the training data, although other samples are held out."""

import ast
import re

import numpy as np

from firstlight.tools.diagnose.examples import TRAINED
from firstlight.tools.diagnose.kind import Findings, Kind, Place
from firstlight.tools.diagnose.probes.flow.sample_flow import SampleFlow
from firstlight.tools.diagnose.probes.script.ledger import TrainingLoop
from firstlight.tools.diagnose.probes.script.source_text import loops, pairs, scopes, targets, words

ENOUGH = 10  # samples
HELD_OUT = {"val", "valid", "validation", "test", "holdout", "heldout"}
OTHER = re.compile(r"[xy]_?(t|te|ts|tst|v|va|vl|q)$|(te|va|tst)_", re.I)  # short names of such data
MEASURES = {"loss", "acc", "accuracy", "error", "err", "score", "perplexity", "ppl", "nll", "mse"}


class TestedOnTraining(Kind):
    """An evaluation after the training on the samples of the training alone."""

    name = "tested-on-training"
    about = SampleFlow, TrainingLoop
    title = "evaluation on training data", "Auswertung auf Trainingsdaten"
    look = (
        "the samples of this evaluation: those that no step has used",
        "die Beispiele dieser Auswertung: solche, die kein Schritt verwendet hat",
    )
    says = {
        "unused": (
            "the evaluation runs on the training samples in {train}, and {test} is never used",
            "die Auswertung läuft auf den Trainingsdaten in {train}, und {test} wird nie verwendet",
        ),
        "named": (
            "{name} is computed from the training data, {train}",
            "{name} wird aus den Trainingsdaten berechnet, {train}",
        ),
    }

    def judge(self, evidence: SampleFlow | TrainingLoop) -> Findings:
        """Look for evaluated samples that are all trained, and for others under a name."""
        if isinstance(evidence, TrainingLoop):
            found = held_out_from_training(evidence.tree)
            if found is not None:
                line, *names = found
                values = dict(zip(("name", "train"), names, strict=True))
                at = Place.of(str(evidence.trace.path), line)
                yield self.finding(evidence, "named", at=at, where="data", **values)
            return
        evaluated = evidence.parts
        if not evaluated or any(
            len(np.setdiff1d(one.samples, evidence.trained)) for one in evidence.evaluations
        ):
            return
        largest = max(evaluated, key=lambda one: len(one.samples))
        for holder in evidence.holders:
            apart = not np.isin(holder.samples, evidence.trained).any()
            inside = np.isin(evidence.trained, evidence.whole(holder)).all()
            unread = apart and inside and not is_read(evidence.tree, holder.name)
            if unread and len(holder.samples) >= ENOUGH:
                names = {"train": largest.holder.name, "test": holder.name}
                yield self.finding(evidence, "unused", at=largest.at, **names)
                return

    split = "x_train, y_train, x_test, y_test = x[:48], y[:48], x[48:], y[48:]\nfor epoch"
    wrong = TRAINED.replace("for epoch", split).replace("net(x), y", "net(x_train), y_train")
    wrong += "print(((net.eval()(x_train) - y_train) ** 2).mean())\n"
    right = wrong.replace("(x_train) - y_train) **", "(x_test) - y_test) **")


def is_read(tree: ast.AST, name: str) -> bool:
    """Return whether a script reads a name, other than to assign it again."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign):
            written = [n.id for t in node.targets for n in ast.walk(t) if isinstance(n, ast.Name)]
            if name in written:
                for inner in ast.walk(node):
                    inner.again = True
    return any(
        isinstance(node, ast.Name)
        and node.id == name
        and isinstance(node.ctx, ast.Load)
        and not hasattr(node, "again")
        for node in ast.walk(tree)
    )


def held_out_from_training(tree: ast.Module) -> tuple[int, str, str] | None:
    """Return line, name and data of a number named as of held-out data, that is of others."""
    for nodes in scopes(tree):
        for node in nodes:
            for name, value in _measured(node):
                data = _data(value, node, nodes)
                train = sorted(d for d in data if "train" in words(d))
                if train and not any(words(d) & HELD_OUT or OTHER.match(d) for d in data):
                    return node.lineno, name, max(train, key=len)
    return None


def _measured(node):
    """Yield ``(name, value)`` of numbers that are assigned or printed as of held-out data."""
    if isinstance(node, ast.Assign):
        yield from ((n, v) for n, v in pairs(node) if _is_held_out(n))
    if isinstance(node, ast.JoinedStr | ast.Call):
        parts = node.values if isinstance(node, ast.JoinedStr) else node.args
        if isinstance(node, ast.Call) and getattr(node.func, "id", "") != "print":
            return
        label = ""
        for part in parts:
            if isinstance(part, ast.Constant) and isinstance(part.value, str):
                label = part.value.replace(";", ",").split(",")[-1]
            elif label:
                if _is_held_out(label):
                    yield " ".join(label.split()).strip(" :="), part
                label = ""


def _is_held_out(name):
    own = words(name)
    return bool(own & HELD_OUT and own & MEASURES) and "train" not in own


def _data(value, node, nodes, depth=2):
    """Return the names and texts of the data that an expression uses, two assignments back."""
    found = set()
    called = {id(n.func) for n in ast.walk(value) if isinstance(n, ast.Call)}
    names = [n for n in ast.walk(value) if isinstance(n, ast.Name | ast.Attribute)]
    for one in names:
        text = one.attr if isinstance(one, ast.Attribute) else one.id
        if id(one) not in called and not words(text) & MEASURES:
            found.add(text)
    found |= {
        n.value for n in ast.walk(value) if isinstance(n, ast.Constant) and type(n.value) is str
    }
    if not depth:
        return found
    around = [one for one in nodes if isinstance(one, ast.For) and node in ast.walk(one)]
    for name in {n.id for n in names if isinstance(n, ast.Name)}:
        earlier = [
            one
            for one in nodes
            if isinstance(one, ast.Assign | ast.AugAssign | ast.For)
            and one.lineno < node.lineno
            and one not in around
            and any(getattr(t, "id", "") == name for t in targets(one))
        ]
        for one in sorted(earlier, key=lambda one: one.lineno)[-1:]:
            source = one.iter if isinstance(one, ast.For) else one.value
            found |= _data(source, one, nodes, depth - 1)
            inner = [each for each in loops(tree_of(nodes)) if one in ast.walk(each)]
            for each in inner:
                if isinstance(each, ast.For) and each not in around:
                    found |= _data(each.iter, each, nodes, 0)
    return found


def tree_of(nodes: list[ast.AST]) -> ast.Module:
    """Return the statements among nodes as a tree."""
    return ast.Module([node for node in nodes if isinstance(node, ast.stmt)], [])
