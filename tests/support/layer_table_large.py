"""Large and odd sizes of layers, for which forms use blocks and threads; only forms are tested."""

from layer_table import Case, floats, fractions, integers

from firstlight import nn

WIDE = floats(1021, 517)  # 2.1 MB, several blocks
IMAGES = floats(5, 37, 41, 9)

LARGE_CASES = [
    *(
        Case(f"{make.__name__}, large", make, WIDE)
        for make in [
            *(nn.ReLU, nn.LeakyReLU, nn.ELU, nn.Sigmoid, nn.Tanh, nn.SiLU, nn.Softplus, nn.GELU),
            *(nn.Softmax, nn.LogSoftmax, nn.Dropout),
        ]
    ),
    Case("GELU, tanh, large", lambda: nn.GELU(approximate="tanh"), WIDE),
    Case("Softmax, dim=1 of 3, large", lambda: nn.Softmax(dim=1), floats(7, 129, 301)),
    Case("Linear, large", lambda: nn.Linear(517, 131), WIDE),
    Case("Linear, a batch", lambda: nn.Linear(517, 131), floats(67, 517)),
    Case("Linear, one row", lambda: nn.Linear(517, 131), floats(1, 517)),
    Case("Linear, no rows", lambda: nn.Linear(3, 4), floats(0, 3)),
    *(
        Case(f"{make.__name__}, large", lambda make=make: make(517), WIDE)
        for make in (nn.LayerNorm, nn.RMSNorm, nn.BatchNorm1d)
    ),
    Case("BatchNorm2d, large", lambda: nn.BatchNorm2d(9), floats(17, 37, 41, 9)),
    Case("GroupNorm, large", lambda: nn.GroupNorm(3, 9), floats(17, 37, 41, 9)),
    Case("InstanceNorm2d, large", lambda: nn.InstanceNorm2d(9), floats(17, 37, 41, 9)),
    Case("Embedding, large", lambda: nn.Embedding(301, 67), integers(301, 33, 129)),
    Case("Conv2d, large", lambda: nn.Conv2d(9, 13, 3, padding=1), IMAGES),
    Case("Conv2d, large, strides", lambda: nn.Conv2d(9, 13, (5, 3), (2, 3)), IMAGES),
    Case("Conv2d, large, 1 × 1", lambda: nn.Conv2d(9, 33, 1), IMAGES),
    Case("Conv2d, large, 3 × 3", lambda: nn.Conv2d(32, 64, 3, padding=1), floats(5, 13, 12, 32)),
    Case("Conv2d, large, depthwise", lambda: nn.Conv2d(9, 9, 3, groups=9, padding=1), IMAGES),
    Case("Conv2d, large, groups", lambda: nn.Conv2d(9, 12, 3, groups=3), IMAGES),
    Case("ConvTranspose2d, large", lambda: nn.ConvTranspose2d(9, 5, 3, 2), IMAGES),
    Case("MaxPool2d, large", lambda: nn.MaxPool2d(3, 2), IMAGES),
    Case("AvgPool2d, large", lambda: nn.AvgPool2d(3, 2), IMAGES),
    Case("Upsample, large", lambda: nn.Upsample(scale_factor=2, mode="bilinear"), IMAGES),
    Case("MultiHeadAttention, large", lambda: nn.MultiHeadAttention(24, 3), floats(2, 131, 24)),
    Case(
        "MultiHeadAttention, large, causal",
        lambda: nn.MultiHeadAttention(24, 3, is_causal=True),
        floats(2, 131, 24),
    ),
    Case("FeedForward, large", lambda: nn.FeedForward(67, 259), floats(3, 65, 67)),
    Case("SwiGLU, large", lambda: nn.SwiGLU(67), floats(3, 65, 67)),
    Case("LSTM, large", lambda: nn.LSTM(33, 65), floats(19, 7, 33)),
    Case("GRU, large", lambda: nn.GRU(33, 65), floats(19, 7, 33)),
    Case("RNN, large", lambda: nn.RNN(33, 65), floats(19, 7, 33)),
    Case("CrossEntropyLoss, large", nn.CrossEntropyLoss, floats(1021, 517), integers(517, 1021)),
    *(
        Case(f"{make.__name__}, large", make, WIDE, WIDE)
        for make in (nn.MSELoss, nn.L1Loss, nn.HuberLoss)
    ),
    Case("BCEWithLogitsLoss, large", nn.BCEWithLogitsLoss, WIDE, fractions(1021, 517)),
]
