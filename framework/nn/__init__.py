"""Layers, losses and initialisers; each file shows one forward and its backward."""

from firstlight.nn import init
from firstlight.nn.batchnorm import BatchNorm1d, BatchNorm2d
from firstlight.nn.binary_cross_entropy import BCEWithLogitsLoss
from firstlight.nn.containers import Residual, Sequential
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.nn.dropout import Dropout
from firstlight.nn.embedding import Embedding
from firstlight.nn.gelu import GELU
from firstlight.nn.layernorm import LayerNorm, RMSNorm
from firstlight.nn.linear import Linear
from firstlight.nn.pooling import AdaptiveAvgPool2d, AvgPool2d, GlobalAvgPool2d, MaxPool2d
from firstlight.nn.regression import HuberLoss, L1Loss, MSELoss
from firstlight.nn.relu import ELU, LeakyReLU, ReLU
from firstlight.nn.reshape import Flatten, Identity, Reshape
from firstlight.nn.sigmoid import Sigmoid, SiLU, Softplus, Tanh
from firstlight.nn.softmax import LogSoftmax, Softmax

__all__ = [
    "AdaptiveAvgPool2d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Conv2d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "Dropout",
    "ELU",
    "Embedding",
    "Flatten",
    "GELU",
    "GlobalAvgPool2d",
    "HuberLoss",
    "Identity",
    "L1Loss",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool2d",
    "RMSNorm",
    "ReLU",
    "Reshape",
    "Residual",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "Softmax",
    "Softplus",
    "Tanh",
    "init",
]
