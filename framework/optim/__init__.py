"""Optimizers: update rules on a model's flat parameters."""

from firstlight.optim.adagrad import Adagrad
from firstlight.optim.adam import Adam, AdamW
from firstlight.optim.lion import Lion
from firstlight.optim.muon import Muon
from firstlight.optim.nadam import NAdam
from firstlight.optim.optimizer import Optimizer
from firstlight.optim.rmsprop import RMSprop
from firstlight.optim.sgd import SGD

__all__ = ["SGD", "Adagrad", "Adam", "AdamW", "Lion", "Muon", "NAdam", "Optimizer", "RMSprop"]
