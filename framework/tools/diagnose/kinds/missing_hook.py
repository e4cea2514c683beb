"""A method that the Trainer looks for is missing, perhaps since it is misspelled."""

from dataclasses import replace

from firstlight.tools.diagnose.examples import HEAD
from firstlight.tools.diagnose.kind import Findings, Kind
from firstlight.tools.diagnose.probes.model.trainer_hooks import TrainerHooks


class MissingHook(Kind):
    """A model without configure_optimizer, or with a method named almost like a hook."""

    name = "hook"
    about = TrainerHooks
    title = "method of the Trainer missing", "Methode des Trainers fehlt"
    look = (
        "the names that the Trainer calls: configure_optimizer, training_step, validation_step",
        "die Namen, die der Trainer aufruft: configure_optimizer, training_step, validation_step",
    )
    says = {
        "misspelled": (
            "the Trainer calls {hook}, but the method of {model} is named {name}, which is never "
            "called",
            "der Trainer ruft {hook} auf, aber die Methode von {model} heißt {name} und wird nie "
            "aufgerufen",
        ),
        "missing": (
            "{model} has no configure_optimizer: Trainer.fit has nothing to train it with",
            "{model} hat kein configure_optimizer: Trainer.fit kann es nicht trainieren",
        ),
    }
    causes = frozenset({"raises", "overfit"})

    def judge(self, evidence: TrainerHooks) -> Findings:
        """Compare the names of the model's methods with those of the hooks."""
        model, found = evidence.type, evidence.misspelled
        for hook, (name, at) in found.items():
            one = self.finding(evidence, "misspelled", hook=hook, name=name, model=model, at=at)
            cure = one.at.code.replace(name, hook) if one.at is not None else ""
            yield replace(one, cure=cure if hook in cure else "")
        if not found and not evidence.has("configure_optimizer"):
            yield self.finding(evidence, "missing", model=model)

    right = (
        HEAD
        + """
class Net(fl.Module):
    def __init__(self):
        self.body = nn.Sequential(nn.Linear(4, 3))
        self.loss = nn.CrossEntropyLoss()

    def forward(self, x):
        return self.body(x)

    def backward(self, dy):
        return self.body.backward(dy)

    def configure_optimizer(self):
        return fl.optim.Adam(self.parameters(), lr=0.01)


x = rng.standard_normal((40, 4)).astype("float32")
fl.Trainer(max_epochs=5).fit(Net(), (x, x[:, :3].argmax(axis=1)))
"""
    )
    wrong = right.replace("configure_optimizer", "configure_optimizers")
