"""Optimizers: update rules on a model's flat parameters."""

from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.optimizer import Optimizer

__all__ = ["Adam", "AdamW", "Optimizer"]
