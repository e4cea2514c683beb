"""Who holds and who writes the state of a training: read from the source."""

import ast
from dataclasses import fields
from pathlib import Path

import pytest

from firstlight.training.progress import Progress

ROOT = Path(__file__).parents[3]
TRAINER = {ROOT / "framework/trainer.py", ROOT / "framework/training/state.py"}
# `TrainingState` takes the requests of callbacks; the loop and the class itself do all else.
WRITERS = TRAINER | {ROOT / "framework/training/loop.py", ROOT / "framework/training/progress.py"}


def assigned(tree):
    """Yield the attributes that a tree assigns, as ``(what they are of, name)``."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.ctx, (ast.Store, ast.Del)):
            yield ast.unparse(node.value), node.attr


def sources():
    for top in ("framework", "models", "callbacks", "datasets"):
        for path in (ROOT / top).rglob("*.py"):
            yield path, ast.parse(path.read_text())


def trainer_attributes():
    trees = [ast.parse(path.read_text()) for path in TRAINER]
    found = {name for tree in trees for owner, name in assigned(tree) if owner == "self"}
    return {name.removeprefix("_") for name in found}  # a property and its value are one


def test_a_trainer_has_at_most_20_attributes():
    assert len(trainer_attributes()) <= 20


@pytest.mark.slow
def test_nobody_else_assigns_an_attribute_of_a_trainer():
    found = [
        f"{path.relative_to(ROOT)}: {owner}.{name}"
        for path, tree in sources()
        if path not in TRAINER
        for owner, name in assigned(tree)
        if owner.split(".")[-1] == "trainer"
    ]
    assert found == []


@pytest.mark.slow
def test_the_loop_alone_writes_progress():
    names = {field.name for field in fields(Progress)}
    found = [
        f"{path.relative_to(ROOT)}: {owner}.{name}"
        for path, tree in sources()
        if path not in WRITERS
        for owner, name in assigned(tree)
        if owner.split(".")[-1] == "progress" and name in names
    ]
    assert found == []
