"""Augmentation: random changes of training batches that keep their meaning.

Each augmentation is a transform ``f(batch, rng) -> batch`` (see `firstlight.data.transforms`) of a
batch of images (N, H, W, C), with separate random numbers for each image. Each batch has its own
generator, so that the same batch of the same epoch is always augmented alike, also after a resume
and with prefetching.
"""

from firstlight.data.augment.mix import CutMix, MixUp
from firstlight.data.augment.recipes import RECIPES, augmentation
from firstlight.data.augment.regions import RandomCrop, RandomErasing, RandomHorizontalFlip
from firstlight.data.augment.warps import Compose, ElasticTransform, RandomAffine

__all__ = [
    "RECIPES",
    "Compose",
    "CutMix",
    "ElasticTransform",
    "MixUp",
    "RandomAffine",
    "RandomCrop",
    "RandomErasing",
    "RandomHorizontalFlip",
    "augmentation",
]
