"""Augmentation: random changes of training batches that leave their meaning as it is.

Each is a transform ``f(batch, rng) -> batch`` (see `firstlight.transforms`) of images
(N, H, W, C), for the whole batch at once, every image with random numbers of its own. The
generator is the batch's own, so that the same batch of the same epoch is always augmented alike:
after a resume, and with prefetching.
"""

from firstlight.augment.affine import RandomAffine
from firstlight.augment.compose import Compose
from firstlight.augment.crop import RandomCrop
from firstlight.augment.elastic import ElasticTransform
from firstlight.augment.erasing import RandomErasing
from firstlight.augment.flip import RandomHorizontalFlip
from firstlight.augment.mix import CutMix, MixUp
from firstlight.augment.recipes import RECIPES, augmentation

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
