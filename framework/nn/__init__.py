"""Layers, losses and initialisers; each file shows one forward and its backward."""

from firstlight.nn import init
from firstlight.nn.adaptive_pooling import AdaptiveAvgPool2d, GlobalAvgPool2d
from firstlight.nn.attention import MultiHeadAttention
from firstlight.nn.batchnorm import BatchNorm1d, BatchNorm2d
from firstlight.nn.binary_cross_entropy import BCEWithLogitsLoss
from firstlight.nn.containers import Concatenate, Residual, Sequential
from firstlight.nn.contrastive import ContrastiveLoss, NTXentLoss
from firstlight.nn.conv1d import Conv1d, ConvTranspose1d
from firstlight.nn.conv_transpose import ConvTranspose2d
from firstlight.nn.convolution import Conv2d
from firstlight.nn.cross_entropy import CrossEntropyLoss
from firstlight.nn.dice import DiceLoss
from firstlight.nn.dropout import Dropout, Dropout2d
from firstlight.nn.embedding import Embedding
from firstlight.nn.feedforward import FeedForward, SwiGLU
from firstlight.nn.gaussian_nll import GaussianNLLLoss
from firstlight.nn.gelu import GELU
from firstlight.nn.groupnorm import GroupNorm
from firstlight.nn.gru import GRU, GRUCell
from firstlight.nn.instancenorm import InstanceNorm2d
from firstlight.nn.key_value_cache import KeyValueCache
from firstlight.nn.kl_divergence import KLDivLoss
from firstlight.nn.layernorm import LayerNorm, RMSNorm
from firstlight.nn.linear import Linear
from firstlight.nn.lstm import LSTM, LSTMCell
from firstlight.nn.nll import NLLLoss
from firstlight.nn.patch_embedding import PatchEmbedding
from firstlight.nn.pooling import AvgPool2d, MaxPool2d
from firstlight.nn.pooling1d import AdaptiveAvgPool1d, AvgPool1d, MaxPool1d
from firstlight.nn.positions import RotaryPositions, SinusoidalPositions
from firstlight.nn.regression import HuberLoss, L1Loss, MSELoss
from firstlight.nn.relu import ELU, LeakyReLU, ReLU
from firstlight.nn.reshape import Flatten, Identity, Reshape
from firstlight.nn.rnn import RNN, RNNCell
from firstlight.nn.sigmoid import Sigmoid, SiLU, Softplus, Tanh
from firstlight.nn.softmax import LogSoftmax, Softmax
from firstlight.nn.transformer import TransformerDecoderLayer, TransformerEncoderLayer
from firstlight.nn.triplet import TripletMarginLoss
from firstlight.nn.upsample import Upsample
from firstlight.nn.weight_norm import SpectralNorm, WeightNorm
from firstlight.nn.zeropad2d import ZeroPad2d

__all__ = [
    "AdaptiveAvgPool1d",
    "AdaptiveAvgPool2d",
    "AvgPool1d",
    "AvgPool2d",
    "BCEWithLogitsLoss",
    "BatchNorm1d",
    "BatchNorm2d",
    "Concatenate",
    "Conv1d",
    "ContrastiveLoss",
    "Conv2d",
    "ConvTranspose1d",
    "ConvTranspose2d",
    "CrossEntropyLoss",
    "DiceLoss",
    "Dropout",
    "Dropout2d",
    "ELU",
    "Embedding",
    "FeedForward",
    "Flatten",
    "GELU",
    "GRU",
    "GRUCell",
    "GaussianNLLLoss",
    "GlobalAvgPool2d",
    "GroupNorm",
    "HuberLoss",
    "Identity",
    "InstanceNorm2d",
    "KLDivLoss",
    "KeyValueCache",
    "L1Loss",
    "LSTM",
    "LSTMCell",
    "LayerNorm",
    "LeakyReLU",
    "Linear",
    "LogSoftmax",
    "MSELoss",
    "MaxPool1d",
    "MaxPool2d",
    "MultiHeadAttention",
    "NLLLoss",
    "NTXentLoss",
    "PatchEmbedding",
    "RMSNorm",
    "RNN",
    "RNNCell",
    "ReLU",
    "Reshape",
    "Residual",
    "RotaryPositions",
    "Sequential",
    "SiLU",
    "Sigmoid",
    "SinusoidalPositions",
    "Softmax",
    "Softplus",
    "SpectralNorm",
    "SwiGLU",
    "Tanh",
    "TransformerDecoderLayer",
    "TransformerEncoderLayer",
    "TripletMarginLoss",
    "Upsample",
    "WeightNorm",
    "ZeroPad2d",
    "init",
]
