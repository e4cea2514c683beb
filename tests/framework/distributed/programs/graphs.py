"""Trainings on a GPU, captured and not; the first rank writes what they gave.

graphs.py FILE [fake]: on the fake GPU
"""

import json
import logging
import sys
from pathlib import Path

import numpy as np

if "fake" in sys.argv:
    import fake_gpu

    fake_gpu.install()

import firstlight as fl

rng = np.random.default_rng(0)
TOKENS = rng.integers(0, 11, (11, 6)), rng.integers(0, 11, (11, 6))
IMAGES = rng.random((11, 8, 8, 1), "float32"), rng.integers(0, 10, 11)


def gpt():
    sizes = {"vocab_size": 11, "block_size": 6, "n_layer": 1, "n_head": 2, "n_embd": 8}
    return fl.models.GPT(**sizes, dropout=0.2)


def normalised():
    return fl.models.MLP(64, 10, hidden=(8,), norm="batch", dropout=0.2)


WORKS = {
    "gpt": (gpt, TOKENS, {}),
    "windows": (gpt, TOKENS, {"accumulate_grad_batches": 2}),
    "batch norm": (normalised, IMAGES, {}),
}


def trained(make, data, settings, capture):
    fl.seed_everything(3)
    module = make()
    trainer = fl.Trainer(
        max_epochs=3, device="cuda", capture=capture, default_callbacks=False, runs_dir=None,
        **settings,
    )  # fmt: skip
    history = trainer.fit(module, fl.DataLoader(data, batch_size=4, shuffle=True))
    step = trainer.loop.step
    return {
        "graphs": len(step.graphs),
        "reason": step.reason,
        "losses": history["train_loss"],
        "weights": {name: value.tolist() for name, value in module.state_dict().items()},
    }, trainer


logging.getLogger("firstlight").setLevel(logging.ERROR)
found = {}
for name, work in WORKS.items():
    for capture in (True, False):
        found[f"{name}, {capture}"], trainer = trained(*work, capture)
if trainer.communicator.rank == 0:
    Path(sys.argv[1]).write_text(json.dumps(found))
